# SPDX-License-Identifier: Apache-2.0
# The wall clock is set an hour ahead and back while the daemon runs and while it is down, and is wrong after a reboot: nobody
# is let in for longer than he was granted by either clock, and nothing opens by a clock that cannot be (I2). The daemon sees
# another wall clock (wall_clock.c); the gate judges by the kernel's boot clock, which nobody can set.
. "$(dirname "$0")/story.sh"

lab_begin wall-clock
CLOCK=$LAB_DIR/clock BOOT_ID=$LAB_DIR/boot_id PRELOAD=$LAB_DIR/libwall_clock.so
cp "$POSTERN_BUILD/tests/e2e/libwall_clock.so" "$PRELOAD"  # the clone may lie where the daemon's user may not look
[ -e "$PRELOAD" ] || failed "$PRELOAD is missing"
echo 0 >"$CLOCK"
cat /proc/sys/kernel/random/boot_id >"$BOOT_ID"
DAEMON=(unshare --mount --propagation private sh -c 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"' "$BOOT_ID"
	env LD_PRELOAD="$PRELOAD" WALL_CLOCK="$CLOCK" "${DAEMON[@]}")

# Milliseconds that the gate still lets in by this grant, by its own map and the kernel's clock; nothing if it does not.
left() { # SERIAL
	bpftool -j map dump pinned "$LAB_RUN"/lab/bpf/v[0-9]*/grants_v4 | python3 -c '
import json, sys, time
now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
for entry in json.load(sys.stdin):
    value = entry["formatted"]["value"]
    if value["serial"] == int(sys.argv[1]) and value["deadline_boot_ns"] > now:
        print((value["deadline_boot_ns"] - now) // 10**6)
        break' "$1"
}
is_about() { # SERIAL SECONDS: as long is left of it, less the time that this test may have taken
	local now
	now=$(left "$1")
	[ "${now:-0}" -gt $((($2 - 100) * 1000)) ] && [ "${now:-0}" -le $(($2 * 1000)) ]
}
is_shut() { [ -z "$(left "$1")" ]; }
grant() { # MACHINE DURATION SOURCE: its serial
	postern request "$1" --port 22 --for "$2" --from "$3" --json | jq -er '.grants[0].serial'
}
ended() { postern grants --all --json | jq -e ".grants[] | select(.serial == $1) | .endReason == \"Expired\"" >/dev/null; }
ready_is() { [ "$(postern status --json | jq -r .ready)" = "$1" ]; }

lab_sshd
gate_attach --no-dispatcher >/dev/null || failed "attach"
daemon_start
postern machine add vm1 --address $MACHINE >/dev/null && postern policy enable vm1 --port 22 --max 3h >/dev/null || failed "policy enable"
long=$(grant vm1 2h 10.9.0.1) half=$(grant vm1 30m 10.9.0.2) || failed "a grant"
expect "two hours are granted" is_about "$long" 7200
expect "and half an hour" is_about "$half" 1800

echo 3600 >"$CLOCK"
expect "the clock is set an hour ahead: what ends by it before is shut" wait_for 60 is_shut "$half"
expect "and recorded as over" wait_for 60 ended "$half"
expect "of the two hours one is left" wait_for 60 is_about "$long" 3600
ahead=$(grant vm1 10m $CLIENT) || failed "a grant by the clock that is ahead"
expect "ten minutes are ten minutes" is_about "$ahead" 600
expect "who has them gets in" lab_ssh true

echo -3600 >"$CLOCK"
expect "the clock is set two hours back: the two hours are two hours again, not four" wait_for 60 is_about "$long" 7200
expect "and ten minutes are not two hours and ten minutes" is_about "$ahead" 600
expect "what was over stays over" ended "$half"
behind=$(grant vm1 10m 10.9.0.3) || failed "a grant by the clock that is behind"
expect "ten minutes are ten minutes" is_about "$behind" 600
short=$(grant vm1 2s $CLIENT_TWO) || failed "a short grant"
expect "two seconds after a step are two seconds" wait_for 60 is_shut "$short"

daemon_kill -9
echo 0 >"$CLOCK"
daemon_start
expect "set right while the daemon was down: the ten minutes of the clock that was behind are over" is_shut "$behind"
expect "the two hours are two hours" is_about "$long" 7200
expect "those of the clock that was ahead are ten minutes" is_about "$ahead" 600
daemon_kill -9
echo -3600 >"$CLOCK"
daemon_start
expect "an hour behind while it was down: still two hours" is_about "$long" 7200
expect "still ten minutes" is_about "$ahead" 600
# While it ran, it would be the newest record, and the right clock be taken for a wrong one after a reboot.
expect "the grant that began in an hour is revoked" postern revoke "$ahead"
daemon_kill -9

# A reboot with the clock of a day before: the gate is loaded anew, the boot is another.
gate_loader detach >/dev/null || failed "detach"
cat /proc/sys/kernel/random/uuid >"$BOOT_ID"
echo -86400 >"$CLOCK"
gate_attach --no-dispatcher >/dev/null || failed "attach"
daemon_start
expect "a boot with a clock older than the newest record: not ready" ready_is false
expect "and it says why" sh -c "POSTERN_SOCKET='$LAB_SOCKET' '$POSTERN_BUILD/tools/postern/postern' status --json | jq -r .notReady | grep -q 'older than the newest record'"
same "nobody is let in" "" "$(map_serials)"
denied "not him who has a grant" lab_ssh true
refuse "nothing is opened" postern request vm1 --port 22 --for 10m --from $CLIENT
says "clock"
echo 0 >"$CLOCK"
expect "when the clock is set it is ready" wait_for 60 ready_is true
expect "what is left of the grants is back, by the wall clock" is_about "$long" 7200
expect "who asked gets in" postern request vm1 --port 22 --for 10m --from $CLIENT
expect "with ssh" lab_ssh true
expect "the audit is whole" postern audit verify

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --confirm-within: the attach undoes itself, also when loader and terminal are gone; confirm keeps it; the SSH client is
# a failsafe source until then; and if the timer is killed, the program lets everything pass by itself.
. "$(dirname "$0")/loader_net.sh"

exits 3 "there is nothing to confirm" loader confirm
now() { cut -d. -f1 /proc/uptime; }
began=$(now)
# From a session whose every process is killed.
killed_session() { # TIME TO CONFIRM
	SAID=$(SSH_CONNECTION="198.51.100.10 50000 198.51.100.1 22" setsid --wait bash -c '
		nsenter --net="/run/netns/$1" "$2/loader/postern-loader" attach --run-dir "$3" --group 64321 --interface gate0 \
			--no-dispatcher --confirm-within "$4" --failsafe 203.0.113.0/24; kill -KILL 0' _ "$NS_GATE" "$BUILD" "$RUN_DIR" "$1" 2>&1)
	says "198.51.100.10 is never gated"
}
killed_session 600s
expect "the gate stands" loader status
says "to be confirmed within [56][0-9][0-9] s"
same "two failsafe sources: the one asked for and the SSH client" 2 "$(by_hand failsafe "$BPFFS")"
# What has to be done within a time below takes a few such steps: on a slow host, or a kernel that is emulated, it gets longer.
within=$((4 + 4 * ($(now) - began)))
killed_session 1s
wait_for $((60 + within)) [ ! -e "$RUN_DIR" ] || failed "the attach did not undo itself: $(loader status)"
nothing_left "after an attach that was not confirmed"

expect "attach again" env SSH_CONNECTION="198.51.100.10 50000 198.51.100.1 22" nsenter --net="/run/netns/$NS_GATE" \
	"$BUILD/loader/postern-loader" attach --run-dir "$RUN_DIR" --group 64321 --interface gate0 --no-dispatcher \
	--confirm-within ${within}s --failsafe 203.0.113.0/24
attached=$(now)
expect "confirm" loader confirm
same "the SSH client is no failsafe source any more, the one asked for is" 1 "$(by_hand failsafe "$BPFFS")"
passed() { [ "$(now)" -gt $((attached + within)) ]; }
wait_for $((within + 60)) passed
expect "the gate still stands after its deadline" loader status
says "^confirmed"
expect "confirm twice is fine" loader confirm
says "already"
no_timer() { [ -z "$(ip netns pids "$NS_GATE")" ]; }
expect "no timer is left" wait_for 60 no_timer

# A later deadline takes the place of an earlier one: the first timer must not undo what the second waits for.
expect "attach anew, to be confirmed soon" attach --interface gate0 --no-dispatcher --confirm-within ${within}s
attached=$(now)
expect "and again within 600 s" attach --interface gate0 --no-dispatcher --confirm-within 600s
says "replaced"
wait_for $((within + 60)) passed
expect "the first timer undid nothing" loader status
says "to be confirmed within 5[0-9][0-9] s"

# The timer is killed: the gate opens by itself, and says so.
by_hand guard "$BPFFS" 198.51.100.1 22
expect "attach to be confirmed soon" attach --interface gate0 --no-dispatcher --confirm-within ${within}s
for pid in $(ip netns pids "$NS_GATE"); do kill -KILL "$pid"; done
knock() { in_client timeout "$1" bash -c 'exec 3<>/dev/tcp/198.51.100.1/22' 2>/dev/null; } # 124: no answer
knock 0.5; same "until then a guarded port is shut" 124 $?
unconfirmed() { loader status | grep -q 'NOT CONFIRMED'; }
wait_for $((within + 60)) unconfirmed
exits 4 "status says that nobody confirmed" loader status
says "NOT CONFIRMED in time: everything passes"
knock 20; same "a guarded port is reached (and refused by the host, where nothing listens)" 1 $?
expect "confirm shuts it again" loader confirm
knock 0.5; same "a guarded port is shut" 124 $?
expect "detach" loader detach
nothing_left "after the timer was killed"
echo "all good"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The boot snapshot: after a reboot the loader guards from it before posternd runs; grants return with what is left of
# their time when it has replayed them. A snapshot torn or damaged anywhere is not believed: the one before it is taken,
# or nothing is attached.
. "$(dirname "$0")/story.sh"

lab_begin boot_snapshot
SNAPSHOT=$LAB_DIR/state/lab.snapshot WATCHED=192.0.2.11

# What a reboot leaves: no program, no qdisc, no maps, no run folder; the state folder stays.
reboot() {
	bpftool link detach pinned "$LAB_RUN/lab/bpf/links/xdp-outside" 2>/dev/null
	in_gateway tc qdisc del dev outside clsact 2>/dev/null
	umount "$LAB_RUN/lab/bpf" || umount -l "$LAB_RUN/lab/bpf"
	rm -rf "$LAB_RUN"
}
counted() { gate_loader status --json | jq --arg name "$1" '[.reasons[] | select(.name == $name) | .packets] | add // 0'; }
drops() { counted no_grant; }
many_drops() { [ "$(drops)" -gt 20 ]; }
closed_by_the_gate() { # SENTENCE, options of lab_ssh
	local sentence=$1 before
	shift
	before=$(drops)
	refuse "$sentence" lab_ssh "$@" true
	[ "$(drops)" -gt "$before" ] || failed "$sentence: the gate dropped nothing"
}
from_snapshot() { gate_attach --no-dispatcher --snapshot "$SNAPSHOT"; }

lab_sshd
ip -n "$NS_MACHINE" address add $WATCHED/24 dev eth0
daemon_config ', "failsafe_sources": ["198.51.100.11"]'
guarded_machine --no-dispatcher --snapshot "$SNAPSHOT"
[ -s "$SNAPSHOT" ] || failed "there is no snapshot after a policy was made"
same "nobody but the daemon reads it" "600 $LAB_UID $LAB_UID" "$(stat -c '%a %u %g' "$SNAPSHOT")"
expect "another machine" postern machine add watched --address $WATCHED
expect "is only monitored" postern policy enable watched --port 22 --monitor
written=$(stat -c %i "$SNAPSHOT")
expect "a grant" postern request vm1 --port 22 --for 10m --from $CLIENT
same "a grant changes nothing in the snapshot" "$written" "$(stat -c %i "$SNAPSHOT")"
expect "ssh" lab_ssh true
until_before=$(postern grants --json | jq -er '.grants[0].endTimeUtc') || failed "no grant is listed"
daemon_kill -9

reboot
expect "without the gate anybody gets in" lab_ssh -b $CLIENT_TWO true
examined() { gate_loader doctor --json -i outside --snapshot "$1" | jq -e "[.findings[] | select(.check == \"services\")] | length == $2" >/dev/null; }
expect "doctor knows by the snapshot what is guarded" examined "$SNAPSHOT" 0
expect "and without it does not" examined "$LAB_DIR/none" 1
expect "attach after the reboot, the daemon down" from_snapshot
says "guards by the boot snapshot"
closed_by_the_gate "the guarded port is shut, also to him who had a grant"
closed_by_the_gate "over IPv6 too" -6
expect "what is never gated is not" lab_ssh -b $CLIENT_TWO true
in_client ping -c1 -W60 $MACHINE >/dev/null || failed "other traffic does not pass"
before=$(counted monitored)
expect "what was monitored still passes" lab_ssh -h $WATCHED true
[ "$(counted monitored)" -gt "$before" ] || failed "the monitored service counted nothing"
daemon_start
expect "the grant is back" wait_for 60 lab_ssh true
same "with the same end" "$until_before" "$(postern grants --json | jq -er '.grants[0].endTimeUtc')"
same "and is in the maps" "$(listed_serials)" "$(map_serials)"
closed_by_the_gate "others stay out" -6

expect "from now on it is enforced" postern policy enforce watched
denied "also to him who gets in elsewhere" lab_ssh -h $WATCHED true
expect "a second machine, so that there is one before the newest" postern machine add vm2 --address 192.0.2.77
expect "its policy" postern policy enable vm2 --port 3389
[ -s "$SNAPSHOT.last" ] || failed "the one before is not there"
daemon_kill -15
reboot
cp "$SNAPSHOT" "$LAB_DIR/good"
chmod 600 "$LAB_DIR/good"

# Whole, but for one byte or its end: never believed.
damage() { # BYTE
	cp "$LAB_DIR/good" "$SNAPSHOT"
	python3 - "$SNAPSHOT" "$1" <<-'PY'
		import sys
		with open(sys.argv[1], "r+b") as file:
		    file.seek(int(sys.argv[2])); byte = file.read(1)[0]
		    file.seek(int(sys.argv[2])); file.write(bytes([byte ^ 0x40]))
	PY
}
size=$(stat -c %s "$LAB_DIR/good")
in_gateway "$POSTERN_BUILD/tests/e2e/snapshot_check" "$LAB_DIR/good" || failed "a snapshot damaged or cut off somewhere was believed"
echo "ok: $size bytes, each damaged and the file cut off before each: never believed"

# From the interface's first moment: somebody tries all the time, while it is down, attached to, and up.
ip -n "$NS_GATEWAY" link set outside down
nsenter --net="/run/netns/$NS_CLIENT" python3 - $MACHINE $WATCHED >"$LAB_DIR/got_in" 7>&- <<-'PY' &
	import socket, sys
	while True:
	    for host in sys.argv[1:]:
	        try:
	            socket.create_connection((host, 22), timeout=0.1)
	            print(host, flush=True)
	        except OSError:
	            pass
PY
trying=$!
cp "$LAB_DIR/good" "$SNAPSHOT"
expect "attach to an interface that is down" from_snapshot
ip -n "$NS_GATEWAY" link set outside up
ip -n "$NS_GATEWAY" address add 2001:db8:1::1/64 dev outside 2>/dev/null
expect "it is tried, and dropped" wait_for 60 many_drops
kill "$trying"
same "nobody got in at any time" "" "$(cat "$LAB_DIR/got_in")"
reboot

damage $((size - 5))
expect "attach with a damaged snapshot" from_snapshot
says "WARNING.*lab.snapshot is damaged.*the one before it"
closed_by_the_gate "what the one before it guards is shut"
closed_by_the_gate "also what was monitored once, and is enforced since" -h $WATCHED
reboot
truncate -s 30 "$SNAPSHOT"
expect "attach with a torn one" from_snapshot
says "is cut off"
reboot
rm "$SNAPSHOT"
expect "attach with only the one before" from_snapshot
says "does not exist"
reboot
damage 40
truncate -s 3 "$SNAPSHOT.last"
exits 5 "neither can be read: a refusal" from_snapshot
says "nothing was attached"
[ ! -e "$LAB_RUN/lab/bpf" ] || failed "the refused attach left something"
mkfifo "$LAB_DIR/pipe"
exits 5 "a pipe is no snapshot" gate_attach --snapshot "$LAB_DIR/pipe"
ln -s /etc/shadow "$LAB_DIR/link"
exits 5 "a symbolic link is not followed" gate_attach --snapshot "$LAB_DIR/link"
rm "$SNAPSHOT" "$SNAPSHOT.last"
expect "attach where there never was one" from_snapshot
says "there is no boot snapshot .*guards nothing until"
reboot
expect "attach without it, when asked" gate_attach --no-dispatcher --no-snapshot
daemon_start
wait_for 60 test -s "$SNAPSHOT" || failed "the daemon writes no snapshot"
closed_by_the_gate "the daemon guards again" -6
same "and writes the snapshot anew" "$size" "$(stat -c %s "$SNAPSHOT")"

# A daemon that cannot write it says so, and goes on.
mkdir "$SNAPSHOT.new"
expect "a change while the snapshot cannot be written" postern policy enable vm2 --port 22
readyz() { in_gateway curl -s -m 20 http://127.0.0.1:7822/readyz; }
says_now() { grep -Eq -- "$1" <<<"$(readyz)"; }
wait_for 60 says_now "after a reboot it would guard by an older list" || failed "readyz does not tell: $(readyz)"
rmdir "$SNAPSHOT.new"
ready() { readyz | jq -e .ready >/dev/null; }
wait_for 60 ready || failed "readyz does not recover: $(readyz)"
echo "ok: a snapshot that cannot be written is told by readyz, and written when it can be"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The gate is taken off under a running daemon, in every way there is: /readyz fails with the reason, the log raises an
# alarm, and `postern-loader ensure` puts it back as it was. With a real session and a probe of the closed port.
. "$(dirname "$0")/story.sh"

lab_begin reattach
readyz() { in_gateway curl -s -m 20 http://127.0.0.1:7822/readyz; }
ready() { readyz | jq -e .ready >/dev/null; }
says_now() { SAID=$(readyz) && grep -Eq -- "$1" <<<"$SAID"; }
alarms() { grep -c 'ALARM' "$LAB_DIR/daemon/log"; }
alarmed() { [ "$(alarms)" = $((alarms_before + 1)) ]; }
taken_off() { # SENTENCE PATTERN: readyz comes to say it, and the log has one alarm more
	wait_for 60 says_now "$2" && ! ready || failed "$1: readyz says $(readyz)"
	wait_for 60 alarmed || failed "$1: $(alarms) alarms in the log, before it $alarms_before"
	postern status --json | jq -e '.ready == false or .gate.ready == false' >/dev/null || failed "$1: status does not tell"
	echo "ok: $1"
}
put_back() { # SENTENCE
	expect "$1: ensure" ensure
	says "outside was not whole, attached again"
	wait_for 60 ready || failed "$1: not ready again: $(readyz)"
	session_moves "$RANDOM" || failed "$1: the session broke"
	denied "$1: guarded again" lab_ssh -b $CLIENT_TWO true
	expect "$1: once more does nothing" ensure
	says "whole"
	alarms_before=$(alarms)
}
ensure() { gate_loader ensure --snapshot "$LAB_DIR/state/lab.snapshot"; }

exits 3 "nothing was attached, so nothing is put back" ensure
lab_sshd
guarded_machine --no-dispatcher
wait_for 60 ready || failed "not ready at first: $(readyz)"
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
session_open || failed "no session"
alarms_before=$(alarms)
programs=$(in_gateway bpftool net show dev outside 2>/dev/null | grep -o 'id [0-9]*')
expect "whole: ensure does nothing" ensure
says "whole"
same "it touched no program" "$programs" "$(in_gateway bpftool net show dev outside 2>/dev/null | grep -o 'id [0-9]*')"

ip -n "$NS_GATEWAY" link set outside down && ip -n "$NS_GATEWAY" link set outside up
ip -n "$NS_GATEWAY" address add 2001:db8:1::1/64 dev outside 2>/dev/null
wait_for 60 session_moves "up again" || failed "the session broke when its interface went down and up"
ready && [ "$(alarms)" = "$alarms_before" ] && echo "ok: down and up is no reason for an alarm" || failed "alarm by down and up"

refuse "ip link cannot take off what a link holds" ip -n "$NS_GATEWAY" link set dev outside xdp off
bpftool link detach pinned "$LAB_RUN/lab/bpf/links/xdp-outside" || failed "cannot detach the link"
taken_off "the link is detached" 'program is gone from the interface outside'
put_back "after the link was detached"

in_gateway tc filter del dev outside egress
taken_off "the egress filter is taken off" 'filter is gone from the egress hook of the interface outside'
put_back "after the filter went"
in_gateway tc qdisc del dev outside clsact
taken_off "the qdisc is taken off" 'filter is gone from the egress hook'
put_back "after the qdisc went"

bpftool link detach pinned "$LAB_RUN/lab/bpf/links/xdp-outside"
in_gateway "$POSTERN_BUILD/tests/e2e/gate_by_hand" foreign outside
taken_off "somebody put his own program there" 'another program \(id [0-9]+\) stands in its place|program is gone'
wait_for 60 says_now 'another program' || failed "the other program is not told of: $(readyz)"
exits 1 "ensure does not fight it" ensure
says 'already runs the XDP program "somebody_else"'
ip -n "$NS_GATEWAY" link set dev outside xdp off
put_back "after the other program went"

ip -n "$NS_GATEWAY" link delete outside
taken_off "the interface is gone" 'interface outside is gone'
exits 4 "there is nothing to attach to" ensure
ip -n "$NS_GATEWAY" link add outside type veth peer name eth0 netns "$NS_CLIENT"
lab_addresses "$NS_CLIENT" eth0 $CLIENT/24 $CLIENT_TWO/24 $CLIENT_V6/64
lab_addresses "$NS_GATEWAY" outside 198.51.100.1/24 2001:db8:1::1/64
ip -n "$NS_CLIENT" route add default via 198.51.100.1
put_back "after it was made anew"

umount -l "$LAB_RUN/lab/bpf"
wait_for 60 says_now 'no gate is loaded' || failed "the bpffs is gone: readyz says $(readyz)"
expect "the bpffs is gone: ensure" ensure
wait_for 60 ready || failed "not ready again: $(readyz)"
denied "guarded again" lab_ssh -b $CLIENT_TWO true

expect "to be confirmed" gate_attach --no-dispatcher --confirm-within 10s
timer() { pgrep -f "expire --run-dir $LAB_RUN "; }
wait_for 60 timer >/dev/null || failed "nobody waits for the confirmation"
kill -KILL $(timer)
wait_for 60 says_now 'nobody confirmed' || failed "readyz says $(readyz)"
exits 1 "what nobody confirmed is not confirmed by putting it back" ensure
says "nobody confirmed"
says_now 'nobody confirmed' || failed "ensure confirmed it"

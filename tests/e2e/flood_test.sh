# SPDX-License-Identifier: Apache-2.0
# Floods of SYNs, from spoofed sources and from granted ones, as fast as one CPU sends them, while a real ssh session, an
# iperf3 run and a UDP session are open; before and after their grants end. No established flow is lost, each moves
# bytes, half-open flows stay within their table, and the daemon answers.
# POSTERN_FLOOD_SECONDS: how long each of the four floods lasts.
. "$(dirname "$0")/story.sh"
each=${POSTERN_FLOOD_SECONDS:-3}
granted=10.9.0.0/16

lab_begin flood
lab_sshd
ip -n "$NS_GATEWAY" route add $granted via $CLIENT # where answers to the granted flood end
nsenter --net="/run/netns/$NS_MACHINE" python3 "$(dirname "$0")/udp_echo.py" serve 5353 2>"$LAB_DIR/udp.log" 7>&- &
nsenter --net="/run/netns/$NS_MACHINE" iperf3 -s -p 5201 --forceflush >"$LAB_DIR/iperf3.server" 2>&1 7>&- &
guarded_machine
postern policy enable vm1 --port 5201 --port 5353/udp >/dev/null || failed "policy enable"
expect "the sessions are granted" postern request vm1 --port 22 --port 5201 --port 5353 --for 1h --from $CLIENT
expect "and a block that will flood" postern request vm1 --port 22 --for 1h --from $granted

wait_for 60 grep -q 'Server listening' "$LAB_DIR/iperf3.server" || failed "iperf3: $(cat "$LAB_DIR/iperf3.server")"
session_open && echo "ok: ssh is in" || failed "ssh"
nsenter --net="/run/netns/$NS_CLIENT" python3 "$(dirname "$0")/udp_echo.py" session $MACHINE 5353 >"$LAB_DIR/udp.client" 7>&- 8>&- &
wait_for 60 test -s "$LAB_DIR/udp.client" || failed "the UDP session"
nsenter --net="/run/netns/$NS_CLIENT" iperf3 -c $MACHINE -p 5201 -b 20M -t $((each * 4 + 600)) -i 1 --forceflush >"$LAB_DIR/iperf3.client" 2>&1 7>&- 8>&- &
iperf=$!
wait_for 60 grep -qs Mbits/sec "$LAB_DIR/iperf3.client" || failed "iperf3: $(cat "$LAB_DIR/iperf3.client")"

# Lines of: client's port, machine's port, bytes of the client. Sorted by ports.
flows() {
	bpftool -j map dump pinned "$LAB_RUN/lab/bpf/v2/established_v4" |
		jq -r '.[].formatted | [.key.client_port_be, .key.machine_port_be, .key.protocol, .value.client.bytes] | @text' | tr -d '[]' | sort
}
moving() { # file of flows: how many of them have moved bytes since
	flows >"$LAB_DIR/flows.now"
	join -t, -j 1 <(sed 's/,/-/;s/,/-/' "$1") <(sed 's/,/-/;s/,/-/' "$LAB_DIR/flows.now") | awk -F, '$3 > $2' | wc -l
}
moves() { [ "$(moving "$1")" -ge 3 ]; }
tally() { postern status --json | jq -r --arg name "$1" '[.tallies[] | select(.name == $name) | .packets] | add // 0'; }
seen() { postern status --json | jq '[.reasons[].packets] | add'; }

gateway_mac=$(ip -n "$NS_GATEWAY" -j link show outside | jq -r .[0].address)
flood() { # sentence, block of sources
	local try
	for try in 1 2 3 4 5; do
		flood_once "$@"
		[ "$judged" -le "$limit" ] || return 0
	done
	failed "$1: that was no flood for a table of $limit"
}
flood_once() {
	local sender before answers=0 half begin sent rate
	flows >"$LAB_DIR/flows.before"
	before=$(seen) begin=${EPOCHREALTIME/[.,]/}
	nsenter --net="/run/netns/$NS_CLIENT" "$POSTERN_BUILD/tests/e2e/flood" eth0 "$gateway_mac" "$2" $MACHINE 22 "$each" >"$LAB_DIR/sent" 2>&1 7>&- 8>&- &
	sender=$!
	while kill -0 $sender 2>/dev/null; do
		postern status >/dev/null || failed "$1: the daemon does not answer"
		session_moves flooded || failed "$1: the ssh session is dead"
		answers=$((answers + 1))
	done
	wait $sender || failed "$1: the flood was none: $(cat "$LAB_DIR/sent")"
	sent=$(cat "$LAB_DIR/sent") judged=$(($(seen) - before))
	# Counted afterwards: in a table that changes meanwhile some are met twice.
	read -r half limit <<<"$(in_gateway "$POSTERN_BUILD/tests/e2e/gate_by_hand" half-open "$LAB_RUN/lab/bpf")"
	[ "$half" -le "$limit" ] || failed "$1: $half half-open flows, above the $limit of their table"
	[ "$answers" -gt 0 ] || failed "$1: too short to ask the daemon even once"
	# What is not judged was lost before the gate, in the veth pair's queue, as sessions' packets are then too.
	rate=$((judged * 1000 / (${EPOCHREALTIME/[.,]/} - begin)))
	echo "ok: $1: $rate packets/ms judged ($judged; $sent SYNs sent), the daemon answered $answers times, then $half of $limit half-open flows"
	wait_for 60 moves "$LAB_DIR/flows.before" || failed "$1: not every session moves bytes: $(cat "$LAB_DIR/flows.before" "$LAB_DIR/flows.now")"
	same "$1: every established flow is there" "$(cut -d, -f1-3 "$LAB_DIR/flows.before")" "$(cut -d, -f1-3 "$LAB_DIR/flows.now")"
	kill -0 $iperf 2>/dev/null || failed "$1: iperf3 ended: $(tail -n 3 "$LAB_DIR/iperf3.client")"
}

same "four flows: ssh, UDP, iperf3's two" 4 "$(flows | wc -l)"
flood "spoofed sources" 0.0.0.0/0
flood "granted sources" $granted
created=$(tally half_open_created)
[ "$created" -gt "$limit" ] || failed "the granted flood made only $created half-open flows, too few to fill the table"
expect "the grants end" postern revoke --machine vm1
denied "nobody new comes in" lab_ssh true
flood "after the end, spoofed sources" 0.0.0.0/0
flood "after the end, sources that were granted" $granted
same "no flow that the gate had forgotten was established again" 0 "$(tally picked_up)"
session_moves_much && echo "ok: ssh moved a megabyte" || failed "ssh after the floods"
kill -INT $iperf
wait $iperf
expect "iperf3 ended in good order" grep -q receiver "$LAB_DIR/iperf3.client"

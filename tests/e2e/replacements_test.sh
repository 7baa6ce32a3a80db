# SPDX-License-Identifier: Apache-2.0
# The programs are replaced again and again while an established flow sends and a closed port is probed: no probe passes,
# no packet of the flow is lost or goes unjudged, by the gate's own counters. What a busy host loses before the gate, in the
# full queue of the veth pair, its sender counts. First the same without replacements: at a rate at which little is.
# POSTERN_REPLACEMENTS: how many.
. "$(dirname "$0")/story.sh"
replacements=${POSTERN_REPLACEMENTS:-25}

lab_begin replacements
nsenter --net="/run/netns/$NS_MACHINE" python3 "$(dirname "$0")/udp_echo.py" serve 5353 2>"$LAB_DIR/udp.log" 7>&- &
in_machine nft -f - <<-EOF || failed "the machine cannot count"
	table inet seen {
		chain in {
			type filter hook input priority 0
			udp dport 5354 counter name probes
		}
		counter probes { }
	}
EOF
gate_attach --no-dispatcher >/dev/null || failed "attach"
daemon_start
postern machine add vm1 --address $MACHINE >/dev/null && postern policy enable vm1 --port 5353/udp --port 5354/udp >/dev/null || failed "policy"
expect "one of two ports is opened" postern request vm1 --port 5353 --for 1h --from $CLIENT
mode=$(gate_loader status | grep -m1 outside)

probes_that_passed() { in_machine nft -j list counter inet seen probes | jq '[.nftables[].counter.packets // empty] | add'; }
overflows() { ip -n "$NS_CLIENT" -j -s link show eth0 | jq '.[0].stats64.tx.dropped'; }
programs() { gate_loader status --json | jq '.interfaces[0].ingressProgram'; }

# steady SENTENCE RATE COMMAND…: traffic while the command runs; what is lost by the gate ends the test. 1: the host cannot keep
# up with this rate.
steady() {
	local sentence=$1 rate=$2 flow dropped before sent probes lost overflowed
	shift 2
	rm -f "$LAB_DIR/to" && mkfifo "$LAB_DIR/to"
	nsenter --net="/run/netns/$NS_CLIENT" python3 "$(dirname "$0")/steady.py" $MACHINE 5353 5354 "$rate" <"$LAB_DIR/to" >"$LAB_DIR/steady" 2>&1 7>&- &
	exec 8>"$LAB_DIR/to"
	wait_for 60 grep -q open "$LAB_DIR/steady" || failed "$sentence: $(cat "$LAB_DIR/steady")"
	flow=$(count flow) dropped=$(count no_grant) before=$(overflows)
	echo go >&8
	"$@" || failed "$sentence: $*"
	exec 8>&-
	wait $! || failed "$sentence: the traffic: $(cat "$LAB_DIR/steady")"
	read -r sent probes <<<"$(tail -n 1 "$LAB_DIR/steady")"
	overflowed=$(($(overflows) - before)) flow=$(($(count flow) - flow)) dropped=$(($(count no_grant) - dropped))
	lost=$((sent + probes - flow - dropped - overflowed))
	echo "# $sentence, at $rate a second: $sent packets of the flow, $flow judged; $probes probes, $dropped dropped; $overflowed never got in"
	same "$sentence: no probe passed" 0 "$(probes_that_passed)"
	[ $flow -le "$sent" ] && [ $dropped -le "$probes" ] || failed "$sentence: the gate judged more packets than were sent"
	same "$sentence: of what got in, nothing was lost" 0 $lost
	[ $((overflowed * 100)) -le "$sent" ]
}

replaced=0
replace_often() {
	local before now
	before=$(programs)
	while [ $replaced -lt "$replacements" ]; do
		gate_attach --no-dispatcher >"$LAB_DIR/attach" 2>&1 || { cat "$LAB_DIR/attach" && return 1; }
		replaced=$((replaced + 1))
		[ $((replaced % 100)) != 0 ] || echo "# $replaced replacements in $SECONDS s"
	done
	now=$(programs)
	[ "$before" != "$now" ] || failed "no program was replaced"
}

rate=20000
until steady "without replacements" $rate sleep 3; do
	rate=$((rate / 2))
	[ $rate -ge 500 ] || failed "this machine carries no such rate"
done
steady "with replacements" $rate replace_often || echo "# the host could not keep up"
echo "ok: $replaced replacements in $SECONDS s, attached so: $mode"

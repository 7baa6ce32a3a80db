# SPDX-License-Identifier: Apache-2.0
# The programs are replaced again and again while an established flow sends and a closed port is probed: no probe passes,
# no packet of the flow is lost or goes unjudged, by the gate's own counters. First the same without replacements: the
# rate is one that loses nothing then.
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
programs() { gate_loader status --json | jq '.interfaces[0].ingressProgram'; }

# steady SENTENCE RATE COMMAND…: traffic while the command runs. 0: nothing was lost; 1: some was; anything else ends the test.
steady() {
	local sentence=$1 rate=$2 flow dropped sent probes lost
	shift 2
	rm -f "$LAB_DIR/to" && mkfifo "$LAB_DIR/to"
	nsenter --net="/run/netns/$NS_CLIENT" python3 "$(dirname "$0")/steady.py" $MACHINE 5353 5354 "$rate" <"$LAB_DIR/to" >"$LAB_DIR/steady" 2>&1 7>&- &
	exec 8>"$LAB_DIR/to"
	wait_for 10 grep -q open "$LAB_DIR/steady" || failed "$sentence: $(cat "$LAB_DIR/steady")"
	flow=$(count flow) dropped=$(count no_grant)
	echo go >&8
	"$@" || failed "$sentence: $*"
	exec 8>&-
	wait $! || failed "$sentence: the traffic: $(cat "$LAB_DIR/steady")"
	read -r sent probes <<<"$(tail -n 1 "$LAB_DIR/steady")"
	lost=$((sent - ($(count flow) - flow)))
	echo "# $sentence, at $rate a second: $sent packets of the flow, $lost lost; $probes probes, $(($(count no_grant) - dropped)) dropped"
	same "$sentence: no probe passed" 0 "$(probes_that_passed)"
	[ $lost -ge 0 ] || failed "$sentence: the gate judged more packets than were sent"
	[ $lost = 0 ] || return 1
	same "$sentence: every probe was dropped" "$probes" $(($(count no_grant) - dropped))
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
	[ $rate -ge 500 ] || failed "this machine carries no rate without loss"
done
steady "with replacements" $rate replace_often || failed "packets were lost"
echo "ok: $replaced replacements in $SECONDS s, attached so: $mode"

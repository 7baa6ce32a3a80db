#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Replacing the programs under traffic: no packet is lost, maps keep their identity, flows and failsafes stay; and an
# attach that fails half way leaves the old programs in force.
. "$(dirname "$0")/loader_net.sh"

expect "attach" attach --no-dispatcher --interface gate0
by_hand plant "$BPFFS" 200
id=$(by_hand map-id "$BPFFS")
program=$(loader status --json | jq '.interfaces[0].ingressProgram')

replaced=0
while [ $replaced -lt 3 ]; do # once, but where a replacement takes seconds
	in_client ping -q -i 0.002 -c 1500 -W60 198.51.100.1 >"$RUN_DIR.ping" 2>&1 7>&- &
	ping=$!
	while kill -0 $ping 2>/dev/null; do
		attach --no-dispatcher --interface gate0 >/dev/null || failed "replacing under traffic"
		replaced=$((replaced + 1))
	done
	wait $ping
	SAID=$(cat "$RUN_DIR.ping"); rm -f "$RUN_DIR.ping"
	says "1500 received, 0% packet loss"
done
echo "ok: $replaced replacements under traffic lost nothing"
same "the maps are the same" "$id" "$(by_hand map-id "$BPFFS")"
same "the flows are all there" 200 "$(by_hand flows "$BPFFS")"
[ "$(loader status --json | jq '.interfaces[0].ingressProgram')" != "$program" ] || failed "no program was replaced"
same "one XDP program stands" 1 "$(xdp_on gate0)"
same "one egress filter stands" 1 "$(in_gate tc filter show dev gate0 egress | grep -c postern_egress)"
programs=$(bpftool -j prog show | jq --argjson id "$(by_hand map-id "$BPFFS")" '[.[] | select(.map_ids // [] | index($id))] | length')
[ "$programs" -le 3 ] || failed "$programs programs use the maps, so older ones than ingress, egress and explain are left"

# gate1 is taken: the replacement on gate0 is undone.
by_hand foreign gate1
explain() { stat -c '%a %u %g' "$BPFFS/v2/explain"; bpftool -j prog show pinned "$BPFFS/v2/explain" | jq .id; }
before=$(loader status --json | jq -c '.interfaces') standing=$(standing_on gate0) explain=$(explain)
exits 1 "an attach of which one interface is taken fails" attach --no-dispatcher --interface gate0 --interface gate1
same "and leaves the other as it was" "$before" "$(loader status --json | jq -c '.interfaces')"
ip -n "$NS_GATE" link set dev gate1 xdp off

# A filter of another kind at our priority: egress of gate1 fails after gate0 was replaced already.
in_gate tc qdisc add dev gate1 clsact
in_gate tc filter add dev gate1 egress protocol ip pref 1 u32 match u32 0 0
exits 1 "an attach that fails half way fails" attach --no-dispatcher --interface gate0 --interface gate1
says "priority 1 of the egress hook"
same "the programs are those of before" "$standing" "$(standing_on gate0)"
same "explain too" "$explain" "$(explain)"
same "and the records too" "$before" "$(loader status --json | jq -c '.interfaces')"
expect "and the gate is whole" loader status
in_gate tc qdisc del dev gate1 clsact
expect "detach" loader detach
nothing_left "after replacing"
echo "all good"

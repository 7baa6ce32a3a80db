#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# attach, status, detach: what stands where, and that nothing stays; two interfaces that share the maps; what was there
# before us (a clsact qdisc with somebody's filter) is there after us.
. "$(dirname "$0")/loader_net.sh"

exits 3 "status of a gate that is not there says so by its exit code" loader status
expect "detach of a gate that is not there is fine" loader detach
expect "attach" attach --no-dispatcher --interface gate0
says "gate0 attached, native, by link"
same "one XDP program stands on gate0" 1 "$(xdp_on gate0)"
in_gate tc filter show dev gate0 egress | grep -q 'pref 1 bpf.*postern_egress' || failed "the egress filter is not the first"
expect "traffic that is not guarded goes on" in_client ping -c2 -i0.1 -W60 198.51.100.1
expect "status" loader status
says "gate0 attached, native, by link"
says "table grants_v4: 0 of"
expect "status as JSON" loader status --json
same "JSON says it is whole" true "$(jq .whole <<<"$SAID")"
same "maps belong to the group" "660 0 64321" "$(stat -c '%a %u %g' "$BPFFS/v2/grants_v4")"
same "links are root's alone" "700 0 0" "$(stat -c '%a %u %g' "$BPFFS/links")"
same "the record can be read by the group" "640 0 64321" "$(stat -c '%a %u %g' "$RUN_DIR/gate/attach-gate0.json")"
setpriv --reuid 64321 --regid 64321 --clear-groups "$BUILD/tests/e2e/gate_by_hand" flows "$BPFFS" >/dev/null ||
	failed "the daemon's user cannot open the maps"

config() { bpftool -j map dump pinned "$BPFFS/v2/config" | jq -r ".[0].formatted.value.$1"; }
limits() { echo "$(config established_per_grant_max) $(($(config tcp_established_idle_ns) / 1000000000)) $(($(config tcp_half_open_idle_ns) / 1000000000)) $(($(config udp_established_idle_ns) / 1000000000))"; }
same "one grant has an eighth of the flows, idle times are Linux conntrack's" "65536 432000 60 120" "$(limits)"
expect "they can be set" attach --no-dispatcher --interface gate0 --flows-per-grant 100 --tcp-idle 2h --tcp-half-open-idle 10s --udp-idle 5m
same "and are" "100 7200 10 300" "$(limits)"
expect "a replacement" attach --no-dispatcher --interface gate0 --udp-idle 60
same "keeps what it does not say" "100 7200 10 60" "$(limits)"
exits 2 "no flow at all is no limit" attach --interface gate0 --flows-per-grant 0
exits 2 "nor is an instant" attach --interface gate0 --tcp-idle 10ms
says 'tcp-idle: "10ms" is no time between 1000ms and 720h'
same "and nothing was changed" "100 7200 10 60" "$(limits)"

id=$(by_hand map-id "$BPFFS")
expect "a second interface" attach --no-dispatcher --interface gate1
same "the two share their maps" "$id" "$(by_hand map-id "$BPFFS")"
expect "detach of the second" loader detach --interface gate1
same "the first stays" 1 "$(xdp_on gate0)"
same "and its maps too" "$id" "$(by_hand map-id "$BPFFS")"
expect "detach of the second again is fine" loader detach --interface gate1
says "gate1 was not attached"
expect "detach" loader detach
nothing_left "after the last detach"
expect "detach once more is fine" loader detach

expect "attach to two at once" attach --no-dispatcher --interface gate0 --interface gate1
ip -n "$NS_GATE" link set gate1 xdp off 2>/dev/null
in_gate tc filter del dev gate1 egress
exits 4 "status tells when somebody took our filter away" loader status
says "egress program MISSING"
expect "detach copes with it" loader detach
nothing_left "after the filter was taken away"

in_gate tc qdisc add dev gate0 clsact
in_gate tc filter add dev gate0 ingress protocol ip pref 7 u32 match u32 0 0
expect "attach where a clsact qdisc with a filter stands" attach --no-dispatcher --interface gate0
expect "detach" loader detach
same "the qdisc that was not ours stays" 1 "$(clsact_on gate0)"
in_gate tc filter show dev gate0 ingress | grep -q "pref 7 u32" || failed "somebody's filter went with ours"
in_gate tc qdisc del dev gate0 clsact

expect "attach for keeping maps" attach --no-dispatcher --interface gate0
by_hand plant "$BPFFS" 5
expect "detach --keep-maps" loader detach --keep-maps
same "no program stands" 0 "$(xdp_on gate0)"
expect "attach again" attach --no-dispatcher --interface gate0
same "the flows were kept" 5 "$(by_hand flows "$BPFFS")"
exits 1 "an ordinary user is told why he sees nothing" setpriv --reuid 64322 --regid 64322 --clear-groups \
	"$BUILD/loader/postern-loader" status --run-dir "$RUN_DIR"
says "as root, or in the group"
exits 1 "another network namespace cannot detach" nsenter --net="/run/netns/$NS_CLIENT" \
	"$BUILD/loader/postern-loader" detach --run-dir "$RUN_DIR"
says "another network namespace"
ip -n "$NS_GATE" link delete gate0
exits 4 "status after the interface went" loader status
says "the interface is gone"
expect "detach after the interface went" loader detach
[ ! -e "$RUN_DIR" ] || failed "something is left: $(find "$RUN_DIR")"

expect "attach in a namespace that is going to be deleted" attach --no-dispatcher --interface gate1
ip netns delete "$NS_GATE"
expect "detach from elsewhere, once it is gone" wait_for 60 "$BUILD/loader/postern-loader" detach --run-dir "$RUN_DIR"
[ ! -e "$RUN_DIR" ] || failed "something is left: $(find "$RUN_DIR")"
echo "all good"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The way through libxdp's dispatcher: the gate beside xdp-filter, on one interface, both at work; replaced and detached
# without touching the other. Needs freplace: on a kernel without it this is skipped, and tests/kernel runs it in qemu.
. "$(dirname "$0")/loader_net.sh"
in_gate "$BUILD/loader/postern-loader" doctor | grep -q '^ok *freplace' || { echo "skipped: this kernel has no freplace"; exit 77; }
mountpoint -q /sys/fs/bpf || mount -t bpf none /sys/fs/bpf

filter() { local verb=$1; shift; in_gate xdp-filter "$verb" "$@"; }
programs_on() { in_gate xdp-loader status gate0 | grep -cE "=> .* $1"; }
reach() { in_client timeout "${WITHIN:-20}" bash -c "exec 3<>/dev/tcp/198.51.100.1/$1" 2>/dev/null; } # 124: no answer

by_hand listen 198.51.100.1 22 80 90 7>&- &
wait_for 60 reach 90 || failed "the listeners did not start"

expect "xdp-filter takes the interface first" filter load --mode native gate0
expect "and drops what goes to port 90" filter port 90 --proto tcp --mode dst
expect "attach finds room beside it" attach --interface gate0
says "gate0 attached, native, by dispatcher"
same "the gate is in the dispatcher" 1 "$(programs_on postern_ingress)"
same "xdp-filter too" 1 "$(programs_on xdpfilt)"
in_gate xdp-loader status gate0 | grep -E '=>' | head -n 1 | grep -q postern_ingress || failed "the gate is not the first"
expect "status" loader status
says "gate0 attached, native, by dispatcher"

by_hand guard "$BPFFS" 198.51.100.1 22
WITHIN=2 reach 22; same "a guarded port gives no answer" 124 $?
by_hand grant "$BPFFS" 198.51.100.10 600
expect "with a grant it does" wait_for 60 reach 22
expect "an unguarded port does without" wait_for 60 reach 80
WITHIN=2 reach 90; same "what xdp-filter drops stays dropped" 124 $?

by_hand plant "$BPFFS" 50
id=$(by_hand map-id "$BPFFS") flows=$(by_hand flows "$BPFFS")
in_client ping -q -i 0.02 -c 200 -W60 198.51.100.1 >"$RUN_DIR.ping" 2>&1 7>&- &
ping=$!
expect "replace under traffic" attach --interface gate0
says "replaced, maps and flows kept, native, by dispatcher"
expect "and once more" attach --interface gate0
wait $ping
SAID=$(cat "$RUN_DIR.ping"); rm -f "$RUN_DIR.ping"
says " 0% packet loss"
same "one gate is left in the dispatcher" 1 "$(programs_on postern_ingress)"
same "xdp-filter is still there" 1 "$(programs_on xdpfilt)"
same "the maps are the same" "$id" "$(by_hand map-id "$BPFFS")"
same "the flows are all there" "$flows" "$(by_hand flows "$BPFFS")"
expect "the grant still lets in" wait_for 60 reach 22

by_hand foreign gate1
exits 1 "a bare program on another interface cannot be shared with" attach --interface gate0 --interface gate1
says 'already runs the XDP program "somebody_else".*no dispatcher'
ip -n "$NS_GATE" link set dev gate1 xdp off
in_gate tc qdisc add dev gate1 clsact
in_gate tc filter add dev gate1 egress protocol ip pref 1 u32 match u32 0 0
before=$(loader status --json | jq -c .interfaces) standing=$(in_gate tc filter show dev gate0 egress)
exits 1 "an attach that fails half way fails" attach --interface gate0 --interface gate1
same "and leaves the programs of before" "$before" "$(loader status --json | jq -c .interfaces)"
same "the egress program too" "$standing" "$(in_gate tc filter show dev gate0 egress)"
same "one gate is in the dispatcher" 1 "$(programs_on postern_ingress)"
in_gate tc qdisc del dev gate1 clsact

expect "detach" loader detach
same "xdp-filter stays" 1 "$(programs_on xdpfilt)"
expect "nothing is guarded any more" wait_for 60 reach 22
WITHIN=2 reach 90; same "what xdp-filter drops is still dropped" 124 $?
expect "xdp-filter leaves" filter unload gate0
nothing_left "after both"
expect "attach alone" attach --interface gate0
expect "detach alone" loader detach
nothing_left "after the gate alone"

expect "attach first" attach --interface gate0
by_hand guard "$BPFFS" 198.51.100.1 22
expect "xdp-filter finds room after the gate" filter load --mode native gate0
expect "and drops what goes to port 90" filter port 90 --proto tcp --mode dst
in_gate xdp-loader status gate0 | grep -E '=>' | head -n 1 | grep -q postern_ingress || failed "the gate is not the first any more"
expect "the gate is whole" loader status
WITHIN=2 reach 22; same "guarded" 124 $?
WITHIN=2 reach 90; same "dropped by xdp-filter" 124 $?
expect "passed by both" wait_for 60 reach 80
expect "the gate is replaced beside it" attach --interface gate0
same "one gate" 1 "$(programs_on postern_ingress)"
same "one xdp-filter" 1 "$(programs_on xdpfilt)"
expect "xdp-filter leaves" filter unload gate0
expect "the gate is still whole" loader status
WITHIN=2 reach 22; same "still guarded" 124 $?
expect "not dropped any more" wait_for 60 reach 90
expect "detach" loader detach
nothing_left "after the gate was the first"
same "libxdp's own folder is empty" "" "$(find /sys/fs/bpf/xdp -mindepth 1 2>/dev/null)"
echo "all good"

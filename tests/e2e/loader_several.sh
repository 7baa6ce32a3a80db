#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several outside interfaces in one gate, and generic mode, with real packets: what is guarded is guarded on each, one
# table of flows and grants serves all, and taking one off leaves the others as they were.
. "$(dirname "$0")/loader_net.sh"
reach() { in_client timeout "${WITHIN:-20}" bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; } # 124: no answer
closed() { WITHIN=1 reach "$1" 22; same "$2: no answer" 124 $?; }
opened() { expect "$2: an answer" wait_for 60 reach "$1" 22; }
A=198.51.100.1 B=203.0.113.1
guard_both() { by_hand guard "$BPFFS" $A 22; by_hand guard "$BPFFS" $B 22; }

by_hand listen $A 22 80 7>&- &
by_hand listen $B 22 80 7>&- &
wait_for 60 reach $A 80 && wait_for 20 reach $B 80 || failed "the listeners did not start"

expect "attach to the first outside interface" attach --no-dispatcher --interface gate0
guard_both
closed $A "guarded, by the first"
opened $B "guarded, but the second is not attached"
expect "attach to the second" attach --no-dispatcher --interface gate1
closed $B "guarded, by the second"
expect "status" loader status
says "gate0 attached, native, by link"
says "gate1 attached, native, by link"
by_hand grant "$BPFFS" 198.51.100.10 600
opened $A "granted"
closed $B "not granted to the client's other address"
by_hand grant "$BPFFS" 203.0.113.10 600
opened $B "granted too"
expect "detach of the first" loader detach --interface gate0
by_hand revoke "$BPFFS" 203.0.113.10
by_hand revoke "$BPFFS" 198.51.100.10
opened $A "not guarded any more on the first"
closed $B "still guarded on the second"
expect "status" loader status
says "gate1 attached, native, by link"
grep -q gate0 <<<"$SAID" && failed "status still names the first"
expect "the first again" attach --no-dispatcher --interface gate0
closed $A "guarded on the first again"
expect "detach of both by name" loader detach --interface gate0 --interface gate1
opened $A "detached"
nothing_left "after the last interface"

# A further interface of a gate that has judged: sessions through it look like those that the gate has cut and forgotten, which
# must not come to life. So none is taken over, unless somebody says so.
serve $A 2201
serve $B 2201
session_open through $B 2201 || failed "a session by the second interface"
expect "attach to the first" attach --no-dispatcher --no-snapshot --interface gate0
by_hand guard "$BPFFS" $A 2201 && by_hand guard "$BPFFS" $B 2201
by_hand grant "$BPFFS" 198.51.100.10 600
session_open cut $A 2201 || failed "a granted session by the first"
by_hand revoke "$BPFFS" 198.51.100.10
by_hand forget "$BPFFS"
expect "it is cut" session_is_dead cut off
expect "the other lives" session_lives through before
expect "attach to the second, once packets were judged" attach --no-dispatcher --no-snapshot --interface gate1
same "takes over no session" 0 "$(by_hand flows "$BPFFS")"
expect "what was cut stays dead" session_is_dead cut still
expect "and so is, from now on, what nobody let in" session_is_dead through after
loader detach --interface gate1 >/dev/null || failed "detach of the second"
expect "taken over by hand before it" loader adopt 1
says '2 open session\(s\) adopted'
expect "attach to the second again" attach --no-dispatcher --no-snapshot --interface gate1
expect "the session lives on" session_lives through adopted
expect "but so does what was cut" session_lives cut adopted
loader detach >/dev/null || failed "detach"

# Generic mode only when asked for, or with a warning. A bridge has no native XDP.
ip -n "$NS_GATE" link add br0 type bridge
ip -n "$NS_GATE" address del $B/24 dev gate1
ip -n "$NS_GATE" link set gate1 master br0
ip -n "$NS_GATE" address add $B/24 dev br0
ip -n "$NS_GATE" link set br0 up
wait_for 60 reach $B 80 || failed "the bridge does not carry"
exits 1 "no native XDP is no reason to become slow unasked" attach --no-dispatcher --interface br0
says "--mode generic works everywhere"
nothing_left "after that"
expect "--mode auto falls back" attach --no-dispatcher --mode auto --interface br0
says "WARNING.*br0.*GENERIC mode"
says "br0 attached, generic, by link"
ip -n "$NS_GATE" -d link show br0 | grep -q xdpgeneric || failed "br0 does not run it in generic mode"
expect "and takes native where it can be had" attach --no-dispatcher --mode auto --interface gate0
says "gate0 attached, native, by link"
grep -q WARNING <<<"$SAID" && failed "a warning about a native interface"
guard_both
closed $B "generic mode"
closed $A "native mode, the same gate"
by_hand grant "$BPFFS" 203.0.113.10 600
opened $B "granted, in generic mode"
expect "replaced in its mode" attach --no-dispatcher --mode generic --interface br0
says "br0 replaced.*generic"
opened $B "granted, after the replacement"
expect "status names each with its mode" loader status
says "br0 attached, generic, by link"
says "gate0 attached, native, by link"
expect "detach" loader detach
[ "$(xdp_on br0)" = 0 ] || failed "an XDP program is left on br0"
nothing_left "after generic mode"
expect "generic where native would work, when asked" attach --no-dispatcher --mode generic --interface gate0
says "gate0 attached, generic"
by_hand guard "$BPFFS" $A 22
closed $A "generic mode by wish"
expect "detach" loader detach
nothing_left "at the end"
echo "all good"

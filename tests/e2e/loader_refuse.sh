#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What attach refuses: each with one sentence that names the fault and what to do, and with nothing changed.
. "$(dirname "$0")/loader_net.sh"

exits 1 "an unknown interface is refused" attach --interface nosuch0
says 'no interface "nosuch0"'
exits 1 "a name that is too long is no reason to crash" attach --interface a-name-longer-than-any-interface
in_gate ip tuntap add dev tun0 mode tun
exits 1 "a tun is refused: it carries no Ethernet" attach --interface tun0
says "Ethernet frames only"
exits 1 "so is the loopback" attach --interface lo
exits 1 "good and bad interfaces together: none is attached" attach --interface gate0 --interface nosuch0
nothing_left "after refused interfaces"
exits 1 "an unknown group is refused" loader attach --group no-such-group --interface gate0
says "groupadd"
exits 1 "a failsafe that is no prefix is refused" attach --failsafe 10.0.0.0/33 --interface gate0
says '"10.0.0.0/33" is no address or prefix'
exits 1 "an instance is a plain name" attach --instance ../gate --interface gate0
exits 2 "a time without meaning is refused" attach --interface gate0 --confirm-within soon
exits 2 "no interface at all is refused" attach
exits 2 "an unknown option is refused" attach --interface gate0 --frobnicate
nothing_left "after wrong words"

# A kernel before 5.12, as far as it shows: the probe's program is the first of its name that it refuses.
probed() { # the number of that bpf() call
	in_gate strace -qq -o "$WORK/calls" -e trace=bpf "$BUILD/loader/postern-loader" doctor --run-dir "$RUN_DIR" >/dev/null 2>&1
	grep -n 'prog_name="postern_probe"' "$WORK/calls" | head -n 1 | cut -d: -f1
}
AT=$(probed) && [ -n "$AT" ] || failed "atomic operations are not tried out"
old_kernel() { in_gate strace -qq -o /dev/null -e trace=bpf -e "inject=bpf:error=EINVAL:when=$AT" "$BUILD/loader/postern-loader" "$@" --run-dir "$RUN_DIR" -i gate0; }
expect "here doctor finds all that is needed" loader doctor -i gate0
says '^ok    atomic operations that return a value$'
exits 4 "where they are missing, it says so" old_kernel doctor
says "^FAIL  atomic operations that return a value: .*Linux 5\.12 or later is needed"
exits 1 "and attach is refused" old_kernel attach --group 64321
says "this kernel lacks what the gate needs; nothing was changed"
says "atomic operations that return a value: .*Linux 5\.12 or later is needed"
nothing_left "after a kernel that is too old"

by_hand foreign gate0
exits 1 "an interface with somebody's XDP program is refused" attach --no-dispatcher --interface gate0
says 'already runs the XDP program "somebody_else"'
says 'ip link set dev gate0 xdp off'
exits 1 "also together with a free one: neither is attached" attach --no-dispatcher --interface gate1 --interface gate0
same "the free one was left alone" 0 "$(xdp_on gate1)"
same "somebody's program still stands" 1 "$(xdp_on gate0)"
ip -n "$NS_GATE" link set dev gate0 xdp off
nothing_left "after somebody's program went"

expect "attach" attach --no-dispatcher --interface gate0
exits 1 "another gate on the same interface is refused" attach --no-dispatcher --instance other --interface gate0
says "held by another gate"
[ ! -e "$RUN_DIR/other" ] || failed "the other gate left its folder"
exits 1 "a size other than that of the pinned tables is refused" attach --interface gate0 --max-flows 1234
says "room for [0-9]+ entries, not 1234"
exits 1 "the mode of what stands is not changed by a replacement" attach --interface gate0 --mode generic
expect "the gate is whole after all that" loader status

configured_by() { # ABI: as if its loader had written the configuration
	local rest
	rest=$(bpftool -j map dump pinned "$BPFFS/v$abi/config" | jq -r '.[0].value[4:] | join(" ")')
	bpftool map update pinned "$BPFFS/v$abi/config" key 0 0 0 0 value "$1" 0 0 0 $rest || failed "the configuration by hand"
}
abi=$(loader status --json | jq .abi)
by_hand plant "$BPFFS" 200
for other in $((abi + 97)) $((abi - 1)); do # of a newer gate, and of the one before this
	configured_by $other
	exits 1 "maps configured by ABI $other are refused" attach --interface gate0
	says "ABI v?$other"
	configured_by "$abi"
	mkdir "$BPFFS/v$other"
	exits 1 "maps of ABI $other are refused" attach --interface gate0
	says "holds maps of ABI $other"
	says "postern-loader detach"
	rmdir "$BPFFS/v$other"
	same "the program that stood still stands" 1 "$(xdp_on gate0)"
	same "with its flows" 200 "$(by_hand flows "$BPFFS")"
done
expect "with its own ABI all is well" attach --no-dispatcher --interface gate0
mkdir "$BPFFS/v99"
expect "detach clears also another ABI's maps away" loader detach
nothing_left "after another ABI"

exits 1 "nobody but root attaches" setpriv --reuid 64321 --regid 64321 --clear-groups \
	"$BUILD/loader/postern-loader" attach --interface lo --run-dir "$RUN_DIR"
[ ! -e "$RUN_DIR" ] || failed "an ordinary user's attempt left $RUN_DIR"
echo "all good"

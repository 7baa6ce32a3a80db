# SPDX-License-Identifier: Apache-2.0
# The outside link changes under the gate, and carries macvlan devices: what is shut stays shut, what is open lives on.
. "$(dirname "$0")/story.sh"

lab_begin links
lab_sshd
guarded_machine
postern request vm1 --port 22 --for 1h --from $CLIENT >/dev/null || failed "a grant"
session_open || failed "a session"
shut() { denied "$1" lab_ssh -b $CLIENT_TWO true; }

change() { # what, command…
	local what=$1
	shift
	"$@" || failed "$what: $*"
	shut "$what: shut"
	expect "$what: the session moves a megabyte" session_moves_much
	expect "$what: the grant opens" lab_ssh true
}
mtu() { ip -n "$NS_CLIENT" link set eth0 mtu "$1" && ip -n "$NS_GATEWAY" link set outside mtu "$1"; }
change "a smaller MTU" mtu 1400
change "a larger MTU" mtu 3000
change "no GRO" in_gateway ethtool -K outside gro off
change "GRO" in_gateway ethtool -K outside gro on
change "no segmentation offload" in_gateway ethtool -K outside tso off gso off
change "segmentation offload" in_gateway ethtool -K outside tso on gso on
change "no VLAN offload" in_gateway ethtool -K outside rxvlan off txvlan off
change "VLAN offload" in_gateway ethtool -K outside rxvlan on txvlan on
change "more queues" in_gateway ethtool -L outside rx 2 tx 2
change "fewer queues" in_gateway ethtool -L outside rx 1 tx 1
ip -n "$NS_GATEWAY" link set outside down
change "down and up" in_gateway ip link set outside up

# A container or virtual machine on a macvlan device of the outside interface: its packets come in by that interface.
ip netns add "$LAB_NAMES-macvlan"
ip -n "$NS_GATEWAY" link add link outside name guest type macvlan mode bridge
ip -n "$NS_GATEWAY" link set guest netns "$LAB_NAMES-macvlan"
nsenter --net="/run/netns/$LAB_NAMES-macvlan" sysctl -qw net.ipv6.conf.all.accept_dad=0
lab_addresses "$LAB_NAMES-macvlan" guest 198.51.100.50/24
nsenter --net="/run/netns/$LAB_NAMES-macvlan" setsid /usr/sbin/sshd -D -e -f "$LAB_DIR/sshd/config" 2>"$LAB_DIR/sshd/guest.log" 7>&- 8>&- &
guest_ssh() { lab_ssh -h 198.51.100.50 true; }
expect "the guest answers, unguarded" wait_for 60 guest_ssh
postern machine add vm2 --address 198.51.100.50 >/dev/null && postern policy enable vm2 --port 22 --max 1h >/dev/null || failed "guard the guest"
denied "guarded, it does not" guest_ssh
postern request vm2 --port 22 --for 1h --from $CLIENT >/dev/null || failed "a grant"
expect "granted, it does" guest_ssh
same "by connections that the gate knows both ways" 0 "$(postern status --json | jq .oneWayConnections)"
expect "the session of the other lives" session_moves still

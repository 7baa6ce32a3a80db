#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `postern-loader doctor`: each thing it warns of is made, told of, and taken away again. $1: the build folder.
. "$(dirname "$0")/loader_net.sh"

VIEW=() # words in front of doctor: another view of the host
MACHINE=203.0.113.10 guard=(--guard "203.0.113.10:22")
doctor() {
	in_gate "${VIEW[@]}" "$BUILD/loader/postern-loader" doctor --run-dir "$RUN_DIR" --snapshot "$RUN_DIR/none" "$@"
}
findings() { # CHECK WHERE: those that are told as wrong
	jq -c --arg check "$1" --arg where "$2" '.findings[] | select(.check == $check and .where == $where and (.level == "WARN" or .level == "FAIL"))' <<<"$SAID"
}
silent() { # CHECK WHERE, words of doctor
	local check=$1 where=$2
	shift 2
	SAID=$(doctor --json "${guard[@]}" "$@")
	jq -e . >/dev/null <<<"$SAID" || failed "that is no JSON"
	[ -z "$(findings "$check" "$where")" ] || failed "$check of $where is told without reason: $(findings "$check" "$where")"
	echo "ok: no word of $check ${where:+of }$where"
}
declare -A WORDS # checks that were told in words, too
told() { # CHECK WHERE PATTERN, words of doctor: by --json and, the first time, in words, with advice
	local check=$1 where=$2 pattern=$3 one says
	shift 3
	SAID=$(doctor --json "${guard[@]}" "$@")
	one=$(findings "$check" "$where" | head -n 1)
	[ -n "$one" ] || failed "$check of $where is not told"
	says=$(jq -r .says <<<"$one")
	grep -Eq -- "$pattern" <<<"$says" || failed "$check should say \"$pattern\", but says: $says"
	jq -e '.advice != ""' >/dev/null <<<"$one" || failed "$check says what is wrong and not what to do"
	echo "ok: $says"
	[ -z "${WORDS[$check]-}" ] || return 0
	WORDS[$check]=told
	SAID=$(doctor "${guard[@]}" "$@")
	grep -qF -- "$(jq -r .level <<<"$one")  $says" <<<"$SAID" || failed "$check is not told in words"
	grep -qF -- "      → $(jq -r .advice <<<"$one")" <<<"$SAID" || failed "the words of $check do not say what to do"
}
sysctl_is() { in_gate sysctl -qw "$@" || failed "sysctl $*"; }

exits 2 "a port is needed" doctor --guard 203.0.113.10
exits 2 "and an address" doctor --guard :22
exits 2 "and brackets around IPv6" doctor --guard 2001:db8::10:22
exits 2 "a port that is none is refused" doctor --guard 203.0.113.10:66000
expect "warnings alone do not prevent an attach" doctor -i gate0
says 'not known what is to be guarded'
exits 4 "an interface that is not there does" doctor -i nosuch0
says 'FAIL  there is no interface "nosuch0"'
in_gate ip tuntap add dev tun0 mode tun
exits 4 "nor one without Ethernet" doctor -i tun0
says 'Ethernet frames only'
in_gate ip link delete tun0
doctor --json -i gate0 | jq -e '.possible and (.findings | length > 8)' >/dev/null || failed "JSON"
doctor --json -i nosuch0 | jq -e '.possible == false' >/dev/null || failed "JSON of what is not possible"

# ---- the kernel, as another view of the host shows it ----
silent connection_tracking ''
VIEW=(setpriv --bounding-set=-net_admin --inh-caps=-all)
told connection_tracking '' 'monitor mode'
VIEW=()
instead() { # PLACE OURS: doctor sees ours there
	VIEW=(unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' _ "$2" "$(readlink -f "$1")")
}
shown() { # FILE CONTENT: doctor sees it in the file's place
	printf '%s\n' "$2" >"$SHOWN/${1##*/}"
	instead "$1" "$SHOWN/${1##*/}"
}
SHOWN=$(mktemp -d) || failed "a folder"
trap 'status=$?; trap - EXIT; rm -rf "$SHOWN"; clear_away; exit $status' EXIT
unprivileged=/proc/sys/kernel/unprivileged_bpf_disabled
shown $unprivileged 2
silent daemon_rights ''
VIEW+=(setarch --uname-2.6)
told daemon_rights '' 'while kernel.unprivileged_bpf_disabled is 2'
shown $unprivileged 0
VIEW+=(setarch --uname-2.6)
silent daemon_rights ''
VIEW=()
if [ -e /sys/kernel/btf/vmlinux ]; then
	silent btf ''
	instead /sys/kernel/btf "$SHOWN"
fi
told btf '' 'dispatcher'
VIEW=()
if [ -d /sys/kernel/security ]; then
	echo 'none [integrity] confidentiality' >"$SHOWN/lockdown"
	instead /sys/kernel/security "$SHOWN"
	SAID=$(doctor)
	says 'note  the kernel is locked down \(integrity\)'
	VIEW=()
fi
# It is not ours to set the clock wrong: what is told must be what the kernel says.
unsynchronised() { python3 -c 'import ctypes, sys; t = ctypes.create_string_buffer(512); r = ctypes.CDLL(None).adjtimex(t)
sys.exit(0 if r == 5 or int.from_bytes(t.raw[40:44], "little") & 64 else 1)'; }
if unsynchronised; then told clock '' 'wall clock'; else silent clock ''; fi

# ---- the interface ----
silent mtu gate0 -i gate0
ip -n "$NS_GATE" link set gate0 mtu 4000
told mtu gate0 'above 3500' -i gate0
ip -n "$NS_GATE" link set gate0 mtu 1500
told vlan_offload gate0 'takes VLAN tags off' -i gate0
in_gate ethtool -K gate0 rxvlan off >/dev/null || failed "ethtool"
silent vlan_offload gate0 -i gate0
silent native_xdp gate0 -i gate0
ip -n "$NS_GATE" link add br0 type bridge && ip -n "$NS_GATE" link add veth2 type veth peer name veth3 &&
	ip -n "$NS_GATE" link set veth2 master br0 || failed "a bridge"
if in_gate python3 -c 'import sys; sys.exit(0 if [int(n) for n in __import__("os").uname().release.split("-")[0].split(".")[:2]] >= [6, 3] else 1)'; then
	told native_xdp br0 'no native XDP' -i br0
fi
silent bridge gate0 -i gate0
told bridge br0 'from one of its ports to another' -i br0
SAID=$(doctor -i veth2) && says 'note  veth2 is a port of br0'
ip -n "$NS_GATE" link delete br0
SAID=$(doctor -i veth2)
grep -q 'is a port of' <<<"$SAID" && failed "a port of nothing"
ip -n "$NS_GATE" link delete veth2

mkdir -p "$SHOWN/net/gate0/device"
instead /sys/class/net "$SHOWN/net"
echo 0 >"$SHOWN/net/gate0/device/sriov_numvfs"
silent sriov gate0 -i gate0
echo 2 >"$SHOWN/net/gate0/device/sriov_numvfs"
told sriov gate0 '2 virtual function' -i gate0
VIEW=()

silent xdp_program gate0 -i gate0
by_hand foreign gate0
exits 4 "somebody's XDP program is in the way" doctor -i gate0
told xdp_program gate0 'the XDP program "somebody_else"' -i gate0
ip -n "$NS_GATE" link set dev gate0 xdp off
silent ingress_filter gate0 -i gate0
in_gate tc qdisc add dev gate0 clsact && in_gate tc filter add dev gate0 ingress protocol all bpf bytecode '1,6 0 0 0' || failed "tc"
told ingress_filter gate0 'redirect' -i gate0
in_gate tc qdisc del dev gate0 clsact
silent ingress_filter gate0 -i gate0
expect "attach" attach --no-dispatcher --no-snapshot -i gate0
silent xdp_program gate0 -i gate0
silent egress_filter gate0 -i gate0
by_hand guard "$BPFFS" 198.51.100.1 40022
guard=()
told port_range 40022 'the guarded port 40022'
guard=(--guard "$MACHINE:22")
exits 4 "another gate is in the way of this one" doctor --instance other -i gate0
told xdp_program gate0 'the XDP program "postern_ingress"' --instance other -i gate0
told egress_filter gate0 'another gate' --instance other -i gate0
loader detach >/dev/null || failed "detach"

# ---- the host ----
guard=(--guard "$MACHINE:40022")
told port_range 40022 'takes ports for connections'
sysctl_is net.ipv4.ip_local_reserved_ports=8080,40000-40100
silent port_range 40022
sysctl_is net.ipv4.ip_local_reserved_ports=
guard=(--guard "$MACHINE:22")
silent port_range 22

silent source_routing gate0
sysctl_is net.ipv4.conf.all.accept_source_route=1 net.ipv4.conf.gate0.accept_source_route=1 net.ipv4.conf.gate1.accept_source_route=0
told source_routing gate0 'source-routed'
silent source_routing gate1
sysctl_is net.ipv4.conf.all.accept_source_route=0
silent source_routing gate0

sysctl_is net.ipv4.ip_forward=1
ip -n "$NS_GATE" link add wide type veth peer name wide-peer && ip -n "$NS_GATE" link set wide up
told ungated_interface wide 'forwarded to the machines' -i gate0
silent ungated_interface gate1 -i gate0
silent ungated_interface wide -i gate0 -i wide
sysctl_is net.ipv4.conf.wide.forwarding=0 net.ipv6.conf.wide.forwarding=0
silent ungated_interface wide -i gate0
guard=(--guard 198.51.100.1:22)
told ungated_interface wide 'taken by this host' -i gate0
told ungated_interface gate1 'taken by this host' -i gate0
silent ungated_interface gate1 -i gate0 -i gate1 -i wide
ip -n "$NS_GATE" link delete wide
guard=(--guard "$MACHINE:22")

sysctl_is net.ipv6.conf.gate1.forwarding=0
silent ipv6 gate1 -i gate0
sysctl_is net.ipv6.conf.gate1.forwarding=1
told ipv6 gate1 'can be reached by IPv6' -i gate0
silent ipv6 gate1 -i gate0 --guard '[2001:db8:2::10]:22'
sysctl_is net.ipv6.conf.gate1.forwarding=0

# Two neighbours inside: one answers on the guarded port, the other on another.
ip -n "$NS_CLIENT" address add 203.0.113.77/24 dev peer1 && ip -n "$NS_CLIENT" address add 203.0.113.78/24 dev peer1
nsenter --net="/run/netns/$NS_CLIENT" python3 -c '
import socket, time
kept = []
for address, port in (("203.0.113.77", 22), ("203.0.113.78", 23)):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((address, port)); s.listen(8); kept.append(s)
print("listening", flush=True)
time.sleep(600)' >"$SHOWN/server" 2>&1 7>&- &
wait_for 60 grep -q listening "$SHOWN/server" || failed "the neighbours: $(cat "$SHOWN/server")"
in_gate ping -c1 -W60 203.0.113.77 >/dev/null && in_gate ping -c1 -W60 203.0.113.78 >/dev/null || failed "the neighbours do not answer"
told unknown_machine 203.0.113.77 'answers on port 22' -i gate0
poll_fails() { VIEW=(strace -qq -o "$SHOWN/polls" -e trace=poll -e "inject=poll:error=$1"); }
poll_fails EINTR:when=1
told unknown_machine 203.0.113.77 'answers on port 22' -i gate0
[ "$(grep -c ^poll "$SHOWN/polls")" -gt 1 ] || failed "an interrupted poll ends the waiting"
poll_fails ENOMEM
expect "who cannot wait for answers" doctor "${guard[@]}" -i gate0
same "does not try it all the time" 1 "$(grep -c ^poll "$SHOWN/polls")"
VIEW=()
silent unknown_machine 203.0.113.78 -i gate0
silent unknown_machine 203.0.113.77 -i gate0 --guard 203.0.113.77:3389

# ---- NAT ----
rule="table ip lab, chain before"
nat() { # RULE: the only one
	in_gate nft flush ruleset && in_gate nft -f - <<-NFT || failed "nft: $1"
		table ip lab {
			map targets { type inet_service : ipv4_addr; elements = { 2222 : $MACHINE } }
			chain before { type nat hook prerouting priority -100; $1; }
		}
	NFT
}
told_unless() { # FORWARD OTHER RULE PATTERN: told, unless that forward is declared; another does not help
	nat "$3"
	told nat_rule "$rule" "$4"
	silent nat_rule "$rule" --guard "$1"
	told nat_rule "$rule" 'guarded port' --guard "$2"
}
silent nat_rule "$rule"
told_unless 198.51.100.1:2222 198.51.100.1:2223 "tcp dport 2222 dnat to $MACHINE:22" "leads to the guarded port 22 of $MACHINE"
nat "tcp dport 2222 dnat to $MACHINE:23"
silent nat_rule "$rule"
nat "tcp dport 2222 dnat to 203.0.113.11:22"
silent nat_rule "$rule"
told_unless 192.0.2.1:22 192.0.2.2:22 "ip daddr 192.0.2.1 dnat to $MACHINE" 'guarded port'
nat "tcp dport { 20-30, 2222 } dnat to $MACHINE"
told nat_rule "$rule" 'guarded port'
nat "tcp dport { 2000-3000, 2222 } dnat to $MACHINE"
silent nat_rule "$rule"
nat "tcp dport 2222 redirect to :22"
silent nat_rule "$rule"
told nat_rule "$rule" 'guarded port 22 of 198.51.100.1' --guard 198.51.100.1:22
nat "dnat to tcp dport map @targets"
told nat_rule "$rule" 'cannot read it'
nat "tcp dport 2222 accept"
silent nat_rule "$rule"
in_gate nft flush ruleset
silent nat_rule nft
: >"$SHOWN/nothing"
instead "$(command -v nft)" "$SHOWN/nothing"
told nat_rule nft 'no program nft'
VIEW=()
legacy() { # PROGRAM WORDS…: the only rule
	in_gate "$1" -t nat -F && in_gate "$1" -t nat -A PREROUTING -p tcp "${@:2}" || failed "$*"
}
rule="iptables, chain PREROUTING"
legacy iptables --dport 2222 -j DNAT --to-destination $MACHINE:22
told nat_rule "$rule" "leads to the guarded port 22 of $MACHINE"
silent nat_rule "$rule" --guard 198.51.100.1:2222
instead "$(command -v iptables-save)" "$SHOWN/nothing"
told nat_rule "table ip nat, chain PREROUTING" 'cannot read it'
VIEW=()
silent nat_rule "table ip nat, chain PREROUTING"
legacy iptables -d 192.0.2.1 -m multiport --dports 80,20:30 -j DNAT --to-destination $MACHINE
told nat_rule "$rule" 'guarded port'
silent nat_rule "$rule" --guard 192.0.2.1:22
legacy iptables -d 192.0.2.1 -m multiport --dports 80,23:30 -j DNAT --to-destination $MACHINE
silent nat_rule "$rule"
legacy iptables --dport 2222 -j REDIRECT --to-ports 22
told nat_rule "$rule" 'guarded port 22 of 198.51.100.1' --guard 198.51.100.1:22
in_gate iptables -t nat -F
legacy ip6tables --dport 2222 -j DNAT --to-destination '[2001:db8:2::10]:22'
told nat_rule "ip6tables, chain PREROUTING" 'guarded port 22 of 2001:db8:2::10' --guard '[2001:db8:2::10]:22'
silent nat_rule "ip6tables, chain PREROUTING"
nothing_left "after doctor"
expect "help" loader doctor --help
says '\-\-guard'
echo "all good"

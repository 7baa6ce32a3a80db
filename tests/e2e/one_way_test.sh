# SPDX-License-Identifier: Apache-2.0
# Answers leave past the gate, by another gateway: a session works while its grant lives, status says that it is one of
# those that end with it, and so it does. Where the other way is an outside interface of the same gate, it is like any session.
. "$(dirname "$0")/story.sh"

lab_begin oneway
lab_sshd
guarded_machine
postern request vm1 --port 22 --for 1h --from $CLIENT >/dev/null || failed "a grant"
ip -n "$NS_MACHINE" link add back type veth peer name back netns "$NS_CLIENT"
lab_addresses "$NS_MACHINE" back 203.0.113.1/24
lab_addresses "$NS_CLIENT" back 203.0.113.2/24
ip -n "$NS_MACHINE" route add $CLIENT/32 via 203.0.113.2 src $MACHINE
in_client sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.back.rp_filter=0
one_way() { postern status --json | jq -e ".oneWayConnections == $1" >/dev/null; }

expect "no connection is one-way yet" one_way 0
session_open || failed "a session"
expect "it moves a megabyte" session_moves_much
expect "status counts it" wait_for 60 one_way 1
expect "status" postern status
says 'answers to 1 connections leave past the gate: these end with their grants'
postern revoke --machine vm1 >/dev/null || failed "revoke"
refuse "without the grant nothing moves" session_moves late
denied "nor comes anything new in" lab_ssh true
kill "$SESSION_PID"
expect "and it is forgotten" wait_for 60 one_way 0

ip -n "$NS_MACHINE" route del $CLIENT/32
ip -n "$NS_GATEWAY" link add outside2 type veth peer name eth1 netns "$NS_CLIENT"
lab_addresses "$NS_GATEWAY" outside2 198.18.0.1/24
lab_addresses "$NS_CLIENT" eth1 198.18.0.2/24
in_client sysctl -qw net.ipv4.conf.eth1.rp_filter=0
ip -n "$NS_GATEWAY" route add $CLIENT/32 via 198.18.0.2
expect "a second outside interface" gate_attach --interface outside2
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
session_open || failed "a session that comes in by one and goes out by the other"
session_moves both || failed "it moves"
expect "it is not one-way" one_way 0
left() { ip -n "$NS_GATEWAY" -s -j link show outside2 | jq '.[0].stats64.tx.bytes'; }
before=$(left)
postern revoke --machine vm1 >/dev/null || failed "revoke"
expect "and outlives its grant" session_moves_much
[ $(($(left) - before)) -gt 1000000 ] || failed "its answers did not leave by the second interface"
denied "nothing new comes in" lab_ssh true

# SPDX-License-Identifier: Apache-2.0
# IPv6 beside IPv4, and a UDP service that answers only what it is asked.
. "$(dirname "$0")/story.sh"

lab_begin ipv6-udp
lab_sshd
in_machine python3 "$(dirname "$0")/udp_echo.py" serve 5353 2>"$LAB_DIR/udp.log" 7>&- &
ask_udp() { in_client python3 "$(dirname "$0")/udp_echo.py" ask "$1" 5353 "${LAB_CONNECT_WITHIN:-60}"; }
wait_for 60 ask_udp $MACHINE || failed "the UDP service does not answer"

guarded_machine
expect "its UDP service is guarded too" postern policy enable vm1 --port 5353/udp
same "SSH is guarded as before" "22 5353" "$(postern machine show vm1 --json | jq -r '[.ports[].number] | sort | join(" ")')"
denied "IPv6: a new connection is dropped" lab_ssh -6 true
denied "IPv4: a datagram is dropped" ask_udp $MACHINE
denied "IPv6: a datagram is dropped" ask_udp $MACHINE_V6

expect "SSH for the IPv6 source" postern request vm1 --port 22 --for 1h --from $CLIENT_V6
expect "IPv6: ssh comes in" lab_ssh -6 true
denied "IPv4: ssh does not" lab_ssh true
expect "a block of IPv6 sources" postern request vm1 --port 5353 --for 1h --from 2001:db8:1::/48
expect "IPv6: a datagram is answered" ask_udp $MACHINE_V6
denied "IPv4: a datagram is not" ask_udp $MACHINE
expect "both families" postern request vm1 --port 5353 --for 1h --from 198.51.100.0/24 --from 2001:db8:1::10
expect "IPv4: a datagram is answered" ask_udp $MACHINE
expect "all over" postern revoke --machine vm1
denied "IPv4: a new datagram is dropped" ask_udp $MACHINE
denied "IPv6: a new connection is dropped" lab_ssh -6 true

# SPDX-License-Identifier: Apache-2.0
# A real DNAT on the gateway: the outside interface sees the public address and port. Declared as a machine's forward
# they are guarded like the machine's own, and a grant opens both ways; explain names the machine behind.
. "$(dirname "$0")/story.sh"

lab_begin forward
lab_sshd
public=198.51.100.1
in_gateway nft -f - <<-END || failed "a DNAT rule"
	table ip lab {
		chain forward {
			type nat hook prerouting priority dstnat
			iifname outside ip daddr $public tcp dport 2222 dnat to $MACHINE:22
		}
	}
END
public_ssh() { lab_ssh -h $public -p 2222 "$@"; }
expect "the forward leads to the machine" public_ssh true

gate_attach >/dev/null || failed "attach"
daemon_start
expect "the machine with its forward" postern machine add vm1 --address $MACHINE --forward $public:2222=22
expect "its SSH is guarded" postern policy enable vm1 --port 22 --max 1h
denied "shut by its address" lab_ssh true
denied "and by the forward" public_ssh true
expect "explain sees the forward" postern explain $CLIENT $public:2222
says '^verdict   drop, no_grant'
says "vm1 port 22/TCP by $public port 2222"
expect "the gateway's other ports are not guarded" postern explain $CLIENT $public:22
says '^verdict   pass, unguarded'

expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
expect "it opens the forward" public_ssh true
expect "and the address" lab_ssh true
denied "not to another source" public_ssh -b $CLIENT_TWO true
session_open -h $public -p 2222 || failed "a session by the forward"
expect "drained" postern revoke --machine vm1
expect "the session by the forward lives on" session_moves drained
denied "a new one does not open" public_ssh true
last=$(postern grants --all --json | jq '[.grants[].serial] | max')
expect "cut" postern revoke "$last" --cut
refuse "it is over" session_moves cut
exec 8>&-
expect "the forward is taken off the machine" postern machine add vm1 --address $MACHINE
expect "then the gate leaves it alone" public_ssh true
denied "the address stays shut" lab_ssh true

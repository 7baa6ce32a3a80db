# SPDX-License-Identifier: Apache-2.0
# An admin's day with real sshd: machines that answer unguarded are seen and recommended, guarded in one step, told how to
# be dialled, switched off in an emergency and on again; and one that the gate does not stand in front of says so.
. "$(dirname "$0")/story.sh"

lab_begin machines
lab_sshd
gate_attach >/dev/null || failed "attach"
daemon_start
expect "a machine" postern machine add vm1 --address $MACHINE --address $MACHINE_V6 --os linux
expect "nothing has answered yet" postern exposure
says "Nothing was seen"
expect "its SSH answers without a policy" lab_ssh true
exposed() { [ "$(postern exposure --json | jq -r '.exposure[0].machineName // "none"')" = vm1 ]; }
wait_for 60 exposed || failed "the answer is not seen: $(postern exposure --json)"
expect "it is exposed, to a public address" postern exposure
says "^high +vm1 +$MACHINE +22 .*$CLIENT"
expect "and recommended" postern machine list --state notConfigured
says "answers at $MACHINE port 22"

expect "it is guarded in one step" postern policy enable vm1
says "^vm1 +22/TCP +configured"
denied "shut" lab_ssh true
expect "no exposure is left" postern exposure
says "Nothing was seen"
expect "what to dial" postern connect vm1
says "ssh $MACHINE +none"
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
expect "what to dial, and until when" postern connect vm1
says "ssh $MACHINE +until"
session_open || failed "a session under the grant"

expect "the switch is turned off" postern switch off --because "the identity provider is down"
expect "everybody gets in" lab_ssh -b $CLIENT_TWO true
same "what would be dropped is counted" yes "$([ "$(count monitored)" -gt 0 ] && echo yes)"
expect "and every status says so" postern status
says "NOTHING IS ENFORCED.*identity provider"
daemon_kill -9
daemon_start
expect "it survives a crash of the daemon" lab_ssh -b $CLIENT_TWO true
wait_for 60 grep -q "critical NOTHING IS ENFORCED" "$LAB_DIR/daemon/log" || failed "the log is silent"
echo "ok: the log is loud"
expect "the switch is turned on" postern switch on
denied "shut again" lab_ssh -b $CLIENT_TWO true
expect "not to whom was granted" lab_ssh true
expect "and the open session lives" session_moves switched
session_close

expect "a machine that is out there" postern machine add stray --address 198.51.100.77 --os linux
expect "the gate does not stand in front of it" postern machine list --state unsupported
says "198.51.100.77 is routed out of outside"
in_gateway ip route add 198.51.100.77/32 via $MACHINE
supported() { [ "$(postern machine list --state notConfigured --json | jq '.machines | length')" = 1 ]; }
wait_for 60 supported || failed "a route to it is not noticed: $(postern machine show stray)"
echo "ok: a route changes that"
in_gateway ip route add unreachable 198.51.100.78/32
expect "another one" postern machine add lost --address 198.51.100.78
expect "to which there is no way" postern machine show lost
says "no route to 198.51.100.78"
expect "the host's own address is fine" postern machine add self --address 198.51.100.1
expect "it is" postern machine show self
says "^state +not guarded"

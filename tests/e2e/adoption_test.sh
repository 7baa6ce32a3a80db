# SPDX-License-Identifier: Apache-2.0
# Guarding a port ends no session that is open (adoption_test.sh PLACEMENT TRACKING FAMILY):
#   gateway tracked    the gateway has a conntrack rule: sessions come from the kernel's tracked connections
#   host    untracked  the gateway's own sshd is guarded: sessions come from the host's sockets
# And sessions that open at the very moment of the switch live or never were; a new one always needs a grant.
. "$(dirname "$0")/story.sh"
placement=$1 tracking=$2 family=$3

lab_begin "adoption-$placement-$tracking-$family"
to=(-h $MACHINE) from=$CLIENT
[ "$family" = 6 ] && to=(-h $MACHINE_V6) from=$CLIENT_V6
if [ "$placement" = host ]; then
	to=(-h 198.51.100.1)
	[ "$family" = 6 ] && to=(-h 2001:db8:1::1)
	lab_sshd nsenter --net="/run/netns/$NS_GATEWAY"
else
	lab_sshd
fi
if [ "$tracking" = tracked ]; then
	in_gateway nft -f - <<-'EOF' || failed "a conntrack rule"
		table inet lab {
			chain forward { type filter hook forward priority 0; ct state established accept; }
		}
	EOF
fi
tracked() { in_gateway conntrack -L -f "ipv$family" 2>/dev/null | grep -c 'dport=22.*ASSURED'; }
enable() { postern policy enable vm1 --port 22 --max 1h "$@"; }
ready() { in_gateway curl -sf -m 20 -o /dev/null http://127.0.0.1:7822/readyz; }
table() { bpftool -j map dump pinned "$(echo "$LAB_RUN"/lab/bpf/v*/"$1")"; }
flows() { # how many established flows carry this bit
	table "established_v$family" | jq "[.[] | select(.formatted.value.flags / $1 % 2 >= 1)] | length"
}
adopted=4

gate_attach >/dev/null || failed "attach"
adoption_listen
options=", \"adoption_socket\": \"$LAB_DIR/adopt/socket\""
[ "$placement" = host ] && options+=', "host_machine": "vm1"'
daemon_config "$options"
daemon_start
if [ "$placement" = gateway ]; then
	postern machine add vm1 --address $MACHINE --address $MACHINE_V6 >/dev/null || failed "machine add"
fi

session_open "${to[@]}" || failed "a session before anything is guarded"
case $tracking in
tracked) [ "$(tracked)" = 1 ] || failed "the kernel tracks the session: $(in_gateway conntrack -L)" ;;
untracked) [ "$(tracked)" = 0 ] || failed "the kernel tracks what it should not" ;;
esac

expect "the port is guarded" enable
same "the session was adopted" 1 "$(flows $adopted)"
same "nothing to warn of" '[]' "$(postern status --json | jq -c .warnings)"
expect "the session lives on and moves a megabyte" session_moves_much
denied "a new connection is dropped" lab_ssh "${to[@]}" true
grep -q 'may not have been taken over' "$LAB_DIR/daemon/log" && failed "the daemon warns"
expect "a grant" postern request vm1 --port 22 --for 1h --from $from
expect "lets new connections in" lab_ssh "${to[@]}" true
expect "and its end" postern revoke --machine vm1 --cut
says 'have no grant.* are not reached'
denied "shuts them out" lab_ssh "${to[@]}" true
expect "while the session, which no grant let in, lives on" session_moves revoked

daemon_kill -9
expect "the daemon is dead, the session is not" session_moves dead
daemon_start
expect "the daemon is back" session_moves back
gate_attach >/dev/null || failed "replace the program"
expect "the program is replaced" session_moves replaced
denied "a new connection is dropped" lab_ssh "${to[@]}" true

expect "the gate is taken off" gate_loader detach
expect "which the session does not notice" session_moves detached
gate_attach >/dev/null || failed "attach again"
wait_for 60 ready ||
	failed "the daemon takes the new gate"
expect "put back with empty tables, it adopts the session" session_moves_much
denied "a new connection is dropped" lab_ssh "${to[@]}" true

# The gate guards by its boot snapshot from the first packet on, nobody there to ask for adoption.
counted() { gate_loader status --json | jq --arg name "$1" '[.reasons[] | select(.name == $name) | .packets] | add // 0'; }
daemon_kill -9
gate_loader detach >/dev/null || failed "detach"
expect "attach by the boot snapshot, the daemon dead" gate_attach --snapshot "$LAB_DIR/state/lab.snapshot"
says 'and 1 open session\(s\) go on'
same "the session was adopted" 1 "$(flows $adopted)"
same "not one of its packets was dropped" 0 "$(counted no_grant)"
expect "it lives on and moves a megabyte" session_moves_much
refuse "a new connection is dropped" lab_ssh "${to[@]}" true
[ "$(counted no_grant)" -gt 0 ] || failed "the gate counted nothing"
daemon_start
wait_for 60 ready || failed "the daemon takes the gate"
expect "the daemon is back, the session lives on" session_moves snapshot
denied "a new connection is dropped" lab_ssh "${to[@]}" true
session_close

# ---- the very moment ----
expect "the port is open again" postern policy delete "$(postern policy list --json | jq -r ".policies[0].name")"
opens_around enable "${to[@]}"
denied "after it nobody comes in" lab_ssh "${to[@]}" true

if [ "$placement" = host ]; then
	new=198.51.100.77 device=outside
	[ "$family" = 6 ] && new=2001:db8:1::77
	guards_now() { table "services_v$family" | jq -e "length == $1" >/dev/null; }
	before=$(table "services_v$family" | jq length)
	ip -n "$NS_GATEWAY" address add $new/$([ "$family" = 6 ] && echo 64 || echo 24) dev $device
	expect "a new address of the host is found" wait_for 60 guards_now $((before + 1))
	denied "and is guarded" lab_ssh -h $new true
	expect "a grant" postern request vm1 --port 22 --for 1h --from $from
	expect "opens it too" lab_ssh -h $new true
	ip -n "$NS_GATEWAY" address del $new/$([ "$family" = 6 ] && echo 64 || echo 24) dev $device
	expect "gone, it is guarded no more" wait_for 60 guards_now "$before"
	expect "the others still open" lab_ssh "${to[@]}" true
	other=203.0.113.99
	[ "$family" = 6 ] && other=2001:db8:99::99
	postern machine add vm1 --address $other >/dev/null || failed "machine add"
	put_right() { postern machine show vm1 --json | jq -e --arg wrong $other '.addresses | length > 1 and all(startswith($wrong) | not)' >/dev/null; }
	expect "addresses that the host does not have are put right" wait_for 60 put_right
	warned() { postern status | grep -q "^WARNING .*$1"; }
	twin=/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/other/providers/Microsoft.Compute/virtualMachines/vm1
	postern machine add vm1 --id $twin --address $other >/dev/null || failed "a second machine of the host's name"
	expect "a second machine of its name is warned of" wait_for 60 warned "not guarded as they are now.*Several machines"
	expect "and the host guarded as it was" guards_now "$before"
	postern machine remove $twin >/dev/null || failed "machine remove"
	one_again() { ! warned "Several machines"; }
	expect "until it is gone" wait_for 90 one_again
	postern machine add vm2 --address $new >/dev/null || failed "machine add"
	ip -n "$NS_GATEWAY" address add $new/$([ "$family" = 6 ] && echo 64 || echo 24) dev $device
	expect "an address of the host that another machine has is warned of" wait_for 60 warned "other machines.*$new"
	ip -n "$NS_GATEWAY" address del $new/$([ "$family" = 6 ] && echo 64 || echo 24) dev $device
	unwarned() { ! warned "$new"; }
	expect "until it is gone" wait_for 60 unwarned
	postern machine remove vm2 >/dev/null || failed "machine delete"
	rm "$LAB_DIR/adopt/socket"
	expect "nobody to ask for adoption is warned of" wait_for 60 warned "$LAB_DIR/adopt/socket"
	expect "and guarded" wait_for 60 guards_now "$before"
	postern revoke --machine vm1 >/dev/null || failed "revoke"
	denied "and shut" lab_ssh "${to[@]}" true
	daemon_kill -15
	daemon_config "$options, \"failsafe_sources\": [\"$from\"]"
	daemon_start
	expect "a failsafe source comes in" lab_ssh "${to[@]}" true
fi

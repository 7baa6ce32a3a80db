# SPDX-License-Identifier: Apache-2.0
# Where nothing tracks the sessions that pass through (a gateway without a conntrack rule), a policy that only monitors finds
# those that move, and enforcing it ends none of them; guarding at once would, and is warned of (adoption_learning_test.sh FAMILY).
. "$(dirname "$0")/story.sh"
family=$1

lab_begin "adoption-learning-$family"
to=(-h $MACHINE) from=$CLIENT
[ "$family" = 6 ] && to=(-h $MACHINE_V6) from=$CLIENT_V6
lab_sshd
gate_attach >/dev/null || failed "attach"
adoption_listen
daemon_config ", \"adoption_socket\": \"$LAB_DIR/adopt/socket\""
daemon_start
postern machine add vm1 --address $MACHINE --address $MACHINE_V6 >/dev/null || failed "machine add"
flows() { bpftool -j map dump pinned "$(echo "$LAB_RUN"/lab/bpf/v*/established_v"$family")" | jq '[.[] | select(.formatted.value.flags / 16 % 2 >= 1)] | length'; }
enforce() { postern policy enforce vm1; }
tracked() { in_gateway conntrack -L 2>/dev/null | grep -c .; }

session_open "${to[@]}" || failed "a session before anything is guarded"
same "the gateway tracks nothing" 0 "$(tracked)"
expect "a policy that only monitors" postern policy enable vm1 --port 22 --max 1h --monitor
expect "under it the session moves" session_moves learning
session_moves again || failed "the session moves again"
same "which makes it a flow" 1 "$(flows)"
expect "and so does one that opens now" lab_ssh "${to[@]}" true
expect "it is enforced" enforce
expect "the session lives on and moves a megabyte" session_moves_much
denied "a new connection is dropped" lab_ssh "${to[@]}" true
expect "a grant" postern request vm1 --port 22 --for 1h --from $from
expect "lets new connections in" lab_ssh "${to[@]}" true
expect "and its end" postern revoke --machine vm1
denied "shuts them out" lab_ssh "${to[@]}" true
expect "while the session lives on" session_moves revoked
gate_attach >/dev/null || failed "replace the program"
expect "the program is replaced, the session lives on" session_moves_much
session_close

expect "the policy is gone" postern policy delete vm1
expect "and only monitors again" postern policy enable vm1 --port 22 --max 1h --monitor
opens_around enforce "${to[@]}"
denied "after the switch nobody comes in" lab_ssh "${to[@]}" true

expect "the port is open again" postern policy delete vm1
session_open "${to[@]}" || failed "a session"
expect "guarded at once" postern policy enable vm1 --port 22 --max 1h
warned() { postern status | grep -q '^WARNING .*no connection is tracked on this host.*--monitor'; }
expect "the status says whose sessions end, and what to do" wait_for 60 warned
refuse "and so they do" session_moves lost

# SPDX-License-Identifier: Apache-2.0
# Rules beyond Azure's, with real sessions: a longest session time ends them, a cut ends them on the next packet, a
# standing source needs no request and its sessions end as its rule says; all of it also after the daemon was killed.
. "$(dirname "$0")/story.sh"

lab_begin rules
lab_sshd
guarded_machine

# ---- longest session time
expect "sessions of at most 10 s" postern policy enable vm1 --port 22 --max 1h --max-session 10s
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
session_open || failed "the session opens"
session_over() { [ "$(count flow_cut)" -gt 0 ] || { echo probe >&8 && false; }; }
expect "past its longest time the session is refused" wait_for 60 session_over
refuse "nothing moves" session_moves over
exec 8>&-
expect "a new session opens under the same grant" lab_ssh true

# ---- revoke, of either kind
expect "without it" postern policy enable vm1 --port 22 --max 1h --max-session 0s
expect "all over" postern revoke --machine vm1
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
session_open || failed "the session opens"
expect "revoked, it drains" postern revoke --machine vm1 --drain
expect "the session moves" session_moves drained
denied "a new one does not open" lab_ssh true
last=$(postern grants --all --json | jq '[.grants[].serial] | max')
daemon_kill -9
expect "with the daemon killed it moves" session_moves killed
daemon_start
expect "then it is cut" postern revoke "$last" --cut
refuse "nothing moves" session_moves cut
exec 8>&-

# ---- standing sources
expect "a standing block" postern policy enable vm1 --port 22 --max 1h --standing 198.51.100.10/31 --ending cut
standing() { postern grants --json | jq -r '.standing[0].serial'; }
same "it is listed apart" "198.51.100.10/31" "$(postern grants --json | jq -r '.standing[0].sources[0]')"
session_open || failed "the session opens without a request"
expect "another of the block comes in" lab_ssh -b $CLIENT_TWO true
denied "IPv6 does not" lab_ssh -6 true
before=$(standing)
daemon_kill -9
expect "with the daemon killed it moves" session_moves killed
expect "and a new one opens" lab_ssh true
daemon_start
same "the same rule after a restart" "$before" "$(standing)"
expect "it still moves" session_moves restarted
expect "only the other address is left" postern policy enable vm1 --port 22 --max 1h --standing $CLIENT_TWO
refuse "the session was cut with its source" session_moves gone
exec 8>&-
denied "a new one does not open" lab_ssh true
expect "the other comes in" lab_ssh -b $CLIENT_TWO true

# ---- a UDP service with a standing source
in_machine python3 "$(dirname "$0")/udp_echo.py" serve 5353 2>"$LAB_DIR/udp.log" 7>&- &
ask_udp() { in_client python3 "$(dirname "$0")/udp_echo.py" ask "$1" 5353 "${LAB_CONNECT_WITHIN:-60}"; }
wait_for 60 ask_udp $MACHINE || failed "the UDP service does not answer"
expect "it is guarded" postern policy enable vm1 --port 5353/udp --max 1h
denied "shut" ask_udp $MACHINE
expect "with a standing source" postern policy enable vm1 --port 5353/udp --max 1h --standing $CLIENT
expect "it answers" ask_udp $MACHINE
established() { postern status --json | jq '.tallies[] | select(.name == "established_created") | .packets'; }
before=$(established)
expect "once more" ask_udp $MACHINE
[ "$(established)" -gt "$before" ] || failed "the UDP flow was not established"
expect "the policy is deleted" postern policy delete vm1
expect "everybody comes in" lab_ssh true

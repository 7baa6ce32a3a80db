# SPDX-License-Identifier: Apache-2.0
# What the gate tells while it works: drops, connections that open and close with what went through them, how often a grant
# was used; in the API, the command line and the log.
. "$(dirname "$0")/story.sh"

# events FILTER: what jq makes of the list of events.
events() { postern events --json --limit 1000 | jq -r "[.events[] | $1] | length"; }
told() { [ "$(events "$1")" -ge 1 ]; }

lab_begin events
lab_sshd
guarded_machine
denied "without a grant a connection is dropped" lab_ssh true
drop='select(.kind == "drop" and .reason == "no_grant" and .source == "'$CLIENT'" and .destination == "'$MACHINE'" and .destinationPort == 22)'
wait_for 60 told "$drop" || failed "the drop is told: $(postern events --json)"
echo "ok: the drop is told with source, destination and port"

expect "a request is granted" postern request vm1 --port 22 --for 1h --from $CLIENT
serial=$(postern grants --json | jq -r '.grants[0].serial')
same "it was not used yet" 0 "$(postern grants --json | jq -r '.grants[0].admitted')"
expect "ssh comes in and moves a megabyte" lab_ssh "head -c 1000000 /dev/zero"
opened='select(.kind == "flow.opened" and .grant == '$serial' and .client == "'$CLIENT'" and .machinePort == 22)'
wait_for 60 told "$opened" || failed "the connection is told: $(postern events --json)"
echo "ok: the connection is told with its grant"
same "the grant was used once" 1 "$(postern grants --json | jq -r '.grants[0].admitted')"
expect "the command line says so" postern grants
says "1 time, last"

session_open || failed "a session that stays open"
expect "events are shown as a table" postern events
says "flow.opened .*$CLIENT"
expect "the status counts for each service" postern status
says "$MACHINE +22/TCP +enforce +[1-9]"
says "CONNECTIONS LET IN"
wait_for 60 grep -q "Flow opened. client=$CLIENT" "$LAB_DIR/daemon/log" || failed "the log tells the connection"
echo "ok: the log tells the connection"

POSTERN_SOCKET=$LAB_SOCKET "$POSTERN_BUILD/tools/postern/postern" events --follow >"$LAB_DIR/followed" 7>&- &
follower=$! # ends by itself when the daemon goes
wait_for 60 grep -q flow.opened "$LAB_DIR/followed" || failed "what there is comes first: $(cat "$LAB_DIR/followed")"
denied "a stranger is dropped" lab_ssh -b $CLIENT_TWO true
wait_for 60 grep -q "drop .*$CLIENT_TWO" "$LAB_DIR/followed" || failed "what comes later is told: $(cat "$LAB_DIR/followed")"
echo "ok: what comes later is told to who follows"
postern token create asker --role requester --json >"$LAB_DIR/token" || failed "a token"
in_gateway curl -sN -H "Authorization: Bearer $(jq -r .secret "$LAB_DIR/token")" http://127.0.0.1:7822/v1/events/stream >"$LAB_DIR/streamed" 7>&- &
streamer=$!
wait_for 60 grep -q retry "$LAB_DIR/streamed" || failed "a stream begins"
denied "a stranger again" lab_ssh -b $CLIENT_TWO true
expect "somebody is let in" postern request vm1 --port 22 --for 10m --from 198.51.100.99
wait_for 60 grep -q "grant.opened .*198.51.100.99 .*vm1:22 .*of root until" "$LAB_DIR/followed" || failed "who follows sees the grant: $(tail -n 5 "$LAB_DIR/followed")"
wait_for 60 grep -q '^event: grant.opened' "$LAB_DIR/streamed" || failed "the stream has the grant"
echo "ok: grants are told to both"
refuse "who may not read the gate does not see its drops" grep -q '^event: drop' "$LAB_DIR/streamed"
postern token revoke "$(jq -r .id "$LAB_DIR/token")" >/dev/null || failed "the token is taken away"
streamer_gone() { ! kill -0 $streamer 2>/dev/null; }
expect "and the stream with it" wait_for 60 streamer_gone
kill $follower && wait $follower 2>/dev/null

# A daemon that was away finds what happened meanwhile in the rings.
daemon_kill -9
refuse "while the daemon is away a stranger is dropped" lab_ssh -b $CLIENT_TWO true
daemon_start
stranger='select(.kind == "drop" and .source == "'$CLIENT_TWO'")'
wait_for 60 told "$stranger" || failed "what happened meanwhile is told: $(postern events --json)"
echo "ok: what happened meanwhile is told"
session_close

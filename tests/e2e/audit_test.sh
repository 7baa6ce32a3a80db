# SPDX-License-Identifier: Apache-2.0
# What the auditor sees of sessions with real ssh: their records with bytes and grant, the decisions as CSV and JSON lines, the
# access review, records told to a webhook, signed heads and what they show when the end of the audit is cut off.
. "$(dirname "$0")/story.sh"

recorded() { # FILTER: some session is so
	postern sessions --json | jq -e "[.flows[] | select($1)] | length > 0" >/dev/null
}
meddle() { # SQL, as somebody with the file
	python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=10).executescript(sys.argv[2])' "$LAB_STATE" "$1" || failed "sqlite3: $1"
}

lab_begin audit
lab_sshd
# A webhook that is trusted, and the same without its CA.
lab_certificate IP:127.0.0.1
mkdir "$LAB_DIR/told"
secret=0123456789abcdef
receiver_start() {
	nsenter --net="/run/netns/$NS_GATEWAY" python3 "$(dirname "$0")/webhook_receiver.py" 9443 "$LAB_DIR/tls/cert.pem" "$LAB_DIR/tls/key.pem" \
		$secret "$LAB_DIR/told" 2>"$LAB_DIR/told/log" 7>&- 8>&- &
	RECEIVER_PID=$!
}
told() { # FILTER: the webhook was told of such a record
	[ -e "$LAB_DIR/told/hook" ] && jq -se "map(select($1)) | length == 1" "$LAB_DIR/told/hook" >/dev/null
}
warned() { postern status --json | jq -e --arg text "$1" '.warnings | any(contains($text))' >/dev/null; }
receiver_start
daemon_config ', "audit_webhooks": { "https://127.0.0.1:9443/hook": { "secret": "'$secret'", "ca": "'"$LAB_DIR"'/tls/ca.pem" },
	"https://127.0.0.1:9443/unknown": { "secret": "'$secret'" } }'
guarded_machine
formula='=HYPERLINK("http://evil/","click"), Zoë'
expect "a request is granted" postern request vm1 --port 22 --for 1h --from $CLIENT --because "$formula"
serial=$(postern grants --json | jq -r '.grants[0].serial')
session_open || failed "a session that stays open"
wait_for 60 recorded ".grant == $serial and (.closedUtc | not)" || failed "the session is recorded: $(postern sessions --json)"
session_moves_much || failed "a megabyte goes there and back"

wait_for 60 told ".operation == \"access.initiate\" and .grants == [$serial]" || failed "the webhook is told of the request: $(cat "$LAB_DIR"/told/*)"
echo "ok: the webhook is told of the request, signed, over https"
wait_for 60 warned 9443/unknown || failed "a webhook whose certificate nobody vouches for is warned of: $(postern status --json)"
[ ! -e "$LAB_DIR/told/unknown" ] || failed "and told of nothing"
kill $RECEIVER_PID && wait $RECEIVER_PID 2>/dev/null

# A daemon that dies may have no record of what is open.
daemon_kill -9
meddle 'DELETE FROM flows'
daemon_start
wait_for 60 recorded ".grant == $serial and (.closedUtc | not)" || failed "what is open and has no record gets one at the start: $(postern sessions --json)"
echo "ok: what is open and has no record gets one when the daemon starts"
expect "the session is cut" postern revoke --cut "$serial"
wait_for 60 recorded ".grant == $serial and .client == \"$CLIENT\" and .machineName == \"vm1\" and .requestor == \"root\" and
	.closedUtc and .end == \"cut\" and .machineBytes > 1000000" || failed "the session's end is recorded with its bytes: $(postern sessions --json)"
echo "ok: the record says who was in, from where, when, how many bytes, under which grant"
exec 8>&-
wait_for 60 warned 9443/hook || failed "a webhook that is away is warned of: $(postern status --json)"
receiver_start
wait_for 60 told '.operation == "grant.revoke"' || failed "it is told when it is back: $(cat "$LAB_DIR"/told/*)"
same "each record came once, and in order" "$(jq .sequence "$LAB_DIR/told/hook" | sort -nu)" "$(jq .sequence "$LAB_DIR/told/hook")"
expect "the command line says so" postern sessions --machine vm1 --principal root --grant "$serial"
says "root +$CLIENT:[0-9]+ +vm1:22 +grant $serial +[0-9]{7} +[0-9]{7} +cut"
expect "sessions leave as CSV" postern sessions --csv
says "^[0-9]+,20.*,cut,$CLIENT,"

expect "the audit leaves as CSV" postern audit --csv
says '^sequence,timeUtc,operation'
says '=HYPERLINK\(""http://evil/"",""click""\), Zoë"'
expect "the audit leaves as JSON lines" postern audit --jsonl --operation access.initiate
says '"operation":"access.initiate"'
expect "the access review tells who did" postern audit review
says "root +vm1 +1 +0 +1 +1 +1 "
expect "the access review leaves as CSV" postern audit review --csv
says '^use,root,'

daemon_kill -15
grep -h 'Audit head. postern-audit-head 1 ' "$LAB_DIR/daemon/log" >"$LAB_DIR/heads" || failed "heads are signed and told to the log"
daemon_start
expect "the audit is whole, and agrees with the heads that the log told" postern audit verify --head "$LAB_DIR/heads"
says "heads that were kept elsewhere agree"
daemon_kill -15
meddle 'DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE sequence > 2; DELETE FROM audit_heads;
	UPDATE audit_head SET sequence = 2, hash = (SELECT hash FROM audit WHERE sequence = 2)'
daemon_start
expect "an end that was cut off well does not show in the store" postern audit verify
refuse "the heads that were kept show it" postern audit verify --head "$LAB_DIR/heads"
says "cut off"

# SPDX-License-Identifier: Apache-2.0
# The configuration of a running posternd, read again on SIGHUP: what changes at once and without a connection dropped, what waits for
# a restart, a file with faults, and what --check-config says of it all.
. "$(dirname "$0")/story.sh"

lab_begin reload
tls=$LAB_DIR/tls
lab_certificate IP:198.51.100.1,DNS:next.example
cp -a "$tls" "$LAB_DIR/next"
lab_certificate IP:198.51.100.1 same-authority
https=', "listen_https": "198.51.100.1:7823", "tls_certificate": "'"$tls/cert.pem"'", "tls_key": "'"$tls/key.pem"'"'
daemon_config "$https"
gate_attach >/dev/null || failed attach
daemon_start
postern machine add vm1 --address $MACHINE >/dev/null && postern policy enable vm1 --port 22 --max 1h >/dev/null || failed "a machine"
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 >/dev/null 2>&1 7>&- &
wait_for 60 in_machine sh -c 'ss -Hltn "sport = :22" | grep -q .' || failed "a server"
get() { in_client curl -s -o /dev/null --max-time "${LAB_CONNECT_WITHIN:-60}" http://$MACHINE:22/; }
reads() { grep -c 'The configuration was ' "$LAB_DIR/daemon/log"; } # with or without success
reload() { # further members of the file; returns when it was read
	local before
	before=$(reads)
	daemon_config "$1"
	hup
}
hup() {
	before=$(reads)
	kill -HUP $DAEMON_PID
	wait_for 60 read_again || failed "SIGHUP"
}
read_again() { [ "$(reads)" -gt "$before" ]; }
warned() { postern status | grep -q "^WARNING .*$1"; }
status_as() { setpriv --reuid "$1" --regid "$1" --groups $LAB_UID curl -s -o /dev/null -w '%{http_code}' --unix-socket "$LAB_SOCKET" "http://localhost/v1/$2"; }
check() { in_gateway setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups "$POSTERN_BUILD/controlplane/daemon/posternd" --check-config --config "$LAB_DIR/posternd.json"; }

cat >"$LAB_DIR/keep.py" <<'PY'
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
connection = http.client.HTTPSConnection("198.51.100.1", 7823, context=context, timeout=60)
for line in sys.stdin:
    connection.request("GET", "/healthz")
    port = connection.sock.getsockname()[1]
    print(connection.getresponse().read().decode(), port, flush=True)
PY
mkfifo "$LAB_DIR/keep.in"
in_client python3 "$LAB_DIR/keep.py" "$tls/ca.pem" <"$LAB_DIR/keep.in" >"$LAB_DIR/keep.out" 2>&1 7>&- &
exec 8>"$LAB_DIR/keep.in"
answers() { [ "$(wc -l <"$LAB_DIR/keep.out")" -ge "$1" ]; }
echo >&8 && wait_for 60 answers 1 || failed "a connection that stays"

echo "# what changes at once"
denied "the client is not let in" get
same "a member of the group is admin" 200 "$(status_as 64399 tokens)"
next=', "listen_https": "198.51.100.1:7823", "tls_certificate": "'"$LAB_DIR/next/cert.pem"'", "tls_key": "'"$LAB_DIR/next/key.pem"'"'
good=$next', "failsafe_sources": ["'$CLIENT'"], "users": {"64399": {"role": "requester"}}'
reload "$good"
expect "a new failsafe source is let in" get
same "the user is less now" 403 "$(status_as 64399 tokens)"
shown() { in_client openssl s_client -connect 198.51.100.1:7823 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName; }
expect "the certificate of the new path is shown" grep -q next.example <<<"$(shown)"
echo >&8 && wait_for 60 answers 2 || failed "the connection after the reload"
same "one record says what changed" 1 "$(postern audit --json | jq '[.records[] | select(.operation == "config.reload")] | length')"
expect "and names it" postern audit
says "config.reload +allowed +postern.*Changes tls_certificate, tls_key, users .*failsafe_sources \(now \[\"$CLIENT\"\]\)"

echo "# a file with faults"
reload "$next"', "failsafe_sources": ["198.51.100.300", "x"], "users": {"64399": {"role": "king"}}, "location": 5'
expect "changes nothing: the failsafe source is let in" get
same "nor who may what" 403 "$(status_as 64399 tokens)"
for place in 'failsafe_sources\[0\]' 'failsafe_sources\[1\]' users.64399 location; do
	expect "the log has $place" grep -q "has a fault. place=\".*posternd.json: $place\"" "$LAB_DIR/daemon/log"
done
expect "the status warns" warned 'not taken over.*failsafe_sources'
exits 2 "--check-config names them, too" check
says 'failsafe_sources\[1\]' && says users.64399 && says location
mv "$LAB_DIR/posternd.json" "$LAB_DIR/gone.json"
hup
expect "a file that is gone is a fault, not the defaults" warned 'not taken over.*No such file'
reload ', "listen_https": "198.51.100.1:7823", "tls_certificate": "'"$tls/cert.pem"'", "tls_key": "'"$LAB_DIR/next/key.pem"'", "failsafe_sources": []'
expect "nor a key of another certificate" warned 'not taken over.*does not belong to the certificate'
expect "with which nothing else changes either" get

echo "# what needs a restart"
reload "$good"', "adoption_socket": "/run/another.sock"'
expect "is named" warned 'asks for a restart of posternd: adoption_socket'
unwarned() { ! warned "$1"; }
expect "the faults are warned of no more" unwarned 'not taken over'
expect "--check-config finds nothing, while the daemon runs" check
reload "$next"
denied "a failsafe source that was taken out is let in no more" get
expect "nothing is warned of any more" unwarned 'restart of posternd\|not taken over'
echo >&8 && wait_for 60 answers 3 || failed "the connection after all that"
same "it was one connection all the time" 1 "$(sort -u "$LAB_DIR/keep.out" | wc -l)"
exec 8>&-

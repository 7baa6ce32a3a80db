# SPDX-License-Identifier: Apache-2.0
# The https listener of a real posternd: who is talked to, what it refuses to start with, that half-sent requests keep nobody
# out, and a certificate that is replaced while connections live.
. "$(dirname "$0")/story.sh"

lab_begin https
url=https://198.51.100.1:7823
tls=$LAB_DIR/tls
daemon_ends() { # runs it with this configuration; must end by itself
	in_gateway timeout 60 setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups "$POSTERN_BUILD/controlplane/daemon/posternd" --config "$LAB_DIR/posternd.json" "$@"
}
https_config() { # further members
	daemon_config ', "listen_https": "198.51.100.1:7823", "tls_certificate": "'"$tls/cert.pem"'", "tls_key": "'"$tls/key.pem"'"'"${1-}"
}
get() { in_client curl -sS --max-time 60 --cacert "$tls/ca.pem" "$@"; }
serial_shown() { in_client openssl s_client -connect 198.51.100.1:7823 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
serial_of_file() { openssl x509 -noout -serial -in "$tls/cert.pem"; }
shows_file() { [ "$(serial_shown)" = "$(serial_of_file)" ]; }

echo "# what it does not start with"
lab_certificate IP:198.51.100.1,DNS:gate.example
https_config
rm "$tls/key.pem"
refuse "no key" daemon_ends
says 'private key .*/tls/key\.pem.*No such file'
exits 2 "--check-config says the same" daemon_ends --check-config
lab_certificate IP:198.51.100.1,DNS:gate.example
chmod 644 "$tls/key.pem"
refuse "a key that all may read" daemon_ends
says 'key\.pem.*mode 0644'
cp "$tls/key.pem" "$LAB_DIR/other.pem"
lab_certificate IP:198.51.100.1,DNS:gate.example
cat "$LAB_DIR/other.pem" >"$tls/key.pem"
refuse "a key of another certificate" daemon_ends
says 'key\.pem.*does not belong to the certificate.*cert\.pem'
daemon_config ', "listen_https": "198.51.100.1:7823"'
exits 2 "no files at all" daemon_ends
says 'tls_certificate' && says 'tls_key'
daemon_config ', "listen": "198.51.100.1:7822"'
exits 2 "http outside of loopback" daemon_ends
says 'listen_https'

echo "# served"
gate_attach >/dev/null || failed attach
lab_certificate IP:198.51.100.1,DNS:gate.example
https_config
daemon_start
expect "it says where" grep -q '^posternd: ready.* https=198.51.100.1:7823 ' "$LAB_DIR/daemon/log"
expect "health, from the client" get $url/healthz
expect "by the certificate's other name" get --resolve gate.example:7823:198.51.100.1 https://gate.example:7823/healthz
refuse "nobody who does not know the CA" in_client curl -sS --max-time 60 $url/healthz
refuse "no plain http there" in_client curl -sS --max-time 60 http://198.51.100.1:7823/healthz
refuse "no TLS 1.1" get --tls-max 1.1 --ciphers 'DEFAULT@SECLEVEL=0' $url/healthz
same "a token is needed" 401 "$(get -o /dev/null -w '%{http_code}' $url/v1/status)"
token=$(postern token create robot --role reader --json | jq -r .secret)
same "and enough" 200 "$(get -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" $url/v1/status)"
same "another Host" 403 "$(get -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" -H 'Host: evil.example' $url/v1/status)"

echo "# our own command line, from the client"
in_client_postern() { nsenter --net="/run/netns/$NS_CLIENT" env -u POSTERN_SOCKET -u POSTERN_URL "$POSTERN_BUILD/tools/postern/postern" --url "$@"; }
(umask 077 && echo "$token" >"$LAB_DIR/token")
same "with the CA and a token" true "$(in_client_postern $url --ca "$tls/ca.pem" --token-file "$LAB_DIR/token" status --json | jq .ready)"
exits 3 "a CA that it does not know" in_client_postern $url --token-file "$LAB_DIR/token" status
says 'certificate is not believed.*--ca|not believed' && refuse "and the token was not sent" grep -q "$token" <<<"$SAID"
exits 3 "a name that the certificate does not have" in_client_postern https://198.51.100.1.nip.invalid:7823 --ca "$tls/ca.pem" status
exits 4 "no token" in_client_postern $url --ca "$tls/ca.pem" status
exits 2 "a CA that is none" in_client_postern $url --ca "$LAB_DIR/token" status
exits 2 "no token goes over http to another host" in_client_postern http://198.51.100.1:7822 --token-file "$LAB_DIR/token" status

echo "# six addresses hold 50 half-sent requests and 50 half-done handshakes each, and go on with new ones"
cat >"$LAB_DIR/hold.py" <<'EOF'
import socket, ssl, sys
context = ssl._create_unverified_context()
held = []
def hold(source, half_sent):
    connection = socket.create_connection(("198.51.100.1", 7823), timeout=60, source_address=(source, 0))
    try:
        if half_sent:
            connection = context.wrap_socket(connection)
            connection.send(b"GET /v1/status HTTP/1.1\r\nHost: ")
    except OSError:
        pass  # made room already
    held.append(connection)
for n in range(50):
    for source in sys.argv[1:]:
        hold(source, True)
        hold(source, False)
print("held", flush=True)
for line in sys.stdin:
    for n in range(200):
        hold(sys.argv[1], n % 2)
    print("more", flush=True)
EOF
mkfifo "$LAB_DIR/hold.in"
hostile=(198.51.100.2{1..6})
for address in "${hostile[@]}"; do ip -n "$NS_CLIENT" address add "$address/24" dev eth0; done
in_client python3 "$LAB_DIR/hold.py" "${hostile[@]}" <"$LAB_DIR/hold.in" >"$LAB_DIR/hold.out" 2>&1 7>&- &
exec 8>"$LAB_DIR/hold.in"
expect "they are held" wait_for 60 grep -qx held "$LAB_DIR/hold.out"
authorized=(-H "Authorization: Bearer $token")
same "somebody else is answered all the same" 200 "$(get -o /dev/null -w '%{http_code}' "${authorized[@]}" $url/v1/status)"
same "and over the local socket nothing is felt" true "$(postern status --json | jq .ready)"
expect "the log says how many had to go" wait_for 60 grep -q 'Connections were closed to make room\.' "$LAB_DIR/daemon/log"
echo >&8
expect "more come" wait_for 60 grep -qx more "$LAB_DIR/hold.out"
same "one who shares their address is answered too" 200 \
	"$(get -o /dev/null -w '%{http_code}' --interface "${hostile[0]}" "${authorized[@]}" $url/v1/status)"
same "the log has not said it again" 1 "$(grep -c 'to make room\|Too many connections' "$LAB_DIR/daemon/log")"
exec 8>&-

echo "# a new certificate, while a connection lives"
cat >"$LAB_DIR/keep.py" <<'EOF'
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
connection = http.client.HTTPSConnection("198.51.100.1", 7823, context=context, timeout=60)
for line in sys.stdin:
    connection.request("GET", "/healthz")
    port = connection.sock.getsockname()[1]
    print(connection.getresponse().read().decode(), port, flush=True)
EOF
mkfifo "$LAB_DIR/keep.in"
in_client python3 "$LAB_DIR/keep.py" "$tls/ca.pem" <"$LAB_DIR/keep.in" >"$LAB_DIR/keep.out" 2>&1 7>&- &
exec 8>"$LAB_DIR/keep.in"
answers() { [ "$(wc -l <"$LAB_DIR/keep.out")" -ge "$1" ]; }
echo >&8 && wait_for 60 answers 1 || failed "a connection that stays"
lab_certificate IP:198.51.100.1 same-authority
expect "it is shown unasked" wait_for 60 shows_file
echo >&8 && wait_for 60 answers 2 || failed "the connection after the change"
same "the old connection goes on" 1 "$(sort -u "$LAB_DIR/keep.out" | wc -l)"
echo "# one that is broken"
before=$(serial_shown)
: >"$tls/cert.pem"
warned() { postern status | grep -q "^WARNING .*$1"; }
expect "status warns of it" wait_for 60 warned 'stays in use: .*cert\.pem'
expect "and that the one in use ends within two weeks" warned 'certificate of https ends at'
expect "the log says so" wait_for 60 grep -q 'cert.pem.* is not a certificate' "$LAB_DIR/daemon/log"
same "the one before stays" "$before" "$(serial_shown)"
lab_certificate IP:198.51.100.1 same-authority
kill -HUP $DAEMON_PID
expect "asked for by SIGHUP, the next is shown" wait_for 60 shows_file
unwarned() { ! warned "$1"; }
expect "and the broken one is warned of no more" wait_for 60 unwarned "stays in use"
echo >&8 && wait_for 60 answers 3 || failed "the connection after SIGHUP"
same "and still the old connection goes on" 1 "$(sort -u "$LAB_DIR/keep.out" | wc -l)"
exec 8>&-

echo "# only clients of a CA"
daemon_kill -15
cp "$tls/ca.pem" "$LAB_DIR/clients.pem"
https_config ', "tls_client_ca": "'"$LAB_DIR/clients.pem"'"'
daemon_start
refuse "without a certificate" get $url/healthz
cp "$tls/cert.pem" "$LAB_DIR/client.pem" && cp "$tls/key.pem" "$LAB_DIR/client.key"
expect "with one" get --cert "$LAB_DIR/client.pem" --key "$LAB_DIR/client.key" $url/healthz

echo "# who logs in by a certificate"
client() { # NAME SUBJECT EXTENSIONS: in $LAB_DIR/NAME.pem and .key, of the clients' CA
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$LAB_DIR/$1.key" -out "$LAB_DIR/$1.request" -subj "$2" &&
		openssl x509 -req -in "$LAB_DIR/$1.request" -CA "$LAB_DIR/clients.pem" -CAkey "$tls/ca.key" -days 1 -out "$LAB_DIR/$1.pem" -extfile <(echo "$3")
}
as() { # NAME, arguments of curl: the status
	local name=$1; shift
	get -o "$LAB_DIR/body" -w '%{http_code}' --cert "$LAB_DIR/$name.pem" --key "$LAB_DIR/$name.key" "$@"
}
{
	client alice /O=Example/CN=alice extendedKeyUsage=clientAuth && client twin /O=Other/CN=alice extendedKeyUsage=clientAuth &&
		client bob /CN=bob subjectAltName=email:bob@example.org && client root /CN=root subjectAltName=DNS:root &&
		client server /O=Example/CN=alice extendedKeyUsage=serverAuth
} 2>"$LAB_DIR/openssl.log" || failed "certificates: $(tail -n 3 "$LAB_DIR/openssl.log")"
daemon_kill -15
https_config ', "tls_client_ca": "'"$LAB_DIR/clients.pem"'", "certificate_users": {
	"CN=alice,O=Example": {"role": "reader", "principal": "alice"}, "email:bob@example.org": {"role": "requester"}}'
daemon_start
same "by the whole subject" 200 "$(as alice $url/v1/status)"
same "by our command line" true "$(in_client_postern $url --ca "$tls/ca.pem" --cert "$LAB_DIR/alice.pem" --key "$LAB_DIR/alice.key" status --json | jq .ready)"
exits 3 "which says that a certificate is wanted" in_client_postern $url --ca "$tls/ca.pem" status
says 'certificate required'
exits 2 "a key of another certificate" in_client_postern $url --ca "$tls/ca.pem" --cert "$LAB_DIR/alice.pem" --key "$LAB_DIR/bob.key" status
same "not by a part of it" 401 "$(as twin $url/v1/status)"
same "nor by being called root" 401 "$(as root $url/v1/status)"
refuse "a server's certificate is no client's" as server $url/v1/status
same "by an address, with that role only" 403 "$(as bob $url/v1/status)"
same "the audit says who" cert:email:bob@example.org "$(postern audit --json | jq -r '.records[0].principal')"
same "a token that is sent goes first" 401 "$(as alice -H 'Authorization: Bearer wrong' $url/v1/status)"
same "a token with a certificate that logs nobody in" 200 "$(as twin "${authorized[@]}" $url/v1/status)"
exits 1 "nobody gets a token in the name of a certificate" postern token create cert:email:bob@example.org --role admin
same "failed log-ins are counted" 3 "$(in_gateway curl -sS -m 60 --unix-socket "$LAB_SOCKET" http://localhost/metrics | sed -n 's/^postern_failed_logins_total //p')"

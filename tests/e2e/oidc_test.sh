# SPDX-License-Identifier: Apache-2.0
# OIDC access tokens on a real daemon: an issuer of another implementation, its keys from a file and over https with a private CA,
# rotation, an issuer that cannot be believed; requests and records in the caller's name.
. "$(dirname "$0")/story.sh"

lab_begin oidc
issuer=$LAB_DIR/issuer
mkdir "$issuer"
issue() { /usr/bin/python3 "$(dirname "$0")/oidc_issuer.py" "$1" "$issuer" "${@:2}"; }
oidc_config() { # keys, further members
	daemon_config ', "oidc_issuer": "https://issuer.example", "oidc_audience": ["postern"], "oidc_keys": "'"$1"'",
	"oidc_roles": {"engineers": {"role": "requester"}, "readers": {"role": "reader"}}, "oidc_principals": {"u-7": "dora"}'"${2-}"
}
as() { # token, arguments of curl: the status; the body is in $LAB_DIR/body
	in_gateway curl -sS -m 60 -o "$LAB_DIR/body" -w '%{http_code}' -H "Authorization: Bearer $1" "${@:2}"
}
api=http://127.0.0.1:7822
gate_attach >/dev/null || failed attach

echo "# keys in a file"
issue key first ES256 && issue key second RS256 || failed "the issuer's keys"
cp "$issuer/keys.json" "$LAB_DIR/keys.json"
oidc_config "$LAB_DIR/keys.json"
daemon_start
same "a token with ES256" 200 "$(as "$(issue token first ES256 '{"roles": "readers"}')" $api/v1/status)"
same "one with RS256" 200 "$(as "$(issue token second RS256 '{"roles": ["readers"]}')" $api/v1/status)"
same "one with PS256" 200 "$(as "$(issue token second PS256 '{"roles": ["readers"]}')" $api/v1/status)"
same "its role counts" 403 "$(as "$(issue token first ES256 '{}')" $api/v1/status)"
same "the record has the name" oidc:alice "$(postern audit --json | jq -r '.records[0].principal')"
same "or the one that the configuration gives" 403 "$(as "$(issue token first ES256 '{"sub": "u-7"}')" $api/v1/status)"
same "which is a plain one" dora "$(postern audit --json | jq -r '.records[0].principal')"
records=$(postern audit --json | jq '.records | length')
same "another audience" 401 "$(as "$(issue token first ES256 '{"aud": "other"}')" $api/v1/status)"
same "another issuer" 401 "$(as "$(issue token first ES256 '{"iss": "https://evil.example"}')" $api/v1/status)"
same "over" 401 "$(as "$(issue token first ES256 '{"exp": 1700000000}')" $api/v1/status)"
same "which is said" ExpiredAuthenticationToken "$(jq -r .code "$LAB_DIR/body")"
token=$(issue token first ES256 '{"roles": "readers"}')
same "a signature cut off" 401 "$(as "${token%.*}." $api/v1/status)"
same "failed log-ins leave no record" "$records" "$(postern audit --json | jq '.records | length')"
same "the gate's own tokens go on" 200 "$(as "$(postern token create robot --role reader --json | jq -r .secret)" $api/v1/status)"
exits 1 "but not in the issuer's name" postern token create oidc:alice --role admin

echo "# the file changes"
issue forget first && issue key third ES256 || failed "the issuer's keys"
cp "$issuer/keys.json" "$LAB_DIR/keys.new" && mv "$LAB_DIR/keys.new" "$LAB_DIR/keys.json"
third=$(issue token third ES256 '{"roles": "readers"}')
is_known() { [ "$(as "$third" $api/v1/status)" = 200 ]; }
expect "a new key is known soon" wait_for 60 is_known
same "and one that is gone is not" 401 "$(as "$token" $api/v1/status)"
echo '{' >"$LAB_DIR/keys.json"
warned() { postern status | grep -q "^WARNING .*$1"; }
expect "a broken file is warned of" wait_for 60 warned 'OIDC issuer.*stay in use'
same "and the keys before it stay" 200 "$(as "$third" $api/v1/status)"

echo "# keys over https"
lab_certificate IP:127.0.0.1,DNS:issuer.example
in_gateway /usr/bin/python3 "$(dirname "$0")/oidc_issuer.py" serve "$issuer" 127.0.0.1 7999 "$LAB_DIR/tls/cert.pem" "$LAB_DIR/tls/key.pem" >"$LAB_DIR/issuer.log" 2>&1 7>&- &
issuer_pid=$!
serves() { in_gateway curl -sS -m 10 --cacert "$LAB_DIR/tls/ca.pem" https://127.0.0.1:7999/keys.json >/dev/null 2>&1; }
wait_for 60 serves || failed "the issuer does not serve: $(tail -n 3 "$LAB_DIR/issuer.log")"
daemon_kill -15
oidc_config https://127.0.0.1:7999/keys.json
daemon_start
expect "a CA that nobody named is not believed" wait_for 60 warned 'certificate is not believed'
same "nobody can log in so" 503 "$(as "$third" $api/v1/status)"
daemon_kill -15
oidc_config https://127.0.0.1:7999/keys.json ', "oidc_ca": "'"$LAB_DIR/tls/ca.pem"'"'
daemon_start
expect "with the CA it is" wait_for 60 is_known
same "a key that nobody knows" 401 "$(as "$token" $api/v1/status)"
kill $issuer_pid
same "an issuer that is gone takes nobody's keys" 200 "$(as "$third" $api/v1/status)"

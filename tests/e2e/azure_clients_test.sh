# SPDX-License-Identifier: Apache-2.0
# Microsoft's own clients against a real gate, over https with a private CA and over http on loopback.
#
#     azure_clients_test.sh js        npm's @azure/arm-security, as azure_js/package-lock.json pins it
#     azure_clients_test.sh python    Debian's python3-azure
. "$(dirname "$0")/story.sh"
. "$(dirname "$0")/npm.sh"
here=$(cd "$(dirname "$0")" && pwd)
kind=$1

lab_begin "azure-$kind"
if [ "$kind" = js ]; then
	expect "npm installs Microsoft's client" npm_install "$here/azure_js"
	drive() { node "$POSTERN_BUILD/tests/azure_js/drive.mjs" "$@"; }
else
	expect "Debian's client is there" /usr/bin/python3 -c 'import azure.mgmt.security'
	drive() { shift && /usr/bin/python3 "$here/azure_drive.py" "$@"; }
fi
gate_attach >/dev/null || failed "attach"
lab_certificate IP:198.51.100.1
daemon_config ', "listen_https": "198.51.100.1:7823", "tls_certificate": "'"$LAB_DIR/tls/cert.pem"'", "tls_key": "'"$LAB_DIR/tls/key.pem"'"'
daemon_start
lab_sshd
expect "a machine" postern machine add vm1 --address $MACHINE --address $MACHINE_V6
machine=$(postern machine list --json | jq -r '.machines[0].id')
subscription=$(cut -d/ -f3 <<<"$machine")
secret() { postern token create "$1" --role "$2" --json | jq -r .secret; }
ADMIN_TOKEN=$(secret boss admin) REQUESTER_TOKEN=$(secret asker requester) READER_TOKEN=$(secret watcher reader)
export ADMIN_TOKEN REQUESTER_TOKEN READER_TOKEN
export NODE_EXTRA_CA_CERTS=$LAB_DIR/tls/ca.pem REQUESTS_CA_BUNDLE=$LAB_DIR/tls/ca.pem NO_PROXY='*'

echo "# https, from the client's place"
export -f drive
export POSTERN_BUILD here
expect "each operation over https" in_client bash -c 'drive all "$@"' - https://198.51.100.1:7823 "$subscription" "$machine" $CLIENT_TWO
says 'steps passed over https'
sed 's/^/    | /' <<<"$SAID"

echo "# http, on the gateway's loopback"
expect "each operation over http" in_gateway bash -c 'drive all "$@"' - http://127.0.0.1:7822 "$subscription" "$machine" $CLIENT_TWO
says 'steps passed over http:'

if [ "$kind" = js ]; then
	echo "# and the gate opens"
	denied "ssh before the request" lab_ssh true
	expect "a request over https that names no source" in_client bash -c 'drive initiate "$@"' - https://198.51.100.1:7823 "$subscription" "$machine" $CLIENT
	expect "ssh from there" lab_ssh true
	denied "not from the next address" lab_ssh -b $CLIENT_TWO true
fi
expect "what was done is in the audit, whole" postern audit verify

# SPDX-License-Identifier: Apache-2.0
# /v1/openapi.json is OpenAPI 3.1, and a running daemon answers as it says: every operation, every status that can be asked for.
# openapi_drive.py says how an operation is added.
. "$(dirname "$0")/story.sh"
. "$(dirname "$0")/npm.sh"
here=$(cd "$(dirname "$0")" && pwd)
lab_begin openapi
expect "npm installs the validator" npm_install "$here/openapi_js"
LAB_SOCKET=$LAB_DIR/daemon/api.sock # a folder that is there before the gate is
daemon_config
daemon_start
ADMIN_TOKEN=$(postern token create boss --role admin --json | jq -r .secret)
NOBODY_TOKEN=$(postern token create nobody --role requester --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/elsewhere --json | jq -r .secret)
export ADMIN_TOKEN NOBODY_TOKEN
drive() { in_gateway /usr/bin/python3 "$here/openapi_drive.py" 7822 "$LAB_DIR/seen.json" "$1"; }

echo "# the document"
in_gateway curl -sf http://127.0.0.1:7822/v1/openapi.json >"$LAB_DIR/openapi.json" || failed "nobody need log in to read it"
valid() { node "$POSTERN_BUILD/tests/openapi_js/validate.mjs" <"$1"; }
expect "it is OpenAPI 3.1" valid "$LAB_DIR/openapi.json"
jq '.paths["/healthz"].get.responses = 5' "$LAB_DIR/openapi.json" >"$LAB_DIR/broken.json"
refuse "what is not would be noticed" valid "$LAB_DIR/broken.json"

echo "# the answers while there is no gate"
expect "are as it says" drive away
echo "# and with one"
gate_attach >/dev/null || failed attach
is_ready() { postern status --json | jq -e .ready; }
wait_for 60 is_ready >/dev/null || failed "ready"
postern machine add vm1 --address $MACHINE --address $MACHINE_V6 >/dev/null && postern policy enable vm1 --port 22 --max 1h --standing 198.51.100.77 --justification required >/dev/null || failed "a machine"
postern machine add asked --address 192.0.2.30 >/dev/null && postern policy enable asked --port 22 --approval approve >/dev/null || failed "one that is asked for"
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 >/dev/null 2>&1 7>&- &
wait_for 60 in_machine sh -c 'ss -Hltn "sport = :22" | grep -q .' || failed "a server"
denied "a drop to be told of" in_client curl -s --max-time 1 http://$MACHINE:22/
expect "a request" postern request vm1 --port 22 --for 10m --from $CLIENT --because "to be told of"
expect "a connection to be told of" in_client curl -s --max-time 60 http://$MACHINE:22/
opened() { postern events --json | grep -q flow.opened; }
wait_for 60 opened || failed "it is told"
expect "are as it says" drive there
sed 's/^/    | /' <<<"$SAID"
expect "nothing that it says is left" drive whole
sed 's/^/    | /' <<<"$SAID"

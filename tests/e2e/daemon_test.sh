# SPDX-License-Identifier: Apache-2.0
# The daemon as its host sees it: before the gate and after it, stopped, killed, started twice; and its TCP door, where
# only tokens count and pages of other sites get nothing.
. "$(dirname "$0")/story.sh"

lab_begin daemon
status_of() { # path, options of curl: the HTTP status over TCP
	local path=$1
	shift
	in_gateway curl -s -o "$LAB_DIR/body" -w '%{http_code}' "$@" "http://127.0.0.1:7822$path"
}
is_status() { [ "$(status_of "$2")" = "$1" ]; }
LAB_SOCKET=$LAB_DIR/daemon/api.sock # a folder that is there before the gate is

echo "# before the gate"
daemon_config ', "failsafe_sources": ["198.51.100.250"]'
daemon_start
expect "it says that it runs, and that the gate is away" grep -q '^posternd: ready.*gate=away' "$LAB_DIR/daemon/log"
same "it lives" 200 "$(status_of /healthz)"
same "it is not ready" 503 "$(status_of /readyz)"
expect "a status is given" postern status
says 'ready +no'
refuse "what must be put in force is refused, and said why" postern machine add vm1 --address $MACHINE
says 'postern-loader attach'
gate_attach >/dev/null || failed attach
expect "a second or so after the attach it is ready" wait_for 60 is_status 200 /readyz
expect "a machine" postern machine add vm1 --address $MACHINE
expect "a policy" postern policy enable vm1 --port 22
same "port 22 is guarded in the maps" 1 "$(postern machine list --json | jq '[.machines[] | select(.state == "configured")] | length')"

echo "# one at a time"
refuse "a second daemon" in_gateway timeout 10 setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups \
	"$POSTERN_BUILD/controlplane/daemon/posternd" --config "$LAB_DIR/posternd.json"
expect "the first does not mind" postern status
same "the socket is for owner and group" 660 "$(stat -c %a "$LAB_SOCKET")"
same "the database is for the owner" 600 "$(stat -c %a "$LAB_STATE")"

echo "# the TCP door"
same "no token" 401 "$(status_of /v1/status)"
same "a wrong token" 401 "$(status_of /v1/status -H 'Authorization: Bearer x')"
token=$(postern token create robot --role reader --json | jq -r .secret)
same "a reader's token reads" 200 "$(status_of /v1/status -H "Authorization: Bearer $token")"
same "it does not write" 403 "$(status_of /v1/machines/vm1 -X DELETE -H "Authorization: Bearer $token")"
same "another Host" 403 "$(status_of /v1/status -H "Authorization: Bearer $token" -H 'Host: evil.example:7822')"
same "another Origin" 403 "$(status_of /v1/status -H "Authorization: Bearer $token" -H 'Origin: http://evil.example')"
head -c 1048577 /dev/zero >"$LAB_DIR/large"
same "a body above 1 MiB" 413 "$(status_of /v1/requests -H "Authorization: Bearer $token" --data-binary "@$LAB_DIR/large")"
for n in 1 2 3 4 5 6 7 8; do in_gateway timeout 2 bash -c 'head -c 4000 /dev/urandom >/dev/tcp/127.0.0.1/7822' 2>/dev/null; done
same "random bytes do not harm it" 200 "$(status_of /healthz)"
refuse "no secret is in the log" grep -q "$token" "$LAB_DIR/daemon/log"
refuse "nor in the database" grep -aq "$token" "$LAB_STATE" "$LAB_STATE-wal"

echo "# other local users"
refuse "a user that is neither root nor in the group cannot even connect" setpriv --reuid 64399 --regid 64399 --clear-groups \
	curl -s --unix-socket "$LAB_SOCKET" http://localhost/v1/status
expect "a member of the group is admin" setpriv --reuid 64399 --regid 64399 --groups $LAB_UID \
	curl -sf --unix-socket "$LAB_SOCKET" http://localhost/v1/tokens

echo "# stopped and killed"
daemon_kill -9
expect "a crash leaves the socket's file" test -S "$LAB_SOCKET"
daemon_start
expect "which is no hindrance" postern status
kill -TERM $DAEMON_PID
stopped=0
wait $DAEMON_PID || stopped=$?
same "asked to stop, it ends with 0" 0 $stopped
refuse "and takes its socket along" test -e "$LAB_SOCKET"
daemon_start

echo "# the gate goes and comes while it runs"
expect "detached" gate_loader detach
expect "it notices" wait_for 60 is_status 503 /readyz
gate_attach >/dev/null || failed "attach again"
expect "it fills the new maps" wait_for 60 is_status 200 /readyz
denied "ssh is refused again" in_client timeout 5 bash -c "exec 3<>/dev/tcp/$MACHINE/22"

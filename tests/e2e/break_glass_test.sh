# SPDX-License-Identifier: Apache-2.0
# Who may get in, with real sessions: a role of one's own, the least role for a machine, and break-glass from its arming to
# its review, also with the daemon killed in between.
. "$(dirname "$0")/story.sh"

lab_begin break-glass
lab_sshd
gate_attach >/dev/null || failed "attach"
daemon_config ', "roles": {"night shift": {"actions": ["*/read", "*/initiate/action"], "notActions": ["Postern/audit/read"]}}'
daemon_start
postern machine add vm1 --address $MACHINE >/dev/null || failed "machine add"
expect "SSH for a third party's address only" postern policy enable vm1 --port 22 --max 1h --source 203.0.113.1
as() { # TOKEN VERB…
	POSTERN_TOKEN=$1 postern "${@:2}"
}
alarms() { grep -c 'critical BREAK-GLASS' "$LAB_DIR/daemon/log"; }

echo "# roles"
expect "the role is listed" postern role list
says 'night shift +configuration'
expect "and shown" postern role show "Night Shift"
says 'but not +Postern/audit/read'
expect "the least role for the machine" postern role least-privilege vm1 --principal kim
same "is one that the configuration takes" requester "$(jq -r '.users.kim[0].role' <<<"$SAID")"
kim=$(postern role least-privilege vm1 --principal kim --token --for 1h 2>/dev/null)
exits 1 "its token asks, within the rule" as "$kim" request vm1 --port 22 --for 1h --from $CLIENT
exits 4 "and does not look" as "$kim" status

echo "# break-glass"
eve=$(postern token create eve --role "night shift" 2>/dev/null)
use() { as "$eve" break-glass use vm1 --port 22 --for 30m --from $CLIENT --because "locked out"; }
exits 4 "nobody is armed" use
exits 4 "nobody arms himself" postern break-glass arm root --for 1h --because "just in case"
expect "eve is" postern break-glass arm eve --for 12h --because "on call" --longest 2h
id=$(postern break-glass list --json | jq -r '.breakGlass[0].id')
denied "which opens nothing yet" lab_ssh true
same "nor alarms anybody" 0 "$(alarms)"
expect "she gets in, past the rule's source" use
session_open || failed "the session opens"
same "the log shouts" 1 "$(alarms)"
expect "the grant is marked" postern grants
says 'live \(break-glass\)'
expect "the status warns" postern status
says 'nobody has reviewed'
daemon_kill -9
daemon_start
expect "also after the daemon was killed" postern status
says 'nobody has reviewed'
request=$(postern break-glass list --json | jq -r '.breakGlass[0].uses[0].request')
exits 4 "eve does not review it" as "$eve" break-glass review "$request"
expect "an admin does" postern break-glass review "$request" --note "as it should be"
expect "it is listed" postern break-glass list
says 'as it should be'
expect "disarmed and cut" postern break-glass disarm "$id" --cut
refuse "the session is dead" session_moves cut
exec 8>&-
exits 4 "she does not get in again" use
denied "nothing opens" lab_ssh true
same "the audit has each step" "allowed: breakglass.arm breakglass.disarm breakglass.review breakglass.use refused: breakglass.arm breakglass.review breakglass.use breakglass.use" \
	"$(postern audit --limit 100 --json | jq -r '[.records[] | select(.operation | startswith("breakglass"))] | group_by(.outcome) | map(.[0].outcome + ": " + (map(.operation) | sort | join(" "))) | join(" ")')"

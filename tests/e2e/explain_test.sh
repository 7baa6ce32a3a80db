# SPDX-License-Identifier: Apache-2.0
# What explain says and what happens to the packet are the same, in every case a policy knows: closed, granted, another
# source, unguarded, established, monitored, standing, failsafe, at another time. Asking leaves no trace in the gate.
. "$(dirname "$0")/story.sh"

lab_begin explain
lab_sshd
counters() {
	postern status --json | jq -S '[.reasons, .tallies]'
	in_gateway curl -sf -m 20 --unix-socket "$LAB_SOCKET" http://posternd/v1/gate/services | jq -S .
}
flows() {
	local map
	for map in half_open_v4 half_open_v6 learning_v4 learning_v6 established_v4 established_v6 fragments; do
		bpftool -j map dump pinned "$LAB_RUN/lab/bpf/v2/$map" | jq length
	done
}
# explains SENTENCE PATTERN ARGUMENTS…: says so, without a trace. Neighbours may be discovered and lost packets sent again
# meanwhile: what asking leaves would be there every time.
explains() {
	local sentence=$1 pattern=$2 before after try
	shift 2
	expect "$sentence" postern explain "$@"
	says "$pattern"
	for try in 1 2 3 4 5; do
		before=$(counters; flows)
		postern explain "$@" >/dev/null
		after=$(counters; flows)
		[ "$before" = "$after" ] && return
	done
	failed "$sentence: asking left a trace: $(diff <(echo "$before") <(echo "$after"))"
}

guarded_machine
explains "closed" '^verdict   drop, no_grant' $CLIENT $MACHINE:22/tcp
says 'vm1 port 22/TCP'
says 'jitNetworkAccessPolicies/vm1 \(enforce\)'
says 'No grant for this source is known'
denied "and it is" lab_ssh true
explains "closed by IPv6, by the machine's name" '^verdict   drop, no_grant' $CLIENT_V6 vm1:22
denied "and it is" lab_ssh -6 true
explains "another port is not guarded" '^verdict   pass, unguarded' $CLIENT $MACHINE:23/tcp

expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
explains "granted" '^verdict   pass, grant' $CLIENT $MACHINE:22
says 'grant     1 of root'
session_open || failed "the session opens"
explains "not to another source" '^verdict   drop, no_grant' $CLIENT_TWO $MACHINE:22
says "Live grants open it to $CLIENT"
denied "and it is not" lab_ssh -b $CLIENT_TWO true
explains "nor after its end" '^verdict   drop, no_grant' $CLIENT $MACHINE:22 --at "$(date -u -d '+2 hours' +%FT%TZ)"
says 'Grant 1 of .root. covers this source until'
expect "a user without a right may ask: the daemon runs it" env POSTERN_SOCKET="$LAB_SOCKET" \
	setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups "$POSTERN_BUILD/tools/postern/postern" explain $CLIENT $MACHINE:22

port=$(in_client ss -Htn state established dst $MACHINE | awk '{ sub(/.*:/, "", $3); print $3; exit }')
expect "the grant is revoked" postern revoke 1
explains "a new connection no longer" '^verdict   drop, no_grant' $CLIENT $MACHINE:22
says 'The last grant for this source, 1 of .root., ended at'
denied "and it is" lab_ssh true
explains "the open one lives on" '^verdict   pass, flow' $CLIENT $MACHINE:22 --established --source-port "$port"
says 'grant     1 of root'
session_moves open || failed "the open session moves"
explains "not one from another port" '^verdict   drop, no_grant' $CLIENT $MACHINE:22 --established --source-port 9
expect "the grant that is over is cut" postern revoke 1 --cut
# The next sweep, within a second, takes what was cut out of the table: from then on no grant is what stops it.
explains "the open one was cut" '^verdict   drop, (flow_cut|no_grant)' $CLIENT $MACHINE:22 --established --source-port "$port"
refuse "and is" session_moves cut

expect "monitored" postern policy monitor vm1
explains "monitored: it would drop, and passes" '^verdict   pass, monitored' $CLIENT $MACHINE:22
says 'drop, no_grant'
says 'vm1 \(monitor\)'
before=$(count monitored)
expect "and it does" lab_ssh true
[ "$(count monitored)" -gt "$before" ] || failed "nothing was counted as monitored"
expect "enforced again" postern policy enforce vm1
denied "shut again" lab_ssh true

expect "a standing source" postern policy enable vm1 --port 22 --max 1h --standing $CLIENT_TWO
explains "standing" '^verdict   pass, standing_rule' $CLIENT_TWO $MACHINE:22
says "standing  rule [0-9]+ for $CLIENT_TWO"
expect "and it comes in" lab_ssh -b $CLIENT_TWO true
explains "nobody else" '^verdict   drop, no_grant' $CLIENT $MACHINE:22
denied "does not" lab_ssh true

daemon_kill -15
daemon_config ", \"failsafe_sources\": [\"$CLIENT\"]"
daemon_start
explains "a failsafe source" '^verdict   pass, failsafe' $CLIENT $MACHINE:22
expect "comes in" lab_ssh true
daemon_kill -15
daemon_config ", \"failsafe_services\": [\"$MACHINE:22/tcp\"]"
daemon_start
explains "a failsafe service, to anybody" '^verdict   pass, failsafe' 203.0.113.9 $MACHINE:22
expect "is reached" lab_ssh true
daemon_kill -15
daemon_config
daemon_start
explains "neither any more" '^verdict   drop, no_grant' $CLIENT $MACHINE:22
denied "shut" lab_ssh true
expect "the gate is gone" gate_loader detach
exits 5 "then it says so" postern explain $CLIENT $MACHINE:22
expect "and status shows no blanks" postern status
! says_blank=$(grep 'ABI )' <<<"$SAID") || failed "status shows: $says_blank"

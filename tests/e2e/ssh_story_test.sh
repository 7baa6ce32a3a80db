# SPDX-License-Identifier: Apache-2.0
# The main job with real ssh: shut → asked → in → the grant ends by itself → the open session lives, nothing new comes
# in → revoked. With "killed": the daemon dies by -9 while the grant runs, and the grant ends without it (I2, I4, I6).
# With "stopped": the same by SIGSTOP and SIGCONT.
. "$(dirname "$0")/story.sh"
killed=${1:-no}
away() { if [ $killed = stopped ]; then kill -STOP "$DAEMON_PID"; else daemon_kill -9; fi; }
back() { if [ $killed = stopped ]; then kill -CONT "$DAEMON_PID"; else daemon_start; fi; }

# What was decided, without how it was used meanwhile.
decided() { jq 'del(.grants[] | .admitted, .established, .lastAdmittedUtc)'; }

lab_begin "ssh-story-$killed"
lab_sshd
uptime_cs() { cut -d' ' -f1 /proc/uptime | tr -d .; }
begin=$(uptime_cs)
expect "without a gate ssh comes in" lab_ssh true
seconds=$((10 + ($(uptime_cs) - begin) / 10)) # for a grant within which some such steps are taken: longer on a slow host
guarded_machine
denied "guarded, a new connection is dropped" lab_ssh true
denied "and so is one from another address" lab_ssh -b $CLIENT_TWO true

expect "a request is granted" postern request vm1 --port 22 --for ${seconds}s --from $CLIENT
says "ssh $MACHINE"
end=$(($(uptime_cs) + seconds * 100))
expect "ssh comes in" lab_ssh true
denied "another address does not" lab_ssh -b $CLIENT_TWO true
session_open || failed "a session that stays open"

if [ "$killed" != no ]; then
	before=$(postern grants --json)
	away
	expect "without the daemon the grant admits" lab_ssh true
	expect "without the daemon the open session moves bytes" session_moves_much
	while [ "$(uptime_cs)" -le "$end" ]; do sleep 0.1; done
	refuse "without the daemon the grant ends on time" lab_ssh true
	expect "without the daemon the open session outlives it" session_moves_much
	back
	same "the ended grant is known after the restart" "$(jq -r '.grants[0].serial' <<<"$before")" \
		"$(postern grants --all --json | jq -r '.grants[0].serial')"
else
	wait_for $((seconds + 60)) no_live_grants || failed "the grant ends"
	same "it ended because its time was over" Expired "$(postern grants --all --json | jq -r '.grants[0].endReason')"
fi
denied "after its end a new connection is dropped" lab_ssh true
expect "the open session lives on and moves a megabyte" session_moves_much

expect "a longer grant" postern request vm1 --port 22 --for 1h --from $CLIENT
expect "ssh comes in" lab_ssh true
if [ "$killed" != no ]; then
	before=$(postern grants --json | decided)
	away
	back
	same "restarted, the grants are what they were" "$before" "$(postern grants --json | decided)"
	same "and so is the map" "$(listed_serials)" "$(map_serials)"
	expect "ssh comes in" lab_ssh true
fi
expect "revoked" postern revoke --machine vm1
denied "revoked, a new connection is dropped" lab_ssh true
expect "the open session lives on" session_moves_much
same "no entry is left in the map" "" "$(map_serials)"
expect "the audit is whole" postern audit verify
session_close

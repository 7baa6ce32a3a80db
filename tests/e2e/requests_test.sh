# SPDX-License-Identifier: Apache-2.0
# A request that somebody else must approve, an extension under a living session, and a booking: nothing is open before its
# time, and the daemon may be killed meanwhile.
. "$(dirname "$0")/story.sh"

lab_begin requests
lab_sshd
guarded_machine
refuse "approval wants a port named, or it would be guarded without" postern policy enable vm1 --approval approve
says "name it"
expect "the port wants approval, and a word why" postern policy enable vm1 --port 22 --max 1h --approval approve --justification required
as() { # name, words of postern
	local name=$1
	shift
	in_gateway env POSTERN_TOKEN="$(cat "$LAB_DIR/$name")" POSTERN_URL=http://127.0.0.1:7822 "$POSTERN_BUILD/tools/postern/postern" "$@"
}
for who in "rita requester" "paul approver" "RITA approver"; do
	set -- $who
	postern token create "$1" --role "$2" --json | jq -r .secret >"$LAB_DIR/$1" || failed "a token for $1"
done

refuse "asked for without a word why" as rita request vm1 --port 22 --for 1m --from $CLIENT
says "justification"
expect "asked for with one" as rita request vm1 --port 22 --for 1m --from $CLIENT --because "disk full"
says "Nothing is open yet"
same "nothing of it is in the map" "" "$(map_serials)"
denied "nor does ssh come in" lab_ssh true
refuse "not even with another token does she approve it herself" as RITA approve 1
says "his own"
daemon_kill -9
daemon_start
expect "the killed daemon knows what waits" as paul requests
says "disk full"
expect "somebody else approves it" as paul approve 1
session_open && echo "ok: now ssh comes in" || failed "now ssh comes in"
same "the map has what is listed" "$(listed_serials)" "$(map_serials)"
refuse "what wanted approval is not extended" as rita extend 1 --for 30m
says "request again"
expect "another is denied" as rita request vm1 --port 22 --for 2m --from $CLIENT --because "again"
expect "with a reason" as paul deny 2 --because "once is enough"
same "the first runs on" 1 "$(live_grants)"

expect "the port wants no approval any more" postern policy enable vm1 --port 22 --max 1h --approval auto --justification optional
expect "the grant is extended" as rita extend 1 --for 30m
same "under its number" 1 "$(map_serials)"
expect "and its session notices nothing" session_moves extended
expect "revoked" as rita revoke 1
booked_is() { [ "$(postern grants --json | jq -r '.grants[-1].state')" = "$1" ]; }
# What was seen while it was to come counts; on a machine too slow for that, a later start is booked.
for ahead in 5 20 60; do
	expect "booked for $ahead s ahead" as rita request vm1 --port 22 --for 5m --from $CLIENT --at "$(date -u -d "+$ahead seconds" +%FT%TZ)"
	says "opens at"
	maps=$(map_serials) came_in=no
	LAB_CONNECT_WITHIN=1 lab_ssh true 2>/dev/null && came_in=yes
	booked_is scheduled && break
done
same "until then it is in no map, and ssh does not come in" ", no" "$maps, $came_in"
wait_for 90 booked_is live || failed "the booking starts"
expect "then ssh comes in" lab_ssh true
same "the records tell it all" "access.initiate grant.extend grant.start request.approve request.deny" \
	"$(postern audit --limit 500 --json | jq -r '[.records[] | select(.outcome == "allowed") | .operation | select(test("initiate|extend|start|approve|deny"))] | unique | join(" ")')"
session_close

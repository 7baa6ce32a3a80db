# SPDX-License-Identifier: Apache-2.0
# kill -9 in the midst of many requests, again and again (I7, I9): what was answered is there, what is there is on
# record, and the kernel's map holds exactly what the store says. With the word "crowd", of many who ask at the same time, so that
# requests share a sync.
. "$(dirname "$0")/story.sh"
rounds=8

crowd=${1-}
lab_begin "crash${crowd:+-$crowd}"
guarded_machine
answered=$LAB_DIR/answered
: >"$answered"

# Asks without end, each time for another source, until the daemon is gone.
asking() {
	local n=0 answer
	while answer=$(postern request vm1 --port 22 --for 1h --from "10.$1.$((n / 250)).$((n % 250 + 1))" --json 2>/dev/null); do
		jq -r '.grants[].serial' <<<"$answer" >>"$answered"
		n=$((n + 1))
	done
}

asking_all() {
	askers=()
	if [ "$crowd" ]; then
		python3 "$(dirname "$0")/crowd.py" "$LAB_SOCKET" "$1" 32 >>"$answered" 7>&- &
		askers+=($!)
		return
	fi
	asking "$1" 7>&- &
	askers+=($!)
	asking "$(($1 + 100))" 7>&- &
	askers+=($!)
}

answers() { [ "$(wc -l <"$answered")" -gt "$1" ]; }
for round in $(seq $rounds); do
	before=$(wc -l <"$answered")
	asking_all "$round"
	wait_for 60 answers "$before" || failed "round $round: no request is answered: the test tests nothing"
	sleep "0.$((RANDOM % 600 + 100))"
	daemon_kill -9
	wait "${askers[@]}"
	daemon_start
	listed_serials >"$LAB_DIR/listed"
	same "round $round: every answered grant is there ($(wc -l <"$answered") of $(wc -l <"$LAB_DIR/listed") were answered)" "" \
		"$(comm -23 <(sort "$answered") <(sort "$LAB_DIR/listed"))"
	same "round $round: the map holds exactly the grants that are listed" "$(cat "$LAB_DIR/listed")" "$(map_serials)"
done
expect "the audit is whole" postern audit verify
postern audit --operation access.initiate --limit 1000 --json | jq -r '.records[] | select(.outcome == "allowed") | .grants[]' | sort -n >"$LAB_DIR/audited"
same "each grant has exactly one record" "$(tail -n 500 "$LAB_DIR/listed")" "$(tail -n 500 "$LAB_DIR/audited")"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An attach that is interrupted: SIGINT and SIGTERM at any moment leave it whole or undone; after SIGKILL at any moment
# (which nobody can undo) detach clears everything away, and attach finishes the work.
. "$(dirname "$0")/loader_net.sh"

# cut_short SIGNAL MILLISECONDS: an attach that gets the signal after that time.
cut_short() {
	{ timeout --signal="$1" "0.$(printf %03d "$2")" nsenter --net="/run/netns/$NS_GATE" "$BUILD/loader/postern-loader" attach \
		--run-dir "$RUN_DIR" --group 64321 --no-dispatcher --interface gate0 --interface gate1; } >/dev/null 2>&1
}

undone=0 whole=0
for ms in $(seq 1 12 133); do
	for signal in INT TERM; do
		cut_short $signal "$ms"
		if [ -e "$RUN_DIR" ]; then
			whole=$((whole + 1))
			expect "SIG$signal after $ms ms: whole" loader status >/dev/null
			loader detach >/dev/null || failed "detach"
		else
			undone=$((undone + 1))
		fi
		nothing_left "SIG$signal after $ms ms" >/dev/null
	done
done
echo "ok: of 24 attaches with SIGINT or SIGTERM $undone left nothing, $whole were whole"
[ $undone -gt 0 ] || failed "no signal came in time"

left=0
for ms in $(seq 1 12 133); do
	cut_short KILL "$ms"
	[ ! -e "$RUN_DIR" ] || left=$((left + 1))
	if [ $((ms % 24)) = 1 ]; then expect "attach after SIGKILL at $ms ms" attach --no-dispatcher --interface gate0 --interface gate1 >/dev/null &&
		expect "is whole" loader status >/dev/null; fi
	loader detach >/dev/null || failed "detach after SIGKILL at $ms ms"
	rmdir "$RUN_DIR" 2>/dev/null # made by the one that was killed, so nobody knows whose it is
	nothing_left "SIGKILL after $ms ms" >/dev/null
done
echo "ok: 12 attaches with SIGKILL, of which $left had begun, were finished or cleared away"

# killed_at CALL N [options]: an attach that is killed as it makes its N-th such call; fails if it does not make so many.
killed_at() {
	{ ! strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" nsenter \
		--net="/run/netns/$NS_GATE" "$BUILD/loader/postern-loader" attach --run-dir "$RUN_DIR" --group 64321 \
		--no-dispatcher --interface gate0 "${@:3}"; } >/dev/null 2>&1
}
# Messages to the kernel make qdisc and filter, renames put records and pins in their place.
steps=0 qdisc=0
for call in sendto rename; do
	at=1
	while killed_at $call $at; do
		[ "$(clsact_on gate0)" = 0 ] || qdisc=1
		loader detach >/dev/null || failed "detach after SIGKILL at $call $at"
		rmdir "$RUN_DIR" 2>/dev/null
		nothing_left "SIGKILL at $call $at" >/dev/null
		at=$((at + 1)) steps=$((steps + 1))
	done
	expect "the attach that was not killed is whole" loader status >/dev/null
	loader detach >/dev/null || failed "detach after the whole attach"
done
[ $steps -gt 6 ] && [ $qdisc = 1 ] || failed "an attach was killed at $steps steps only"
echo "ok: attaches killed at each of $steps steps were cleared away"

# ---- killed when its maps guard and nothing stands yet: who opens a session then keeps it when the gate comes at last ----
A=198.51.100.1
new_one() { in_client timeout 1 bash -c "exec 3<>/dev/tcp/$A/$1" 2>/dev/null; }
killed_when_configured() { # options
	local at=1
	while killed_at rename $at "$@"; do
		[ "$(bpftool -j map dump pinned "$BPFFS"/v*/config | jq '.[0].formatted.value.abi')" = 0 ] || break
		at=$((at + 1))
	done
	[ ! -e "$RUN_DIR/gate/attach-gate0.json" ] && [ "$(by_hand flows "$BPFFS")" = 0 ] || failed "it was not killed in time"
}
serve $A 2201
by_hand snapshot "$WORK/snapshot" $A 2201 || failed "a snapshot"
session_open early $A 2201 || failed "a session"
killed_when_configured --snapshot "$WORK/snapshot"
session_open late $A 2201 || failed "another after it"
expect "attach after one that was killed with maps filled from the snapshot" attach --no-dispatcher --snapshot "$WORK/snapshot" -i gate0
says '2 open session\(s\) go on'
expect "who was there before lives on" session_lives early attached
expect "so does who came in between" session_lives late attached
exits 124 "nobody else comes in" new_one 2201
by_hand guard "$BPFFS" $A 2201
by_hand grant "$BPFFS" 198.51.100.10 600
session_open granted $A 2201 || failed "a session by a grant"
expect "from then on it has judged: detach" loader detach --keep-maps
flows=$(by_hand flows "$BPFFS")
session_open unjudged $A 2201 || failed "a session while nothing is judged"
by_hand revoke "$BPFFS" 198.51.100.10
expect "attach with the maps that were kept" attach --no-dispatcher --snapshot "$WORK/snapshot" -i gate0
same "takes over nothing more: who knows whom the gate had cut" "$flows" "$(by_hand flows "$BPFFS")"
expect "so it ends what was opened meanwhile" session_is_dead unjudged attached
expect "and nothing that it knew" session_lives granted attached
loader detach >/dev/null || failed "detach"

serve $A 2202
killed_when_configured --no-snapshot
by_hand guard "$BPFFS" $A 2202
session_open before $A 2202 || failed "a session"
expect "attach after one that was killed, guarded since by the daemon" attach --no-dispatcher --no-snapshot -i gate0
says '1 open session\(s\) go on'
expect "the session lives on" session_lives before attached
exits 124 "nobody else comes in" new_one 2202
loader detach >/dev/null || failed "detach"
echo "all good"

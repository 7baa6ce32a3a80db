# SPDX-License-Identifier: Apache-2.0
# What happens to the gate under a running daemon: taken off and put back, its interface gone, its bpffs unmounted,
# nobody confirmed, a second daemon. /readyz tells, with the reason; and the daemon comes back by itself.
. "$(dirname "$0")/story.sh"

lab_begin readiness
readyz() { in_gateway curl -s -m 20 http://127.0.0.1:7822/readyz; }
ready() { readyz | jq -e .ready >/dev/null; }
says_now() { SAID=$(readyz) && grep -Eq -- "$1" <<<"$SAID"; }
settles() { # SENTENCE PATTERN: it comes to say why it is not ready
	wait_for 60 says_now "$2" && echo "ok: $1" || failed "$1: readyz says $SAID"
	ready && failed "$1: but it is ready"
	return 0
}
comes_back() {
	wait_for 60 ready || failed "$1: ready again: $(readyz)"
	same "$1: ready, and the grant is in the maps" "$(listed_serials)" "$(map_serials)"
}
timer() { pgrep -f "expire --run-dir $LAB_RUN "; } # the process that undoes an attach which nobody confirms
guarded_machine
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
comes_back "at first"

expect "detached" gate_loader detach
settles "without a gate it is not ready" 'postern-loader attach'
gate_attach >/dev/null || failed "attach again"
comes_back "attached again"

umount -l "$LAB_RUN/lab/bpf"
settles "without the bpffs it is not ready" 'no gate is loaded'
gate_attach >/dev/null || failed "attach again"
comes_back "attached again after the bpffs went"

expect "to be confirmed" gate_attach --confirm-within 10s
ready || failed "ready while it waits to be confirmed"
wait_for 60 timer >/dev/null || failed "nobody waits for the confirmation"
kill -KILL $(timer)
settles "nobody confirmed" 'nobody confirmed'
expect "confirmed" gate_loader confirm
comes_back "confirmed late"

mkdir "$LAB_DIR/second" && chown $LAB_UID "$LAB_DIR/second"
"${DAEMON[@]}" --state "$LAB_DIR/second/db" --socket "$LAB_DIR/second/sock" --listen '' >"$LAB_DIR/second/log" 2>&1 7>&- &
second=$!
expect "a second daemon with a store of its own stays away" wait_for 60 grep -q 'another posternd rules the gate' "$LAB_DIR/second/log"
expect "and waits" kill $second
wait $second
comes_back "with a second daemon"

ip -n "$NS_GATEWAY" link set outside down && ip -n "$NS_GATEWAY" link set outside name wan0 && ip -n "$NS_GATEWAY" link set wan0 up
comes_back "renamed and down and up"
ip -n "$NS_GATEWAY" link delete wan0
settles "its interface is gone" 'interface outside is gone'
ip -n "$NS_GATEWAY" link add outside type veth peer name eth0 netns "$NS_CLIENT"
settles "made anew, it is not guarded" 'attach --interface outside'
gate_attach >/dev/null || failed "attach to the new one"
comes_back "attached to the new one"

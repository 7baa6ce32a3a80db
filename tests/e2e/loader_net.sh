# SPDX-License-Identifier: Apache-2.0
# For the loader's own tests, to be sourced: two namespaces joined by a veth pair, and sentences that must be true.
#
#     gate (gate0 198.51.100.1, gate1 203.0.113.1) ── client (peer0 198.51.100.10, peer1 203.0.113.10)
#
# Everything is named after the test and cleared away before and after. $1: the build folder.
set -u
BUILD=${1:?build folder}
[ "$(id -u)" = 0 ] || { echo "skipped: needs root for network namespaces and BPF"; exit 77; }
NAME=$(basename "$0" .sh)
NS_GATE=postern-$NAME-g NS_CLIENT=postern-$NAME-c
RUN_DIR=${POSTERN_TEST_BASE:-/tmp}/postern-$NAME-run BPFFS=$RUN_DIR/gate/bpf
WORK=${POSTERN_TEST_BASE:-/tmp}/postern-$NAME-work # what the test itself keeps
SAID=

in_gate() { nsenter --net="/run/netns/$NS_GATE" "$@"; }
in_client() { nsenter --net="/run/netns/$NS_CLIENT" "$@"; }
loader() { local verb=$1; shift; in_gate "$BUILD/loader/postern-loader" "$verb" --run-dir "$RUN_DIR" "$@"; }
attach() { loader attach --group 64321 "$@"; }
by_hand() { in_gate "$BUILD/tests/e2e/gate_by_hand" "$@"; }

clear_away() {
	local ns pid
	if [ -e "/run/netns/$NS_GATE" ]; then loader detach >/dev/null 2>&1; fi
	for ns in "$NS_GATE" "$NS_CLIENT"; do
		[ -e "/run/netns/$ns" ] || continue
		for pid in $(ip netns pids "$ns"); do kill "$pid" 2>/dev/null; done
		ip netns delete "$ns"
	done
	while grep -q " $BPFFS " /proc/mounts; do umount -l "$BPFFS" || break; done
	rm -rf "$RUN_DIR" "$WORK"
}
unset SSH_CONNECTION
# The same test from another folder uses the same names.
mkdir -p /run/lock && exec 7>"/run/lock/postern-$NAME"
flock -n 7 || { echo "another $NAME is running, waiting for its end (at most five minutes)" >&2 && flock -w 300 7; } || true
trap 'status=$?; trap - EXIT; clear_away; exit $status' EXIT
trap 'exit 130' INT TERM
clear_away
mkdir -m 700 "$WORK" || exit 1

ip netns add "$NS_GATE" && ip netns add "$NS_CLIENT" || { echo "cannot make network namespaces"; exit 1; }
for i in 0 1; do
	ip -n "$NS_GATE" link add "gate$i" type veth peer name "peer$i" netns "$NS_CLIENT"
	net=$([ $i = 0 ] && echo 198.51.100 || echo 203.0.113)
	ip -n "$NS_GATE" address add $net.1/24 dev "gate$i" && ip -n "$NS_GATE" link set "gate$i" up
	ip -n "$NS_CLIENT" address add $net.10/24 dev "peer$i" && ip -n "$NS_CLIENT" link set "peer$i" up
done
for ns in "$NS_GATE" "$NS_CLIENT"; do ip -n "$ns" link set lo up; done

failed() {
	echo "not ok: $*" >&2
	[ -z "$SAID" ] || echo "--- it said: $SAID" >&2
	exit 1
}
# exits CODE SENTENCE COMMAND…: the command ends with this code; $SAID is what it said.
exits() {
	local code=$1 sentence=$2 status=0
	shift 2
	SAID=$("$@" 2>&1) || status=$?
	[ "$status" = "$code" ] && echo "ok: $sentence" || failed "$sentence: exit code $status instead of $code"
}
expect() { exits 0 "$@"; }
says() { grep -Eqi -- "$1" <<<"$SAID" || failed "it should say \"$1\""; }
same() { [ "$2" = "$3" ] && echo "ok: $1" || failed "$1: expected \"$2\", got \"$3\""; }
wait_for() { # SECONDS COMMAND…, by the machine's uptime, for the wall clock may be set meanwhile
	local up rest deadline=$1
	shift
	read -r up rest </proc/uptime
	deadline=$((deadline * 100 + ${up/./}))
	until "$@"; do
		read -r up rest </proc/uptime
		[ "${up/./}" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}
# TCP sessions from the client to a server in the gate that sends each line back.
declare -A SESSIONS
serve() { # ADDRESS PORT
	nsenter --net="/run/netns/$NS_GATE" python3 -c '
import socketserver, sys
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile: self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = daemon_threads = True
Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()' "$@" 2>/dev/null 7>&- &
	wait_for 60 in_client bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$@" 2>/dev/null || failed "the server of $1 port $2 did not start"
}
session_open() { # NAME ADDRESS PORT
	mkfifo "$WORK/$1.in"
	nsenter --net="/run/netns/$NS_CLIENT" bash -c 'exec 3<>"/dev/tcp/$0/$1" && { cat <&3 & cat >&3; }' "$2" "$3" \
		<"$WORK/$1.in" >"$WORK/$1.out" 2>/dev/null 7>&- &
	exec {SESSIONS[$1]}>"$WORK/$1.in"
	session_lives "$1" first
}
session_lives() { echo "$2" >&"${SESSIONS[$1]}" && wait_for 60 grep -qx "$2" "$WORK/$1.out"; } # NAME WORD: it goes there and back
session_is_dead() { echo "$2" >&"${SESSIONS[$1]}" && ! wait_for 2 grep -qx "$2" "$WORK/$1.out"; }
xdp_on() { ip -n "$NS_GATE" -d link show "$1" | grep -c 'prog/xdp'; }
standing_on() { # the ids the kernel gives the programs, whatever the records say
	ip -n "$NS_GATE" -d link show "$1" | grep -o 'prog/xdp id [0-9]*'
	in_gate tc filter show dev "$1" egress | grep -o ' id [0-9]* name [^ ]*'
}
clsact_on() { in_gate tc qdisc show dev "$1" | grep -c clsact; }
# Nothing of the gate is left: no folder, no mount, no program, no qdisc.
nothing_left() {
	[ ! -e "$RUN_DIR" ] || failed "$1: $RUN_DIR is left: $(find "$RUN_DIR")"
	grep -q " $RUN_DIR" /proc/mounts && failed "$1: a bpffs is left"
	for interface in gate0 gate1; do
		[ "$(xdp_on $interface)" = 0 ] || failed "$1: an XDP program is left on $interface"
		[ "$(clsact_on $interface)" = 0 ] || failed "$1: a clsact qdisc is left on $interface"
	done
	echo "ok: $1: nothing is left behind"
}

# SPDX-License-Identifier: Apache-2.0
# What e2e tests say, on top of lab.sh: sentences that must be true. The first that is not ends the test and shows what
# the daemon and sshd logged. To be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"
set -u
[ "$(id -u)" = 0 ] || { echo "skipped: needs root for network namespaces and BPF" && exit 77; }

failed() {
	echo "not ok: $*"
	for log in "$LAB_DIR/daemon/log" "$LAB_DIR/sshd/log"; do
		[ -s "$log" ] && echo "--- ${log#"$LAB_DIR"/}:" && tail -n 30 "$log"
	done
	exit 1
}

# expect SENTENCE COMMAND…: succeeds.   refuse SENTENCE COMMAND…: fails.   Both keep what it said in $SAID. No answer is waited
# for where none is expected: a few seconds, and what else shows that it was dropped is the caller's to look at.
expect() {
	local sentence=$1
	shift
	SAID=$("$@" 2>&1) && echo "ok: $sentence" && return
	echo "$SAID"
	failed "$sentence"
}
refuse() {
	local sentence=$1 LAB_CONNECT_WITHIN=2 LAB_MOVE_WITHIN=20
	shift
	if SAID=$("$@" 2>&1); then
		echo "$SAID"
		failed "$sentence"
	fi
	echo "ok: $sentence"
	[ -z "$SAID" ] || sed 's/^/    | /' <<<"$SAID"
}

# says PATTERN: the last expect or refuse said it.
says() { grep -Eqi -- "$1" <<<"$SAID" || failed "it should say \"$1\", but said: $SAID"; }

# exits CODE SENTENCE COMMAND…
exits() {
	local code=$1 sentence=$2 status=0
	shift 2
	SAID=$("$@" 2>&1) || status=$?
	[ "$status" = "$code" ] || failed "$sentence: exit code $status instead of $code: $SAID"
	echo "ok: $sentence"
	[ -z "$SAID" ] || sed 's/^/    | /' <<<"$SAID"
}

# same SENTENCE EXPECTED ACTUAL
same() { [ "$2" = "$3" ] && echo "ok: $1" || failed "$1: expected \"$2\", got \"$3\""; }

# denied SENTENCE COMMAND…: the command fails and the gate counts a packet as no_grant.
denied() {
	local before
	before=$(count no_grant)
	refuse "$@"
	[ "$(count no_grant)" -gt "$before" ] || failed "$1: the gate counted nothing as no_grant"
}

# The usual start: gate up, daemon up, vm1 with SSH guarded for at most an hour.
guarded_machine() { # options of the loader
	gate_attach "$@" >/dev/null || failed "attach"
	daemon_start
	postern machine add vm1 --address $MACHINE --address $MACHINE_V6 >/dev/null || failed "machine add"
	postern policy enable vm1 --port 22 --max 1h >/dev/null || failed "policy enable"
}

live_grants() { postern grants --json | jq '.grants | length'; }
no_live_grants() { [ "$(live_grants)" = 0 ]; }

# Serials of the entries in the kernel's grant map for IPv4, sorted.
map_serials() { bpftool -j map dump pinned "$LAB_RUN"/lab/bpf/v[0-9]*/grants_v4 | jq -r '.[].formatted.value.serial' | sort -n; }
# Serials of live grants as the daemon lists them, sorted.
listed_serials() { postern grants --json | jq -r '.grants[].serial' | sort -n; }

# opens_around COMMAND SSH-OPTION…: sessions open one after the other, and COMMAND is run in the midst of it. Those that were
# open when it ended are alive; at least one was.
opens_around() {
	local switch=$1 n up=0 out=0 fd command to PIDS=() FDS=()
	shift
	to=("$@")
	opener() { # N: a session that says when it is up, waits for a word and answers
		mkfifo "$LAB_DIR/moment/in.$1"
		LAB_CONNECT_WITHIN=15 lab_ssh "${to[@]}" -v "echo up; read word; echo still-\$word" <"$LAB_DIR/moment/in.$1" \
			>"$LAB_DIR/moment/out.$1" 2>"$LAB_DIR/moment/err.$1" 7>&- &
		PIDS+=($!)
		exec {fd}>"$LAB_DIR/moment/in.$1"
		FDS+=("$fd")
	}
	settled() { # N: up, or gone
		grep -q up "$LAB_DIR/moment/out.$1" || ! kill -0 "${PIDS[$1]}" 2>/dev/null
	}
	mkdir "$LAB_DIR/moment"
	for n in {0..15}; do
		opener "$n"
		[ "$n" != 7 ] || wait_for 60 grep -qs 'Connection established' "$LAB_DIR"/moment/err.* || failed "no session opens before the switch"
		[ "$n" = 7 ] && { "$switch" >"$LAB_DIR/moment/switch" 2>&1 & command=$!; }
	done
	wait "$command" || failed "$switch in the middle of it: $(cat "$LAB_DIR/moment/switch")"
	for n in {0..15}; do wait_for 60 settled "$n" || failed "session $n neither opens nor fails"; done
	for n in {0..15}; do
		if grep -q 'Connection established' "$LAB_DIR/moment/err.$n"; then
			echo "$n" >&"${FDS[$n]}"
			wait_for 60 grep -qx "still-$n" "$LAB_DIR/moment/out.$n" || failed "session $n opened at the switch and died: $(cat "$LAB_DIR/moment/err.$n")"
			up=$((up + 1))
		else
			out=$((out + 1))
		fi
	done
	for fd in "${FDS[@]}"; do exec {fd}>&-; done
	echo "   $up sessions opened around the switch and live, $out came too late"
	[ "$up" -ge 1 ] || failed "no session was opened before the switch"
}

# SPDX-License-Identifier: Apache-2.0
# tools/quickstart --interface: the gate on a real interface of this host, instance "gate". Sourced by quickstart, which
# has checked the words. Whatever fails before the end takes the gate down again.

guard_interface() {
	local loader=$POSTERN_BUILD/loader/postern-loader cli=$POSTERN_BUILD/tools/postern/postern
	local home=/var/lib/postern/quickstart socket=/run/postern/gate/api.sock machine port words=()
	[ ! -e /run/postern/gate/bpf ] || { echo "quickstart: a gate is here already (postern-loader status); detach it first" >&2; exit 1; }

	story "The gate goes up on $interface; unless you confirm it within $confirm_within, it undoes itself"
	interface_stop_daemon # of an attach that nobody confirmed
	mkdir -p "$home/state"
	chown -R $LAB_UID:$LAB_UID "$home/state"
	trap 'interface_status=$?; trap - EXIT; [ $interface_status = 0 ] || interface_undo; exit $interface_status' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	run "" "$loader" attach --interface "$interface" --group $LAB_UID --confirm-within "$confirm_within"
	right "attached"
	cat >"$home/posternd.json" <<-EOF
		{ "instance": "gate", "state": "$home/state/postern.db", "socket": "$socket" }
	EOF
	: >"$home/log" # here, not by the child: an earlier daemon's "ready" must not be read as this one's
	# Away from this terminal: the way in must not depend on the session that set it up.
	setsid setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups --no-new-privs --inh-caps=-all \
		"$POSTERN_BUILD/controlplane/daemon/posternd" --config "$home/posternd.json" </dev/null >"$home/log" 2>&1 &
	echo $! >"$home/pid"
	wait_for 60 interface_daemon_settled "$home" || true
	grep -q '^posternd: ready' "$home/log" || { cat "$home/log" >&2; wrong "posternd did not start"; }
	right "posternd runs (process $(cat "$home/pid"), log $home/log)"

	story "The machines, and a policy for each"
	for port in "${ports[@]}"; do words+=(--port "$port"); done
	for machine in "${machines[@]}"; do
		run "" "$cli" machine add "${machine%%=*}" --address "${machine#*=}"
		run "" "$cli" policy enable "${machine%%=*}" "${words[@]}"
	done
	run "" "$cli" machine list # those of an earlier time too: they are guarded as well
	interface_farewell "$loader" "$cli" "$home" "${machines[0]%%=*}"
}

interface_daemon_settled() { grep -q '^posternd: ready' "$1/log" || ! kill -0 "$(cat "$1/pid")" 2>/dev/null; }

# Ours, and no other process that has its number by now.
interface_stop_daemon() {
	local home=/var/lib/postern/quickstart pid
	pid=$(cat "$home/pid" 2>/dev/null) || return 0
	if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--config $home/posternd.json"; then
		kill "$pid" || true
		wait_for 10 interface_gone "$pid" || { echo "quickstart: posternd (process $pid) does not end" >&2; return 1; }
	fi
	rm -f "$home/pid"
}

interface_gone() { [ ! -e "/proc/$1" ]; }

interface_undo() {
	"$POSTERN_BUILD/loader/postern-loader" detach || true
	interface_stop_daemon
	echo "quickstart: undone, the interface is as it was" >&2
}

interface_farewell() { # loader, cli, home, first machine
	cat <<-EOF

		${bold}Before you confirm${plain}: these ports are shut now. Your own open session is let through only until then, so first
		ask for a grant that covers it, and see in a second terminal that a new connection works:

		    $2 request $4 --port ${ports[0]%%/*} --for 1h --from YOUR-ADDRESS

		Then, within $confirm_within from the attach:

		    $1 confirm

		If you do nothing, everything opens again by itself. To take it down yourself:

		    $1 detach && kill \$(cat $3/pid)
	EOF
}

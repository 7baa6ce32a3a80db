# SPDX-License-Identifier: Apache-2.0
# The lab, to be sourced by bash scripts (tools/quickstart and the e2e tests): three network namespaces
#
#     client (198.51.100.10, 2001:db8:1::10) ── gateway, forwards ── machine (192.0.2.10, 2001:db8:2::10, real sshd)
#
# with loader and daemon in the gateway. Everything is named after the lab, so that labs live side by side and an
# interrupted one is cleared away by the next of its name, and two of one name wait for each other. Needs root. Nothing leaves the namespaces, and only
# processes inside of them are ever ended.

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
POSTERN_BUILD=${POSTERN_BUILD:-$LAB_SOURCE/build/ci}
LAB_UID=64321 # the daemon's user and group: a number nobody has, so that no account is needed

CLIENT=198.51.100.10 CLIENT_TWO=198.51.100.11 CLIENT_V6=2001:db8:1::10
MACHINE=192.0.2.10 MACHINE_V6=2001:db8:2::10

lab_fail() {
	echo "lab: $*" >&2
	exit 1
}

# lab_begin NAME: clears what an interrupted run left, builds the namespaces, cleans up at exit, also on Ctrl-C.
lab_begin() {
	LAB=$1
	local hash
	hash=$(printf %s "$LAB" | cksum | cut -d' ' -f1)
	LAB_NAMES=postern-$hash
	NS_CLIENT=$LAB_NAMES-client NS_GATEWAY=$LAB_NAMES-gateway NS_MACHINE=$LAB_NAMES-machine
	LAB_DIR=/tmp/postern-lab-$LAB
	# As its own user without any capability, in the gateway; out of reach of the terminal's Ctrl-C, which is for the script.
	DAEMON=(nsenter --net="/run/netns/$NS_GATEWAY" setsid setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups --no-new-privs
		--inh-caps=-all "$POSTERN_BUILD/controlplane/daemon/posternd" --config "$LAB_DIR/posternd.json")
	LAB_RUN=$LAB_DIR/run LAB_SOCKET=$LAB_RUN/lab/api.sock LAB_STATE=$LAB_DIR/state/postern.db
	[ "$(id -u)" = 0 ] || lab_fail "needs root (network namespaces, BPF)"
	# Held on fd 7 until this shell ends; what runs in the background must not inherit it. The time limit is for
	# leftovers that do.
	mkdir -p /run/lock && exec 7>"/run/lock/postern-lab-$LAB"
	flock -n 7 || { echo "lab: another $LAB is up, waiting for its end (at most five minutes)" >&2 && flock -w 300 7; } || true
	lab_end
	trap 'lab_status=$?; trap - EXIT; set +e; lab_end; exit $lab_status' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# Not -p for the first: what somebody else has just put there in /tmp is not to be walked into as root.
	mkdir -m 755 "$LAB_DIR" && mkdir "$LAB_DIR/state" "$LAB_DIR/daemon" || lab_fail "cannot make $LAB_DIR"
	chown "$LAB_UID:$LAB_UID" "$LAB_DIR/state" "$LAB_DIR/daemon"
	lab_network
}

# lab_end: ends our processes, takes everything down. Safe to call when there is nothing.
lab_end() {
	local ns pid mount
	exec 8>&- # a session's pipe, if one was opened
	for pid in $(lab_pids); do kill -TERM "$pid" 2>/dev/null || true; done
	wait_for 1 lab_is_empty || for pid in $(lab_pids); do kill -KILL "$pid" 2>/dev/null || true; done
	wait_for 10 lab_is_empty || true
	if [ -d "$LAB_RUN" ] && [ -x "$POSTERN_BUILD/loader/postern-loader" ] && [ -e "/run/netns/$NS_GATEWAY" ]; then
		in_gateway "$POSTERN_BUILD/loader/postern-loader" detach --instance lab --run-dir "$LAB_RUN" >/dev/null 2>&1 || true
	fi
	for ns in $(lab_namespaces); do ip netns delete "$ns" || true; done
	for mount in $(awk -v dir="$LAB_DIR/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r); do umount -l "$mount" || true; done
	rm -rf "$LAB_DIR"
	return 0
}

# A test may make more of them: "$LAB_NAMES-whatever".
lab_namespaces() { ls /run/netns 2>/dev/null | grep "^$LAB_NAMES-"; }

lab_pids() {
	local ns
	for ns in $(lab_namespaces); do ip netns pids "$ns" 2>/dev/null; done
}

lab_is_empty() { [ -z "$(lab_pids)" ]; }

# In the background call nsenter itself: of a function, $! is only the shell around it.
in_client() { nsenter --net="/run/netns/$NS_CLIENT" "$@"; }
in_gateway() { nsenter --net="/run/netns/$NS_GATEWAY" "$@"; }
in_machine() { nsenter --net="/run/netns/$NS_MACHINE" "$@"; }

lab_network() {
	local ns
	for ns in "$NS_CLIENT" "$NS_GATEWAY" "$NS_MACHINE"; do
		ip netns add "$ns" || lab_fail "cannot make the network namespace $ns"
		ip -n "$ns" link set lo up
		# Addresses are usable at once, instead of after a second of duplicate detection.
		nsenter --net="/run/netns/$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	done
	ip -n "$NS_GATEWAY" link add outside type veth peer name eth0 netns "$NS_CLIENT"
	ip -n "$NS_GATEWAY" link add inside type veth peer name eth0 netns "$NS_MACHINE"
	lab_addresses "$NS_CLIENT" eth0 $CLIENT/24 $CLIENT_TWO/24 $CLIENT_V6/64
	lab_addresses "$NS_GATEWAY" outside 198.51.100.1/24 2001:db8:1::1/64
	lab_addresses "$NS_GATEWAY" inside 192.0.2.1/24 2001:db8:2::1/64
	lab_addresses "$NS_MACHINE" eth0 $MACHINE/24 $MACHINE_V6/64
	for ns in "$NS_CLIENT:198.51.100.1:2001:db8:1::1" "$NS_MACHINE:192.0.2.1:2001:db8:2::1"; do
		ip -n "${ns%%:*}" route add default via "$(cut -d: -f2 <<<"$ns")"
		ip -n "${ns%%:*}" route add default via "$(cut -d: -f3- <<<"$ns")"
	done
	in_gateway sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	wait_for 60 in_client ping -c1 -W1 -q $MACHINE >/dev/null && wait_for 60 in_client ping -c1 -W1 -q $MACHINE_V6 >/dev/null ||
		lab_fail "the client does not reach the machine"
}

lab_addresses() { # namespace, interface, addresses
	local ns=$1 interface=$2 address
	shift 2
	for address; do ip -n "$ns" address add "$address" dev "$interface"; done
	ip -n "$ns" link set "$interface" up
}

# wait_for SECONDS COMMAND…: until it succeeds; 1 if it did not in that time. By the machine's uptime, for the wall clock may be
# set meanwhile; and what must come true at all gets more time than the slowest host needs.
wait_for() {
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

# ---- the machine's sshd, and the client's ssh ----------------------------------------------------------------------

lab_sshd() { # words in front of sshd, if it is to run elsewhere
	local dir=$LAB_DIR/sshd
	[ $# -gt 0 ] || set -- nsenter --net="/run/netns/$NS_MACHINE"
	mkdir -p "$dir" /run/sshd
	ssh-keygen -q -t ed25519 -N '' -C "$LAB" -f "$dir/host_key"
	ssh-keygen -q -t ed25519 -N '' -C "$LAB" -f "$dir/user_key"
	cp "$dir/user_key.pub" "$dir/authorized_keys"
	cat >"$dir/config" <<-EOF
		Port 22
		HostKey $dir/host_key
		AuthorizedKeysFile $dir/authorized_keys
		PidFile none
		UsePAM no
		StrictModes no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		UseDNS no
		PrintMotd no
		PrintLastLog no
		MaxStartups 100
	EOF
	"$@" setsid /usr/sbin/sshd -D -e -f "$dir/config" 2>"$dir/log" 7>&- &
	SSHD_PID=$!
	wait_for 60 grep -q 'Server listening on ::' "$dir/log" || lab_fail "sshd did not start: $(cat "$dir/log")"
}

# lab_ssh [-6] [-h HOST] [-p PORT] [-b SOURCE] [-n NAMESPACE] COMMAND…: one new connection as root; fails without
# an answer within LAB_CONNECT_WITHIN seconds (60; who expects none sets less).
lab_ssh() {
	local host=$MACHINE bind=() from=$NS_CLIENT
	while :; do
		case $1 in
		-6) host=$MACHINE_V6 && shift ;;
		-h) host=$2 && shift 2 ;;
		-b | -p) bind+=("$1" "$2") && shift 2 ;;
		-n) from=$2 && shift 2 ;;
		*) break ;;
		esac
	done
	nsenter --net="/run/netns/$from" ssh -F none -i "$LAB_DIR/sshd/user_key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout="${LAB_CONNECT_WITHIN:-60}" \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "${bind[@]}" "root@$host" "$@"
}

# A session that stays open (`cat` on the machine): fd 8 writes to it, what comes back lands in a file.
session_open() { # options of lab_ssh
	SESSION_OUT=$LAB_DIR/session.out
	rm -f "$LAB_DIR/session.in" "$SESSION_OUT"
	mkfifo "$LAB_DIR/session.in"
	lab_ssh "$@" cat <"$LAB_DIR/session.in" >>"$SESSION_OUT" 2>"$LAB_DIR/session.err" 7>&- &
	SESSION_PID=$!
	exec 8>"$LAB_DIR/session.in"
	session_moves first
}

# session_moves WORD: bytes go there and back through the open session, within LAB_MOVE_WITHIN seconds (60).
session_moves() {
	local line
	line="$1-$RANDOM$RANDOM"
	echo "$line" >&8 && wait_for "${LAB_MOVE_WITHIN:-60}" grep -qx "$line" "$SESSION_OUT"
}

# As before, with a megabyte of random bytes, compared whole.
session_moves_much() {
	local sum
	head -c 750000 /dev/urandom | base64 -w0 >"$LAB_DIR/much"
	echo >>"$LAB_DIR/much"
	: >"$SESSION_OUT"
	cat "$LAB_DIR/much" >&8
	sum=$(cksum <"$LAB_DIR/much")
	wait_for 60 sh -c "[ \"\$(cksum <'$SESSION_OUT')\" = '$sum' ]"
}

session_close() {
	exec 8>&-
	wait "$SESSION_PID"
}

# ---- the gate ------------------------------------------------------------------------------------------------------

# gate_attach [options of the loader]
gate_attach() {
	in_gateway "$POSTERN_BUILD/loader/postern-loader" attach --interface outside --instance lab --run-dir "$LAB_RUN" \
		--group $LAB_UID "$@"
}

gate_loader() { # verb, options
	local verb=$1
	shift
	in_gateway "$POSTERN_BUILD/loader/postern-loader" "$verb" --instance lab --run-dir "$LAB_RUN" "$@"
}

daemon_config() { # further members, as JSON text beginning with a comma
	cat >"$LAB_DIR/posternd.json" <<-EOF
		{ "instance": "lab", "run_dir": "$LAB_RUN", "state": "$LAB_STATE", "socket": "$LAB_SOCKET",
		  "listen": "127.0.0.1:7822", "log_level": "info"${1-} }
	EOF
}

# lab_certificate NAMES [same-authority]: a certificate for "IP:…,DNS:…" and its key in $LAB_DIR/tls, for the daemon to read, by a
# CA of the lab's own (ca.pem). Put in place by rename, the certificate first.
lab_certificate() {
	local dir=$LAB_DIR/tls key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc)
	mkdir -p "$dir"
	{
		[ "${2-}" = same-authority ] || openssl req -x509 "${key[@]}" -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 2 -subj "/CN=$LAB CA" &&
			openssl req "${key[@]}" -keyout "$dir/key.new" -out "$dir/request" -subj /CN=gate &&
			openssl x509 -req -in "$dir/request" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 1 -out "$dir/cert.new" \
				-extfile <(echo "subjectAltName=$1")
	} 2>"$LAB_DIR/openssl.log" || lab_fail "no certificate: $(tail -n 3 "$LAB_DIR/openssl.log")"
	chown "$LAB_UID" "$dir/key.new" && chmod 600 "$dir/key.new"
	mv "$dir/cert.new" "$dir/cert.pem" && mv "$dir/key.new" "$dir/key.pem"
}

# What a socket unit does: starts the loader for each connection, which brings service ids and nothing else.
adoption_listen() {
	[ -n "$(type -P systemd-socket-activate)" ] || lab_fail "systemd-socket-activate is missing (package systemd)"
	mkdir -p "$LAB_DIR/adopt"
	nsenter --net="/run/netns/$NS_GATEWAY" setsid systemd-socket-activate --accept --inetd -l "$LAB_DIR/adopt/socket" \
		"$POSTERN_BUILD/loader/postern-loader" adopt --stdin --instance lab --run-dir "$LAB_RUN" >"$LAB_DIR/adopt/log" 2>&1 7>&- 8>&- &
	ADOPTION_PID=$!
	wait_for 60 test -S "$LAB_DIR/adopt/socket" && chown "$LAB_UID" "$LAB_DIR/adopt/socket" || lab_fail "nobody listens for adoption"
}

daemon_start() {
	[ -e "$LAB_DIR/posternd.json" ] || daemon_config
	: >"$LAB_DIR/daemon/log" # here, not by the child below: the last daemon's "ready" must not be read as this one's
	"${DAEMON[@]}" >"$LAB_DIR/daemon/log" 2>&1 7>&- 8>&- &
	DAEMON_PID=$!
	wait_for 60 daemon_ready_or_gone && kill -0 $DAEMON_PID 2>/dev/null ||
		lab_fail "posternd did not start: $(tail -n 5 "$LAB_DIR/daemon/log")"
}

daemon_ready_or_gone() { grep -q '^posternd: ready' "$LAB_DIR/daemon/log" || ! kill -0 $DAEMON_PID 2>/dev/null; }

daemon_kill() { # -9 as a crash, -15 as a stop
	kill "$1" "$DAEMON_PID"
	wait "$DAEMON_PID" 2>/dev/null
	return 0
}

postern() { env -u SSH_CONNECTION POSTERN_SOCKET="$LAB_SOCKET" "$POSTERN_BUILD/tools/postern/postern" "$@"; }

# count REASON: packets the gate counted for it.
count() { postern status --json | jq -r --arg name "$1" '[.reasons[] | select(.name == $name) | .packets] | add // 0'; }

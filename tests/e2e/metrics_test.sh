# SPDX-License-Identifier: Apache-2.0
# /metrics of a real gate: Prometheus' own checker accepts it, and the numbers are those of the packets that were sent.
. "$(dirname "$0")/story.sh"

# Debian's package would start a server, so only its checker is taken out of it.
promtool_install() {
	[ -x "$POSTERN_BUILD/tests/promtool" ] && return
	mkdir -p "$LAB_DIR/prometheus" && cd "$LAB_DIR/prometheus" &&
		{ apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } &&
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && mv usr/bin/promtool "$POSTERN_BUILD/tests/"
	local status=$?
	cd "$OLDPWD"
	return $status
}

lab_begin metrics
expect "Prometheus' checker is there" promtool_install
lab_sshd
guarded_machine
metrics() { in_gateway curl -sS -m 60 --unix-socket "$LAB_SOCKET" http://localhost/metrics >"$LAB_DIR/metrics"; }
value() { sed -n "s/^$1 //p" "$LAB_DIR/metrics"; }
no_grant='postern_packets_total{reason="no_grant",verdict="drop"}'

expect "metrics" metrics
expect "Prometheus accepts them" "$POSTERN_BUILD/tests/promtool" check metrics <"$LAB_DIR/metrics"
same "the gate is ready" 1 "$(value postern_ready)"
same "no grant runs" 0 "$(value postern_grants)"
same "nothing was dropped" 0 "$(value "$no_grant")"
denied "a connection without a grant" lab_ssh true
expect "metrics" metrics
same "is counted as often as the gate counts it" "$(gate_loader status --json | jq '.reasons[] | select(.name == "no_grant") | .packets')" "$(value "$no_grant")"
[ "$(value "$no_grant")" -gt 0 ] || failed "nothing was counted"
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
expect "metrics" metrics
same "one grant runs" 1 "$(value postern_grants)"
expect "the gate is taken off" gate_loader detach
expect "metrics" metrics
same "which makes it not ready" 0 "$(value postern_ready)"
expect "Prometheus accepts that too" "$POSTERN_BUILD/tests/promtool" check metrics <"$LAB_DIR/metrics"

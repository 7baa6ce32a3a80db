# SPDX-License-Identifier: Apache-2.0
# A soak of the real daemon and gate: people request, revoke and are refused, policies and machines change, grants run out,
# the daemon is restarted and killed, its system calls fail, all at random; and store, map, audit and a model are equal at
# settled moments (soak.py). soak_test.sh [--seconds N] [--seed N]: ten minutes by hand, a few seconds in CI.
. "$(dirname "$0")/../e2e/story.sh"
[ $# -gt 0 ] || set -- --seconds 600

lab_begin soak
# More sources and destinations than three hosts have.
ip -n "$NS_CLIENT" route add local 10.9.0.0/16 dev lo
ip -n "$NS_CLIENT" route add local 2001:db8:9::/64 dev lo
in_client sysctl -qw net.ipv6.ip_nonlocal_bind=1
ip -n "$NS_GATEWAY" route add 10.9.0.0/16 via $CLIENT
ip -n "$NS_GATEWAY" route add 2001:db8:9::/64 via $CLIENT_V6
for n in {20..25}; do lab_addresses "$NS_MACHINE" eth0 192.0.2.$n/24 2001:db8:2::$n/64; done
for port in 22 3389 5985; do
	nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server $port --bind :: --directory "$LAB_DIR" >/dev/null 2>&1 7>&- &
done
for port in 22 3389 5985; do
	wait_for 30 in_client timeout 3 bash -c "exec 3<>/dev/tcp/2001:db8:2::25/$port" 2>/dev/null || failed "port $port of the machine does not answer"
done
gate_attach >/dev/null || failed "attach"
daemon_config
in_client python3 -B "$(dirname "$0")/soak.py" "$@" --socket "$LAB_SOCKET" --run "$LAB_RUN/lab" --state "$LAB_STATE" --folder "$LAB_DIR" \
	-- "${DAEMON[@]}" || failed "the soak"

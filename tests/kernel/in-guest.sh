#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the guest of run-in-kernel.sh: every BPF suite and loader test on this kernel, a line of "name: outcome" for each.
# usage: in-guest.sh BUILD_FOLDER
set -u
build=$1 source=$(cd "$(dirname "$0")/../.." && pwd)
export POSTERN_TEST_BASE=/run TMPDIR=/run # /tmp is the host's, and no place for sockets
said=/run/said

[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
/run/busybox modprobe tun

# Tests write times into the past, and this machine has only just begun.
until [ "$(cut -d. -f1 /proc/uptime)" -ge 40 ]; do sleep 1; done
outcome() { # NAME COMMAND…
	local name=$1 status=0
	shift
	timeout 600 "$@" >"$said" 2>&1 || status=$?
	case $status in
	0) echo "$name: passed" ;;
	77) echo "$name: skipped" ;;
	*)
		echo "$name: FAILED ($status)"
		grep -aE 'FAILED|not ok|rror|refused|lacks' -A 4 "$said" | head -n 25 | sed 's/^/    /'
		tail -n 3 "$said" | sed 's/^/    /'
		;;
	esac
}
echo "kernel: $(uname -r)"
ip link add probe0 type veth peer name probe1 && ip link set probe0 up
if ! "$build/loader/postern-loader" attach --run-dir /run/probe --group 0 --interface probe0 >"$said" 2>&1; then
	echo "attach: refused"
	sed 's/^/    /' "$said"
	grep -q 'this kernel lacks what the gate needs' "$said" || echo "what is missing is not named: FAILED"
	[ ! -e /run/probe ] && [ -z "$(bpftool -j net show dev probe0 | jq '.[].xdp[], .[].tc[]')" ] || echo "something is left: FAILED"
	"$build/loader/postern-loader" doctor --run-dir /run/probe -i probe0 >"$said"
	echo "doctor: exit code $?, $(grep '^FAIL' "$said")"
	exit 0
fi
echo "attach: $(sed -n 's/.*attached, //p' "$said")"
"$build/loader/postern-loader" detach --run-dir /run/probe >/dev/null
ip link delete probe0
outcome bpf_tests "$build/tests/bpf/bpf_tests"
sed -nE 's/^(postern_[a-z]+) .*verifier walked +([0-9]+).*/\1: verifier walked \2/p' "$said"
outcome dataplane_tests "$build/tests/bpf/dataplane_tests"
for test in "$source"/tests/e2e/loader_*.sh; do
	case $test in */loader_net.sh) continue ;; esac
	outcome "$(basename "$test" .sh)" "$test" "$build"
done

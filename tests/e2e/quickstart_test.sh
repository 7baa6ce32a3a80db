# SPDX-License-Identifier: Apache-2.0
# tools/quickstart tells the truth, and leaves nothing behind: when done, and when interrupted in the midst of it.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ "$(id -u)" = 0 ] || { echo "skipped: needs root" && exit 77; }
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

fail() {
	cat "$out/said"
	[ -z "${job:-}" ] || { kill -TERM -- "-$job" 2>/dev/null && wait "$job"; }
	echo "not ok: $*"
	exit 1
}
leftovers() {
	ls -d /tmp/postern-lab-quickstart 2>/dev/null
	pgrep -af 'postern-lab-quickstart/' | grep -v pgrep
	ip netns list | grep -E "postern-$(printf %s quickstart | cksum | cut -d' ' -f1)-"
	grep postern-lab-quickstart/ /proc/mounts
}

tools/quickstart >"$out/said" 2>&1 || fail "quickstart ends with status $?"
cat "$out/said"
grep -q 'steps were as they should be' "$out/said" || fail "quickstart says that all was right"
[ -z "$(leftovers)" ] || fail "left behind: $(leftovers)"

for signal in INT TERM; do
	# A group of its own that hears the signal as from a terminal. Not by "set -m": bash 5.2 then now and then loses a job
	# that died by SIGINT, and runs this script's EXIT trap in the next one.
	: >"$out/said" # what the run before said is gone before the job begins, and with it its third step
	setsid env --default-signal=INT tools/quickstart --stay >"$out/said" 2>&1 &
	job=$!
	for _ in $(seq 1200); do grep -q '^3\. ' "$out/said" && break || sleep 0.1; done
	grep -q '^3\. ' "$out/said" || fail "quickstart comes to its third step"
	kill -$signal -- -$job
	wait $job
	status=$?
	[ $status -gt 128 ] || fail "after SIG$signal the status is $status"
	[ -z "$(leftovers)" ] || fail "left behind after SIG$signal: $(leftovers)"
	echo "ok: SIG$signal in the midst leaves nothing"
done

tools/quickstart --interface nosuch0 --machine vm1=192.0.2.1 >"$out/said" 2>&1 && fail "an interface that is not there"
grep -q 'no interface "nosuch0"' "$out/said" || fail "it says which interface is not there"
tools/quickstart --frobnicate >"$out/said" 2>&1 && fail "an unknown option"
echo "ok: wrong words are refused"

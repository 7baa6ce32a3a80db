# SPDX-License-Identifier: Apache-2.0
# One system call of a decision fails, as on a full or broken disk or with no memory for a map; for each call on which store
# and maps depend, of a request, a revocation and the removal of a policy (I7, I9). The daemon lives on and recovers by
# itself; what it says was not done is neither open nor recorded, also after a crash; what was taken back is closed and
# recorded so; nothing is in the map that is not listed.
. "$(dirname "$0")/story.sh"

lab_begin fault-points
# More sources than a test can use up: the client answers for every address of this block.
ip -n "$NS_CLIENT" route add local 10.9.0.0/16 dev lo
ip -n "$NS_GATEWAY" route add 10.9.0.0/16 via $CLIENT
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 --directory "$LAB_DIR" >/dev/null 2>&1 7>&- &
wait_for 60 in_client timeout 10 bash -c "exec 3<>/dev/tcp/$MACHINE/22" 2>/dev/null || failed "the machine does not answer"
guarded_machine
daemon_kill -TERM # from here on it is started there
in_client python3 -B "$(dirname "$0")/fault_points.py" "$LAB_SOCKET" $MACHINE "$LAB_RUN/lab/bpf/v2/grants_v4" "$LAB_DIR" "${DAEMON[@]}" ||
	failed "a call that fails"

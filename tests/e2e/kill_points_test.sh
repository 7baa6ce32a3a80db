# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon between any two steps of a request (I7, I9). strace kills it as it enters its first, second,
# third … system call of each kind that leaves a mark, until the request goes through unharmed; for a request, a
# revocation and the removal of a policy. Each time it is started again, and: what was answered is so; what was not
# recorded was not done; what was recorded is listed, audited once and in force; asking again gives the same answer.
. "$(dirname "$0")/story.sh"

lab_begin kill-points
# More sources than a test can use up: the client answers for every address of this block.
ip -n "$NS_CLIENT" route add local 10.9.0.0/16 dev lo
ip -n "$NS_GATEWAY" route add 10.9.0.0/16 via $CLIENT
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 --directory "$LAB_DIR" >/dev/null 2>&1 7>&- &
wait_for 60 in_client timeout 10 bash -c "exec 3<>/dev/tcp/$MACHINE/22" 2>/dev/null || failed "the machine does not answer"
guarded_machine
daemon_kill -TERM # from here on it is started there
in_client python3 -B "$(dirname "$0")/kill_points.py" "$LAB_SOCKET" $MACHINE "$LAB_RUN/lab/bpf/v2/grants_v4" "$LAB_DIR" "${DAEMON[@]}" ||
	failed "killed at some step"

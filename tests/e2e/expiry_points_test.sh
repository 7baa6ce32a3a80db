# SPDX-License-Identifier: Apache-2.0
# kill -9 where nobody asks for anything (I2, I7, I9): at the system calls by which the end of a grant is recorded, and at
# those of a start that records what ended while the daemon was down. The port is shut at the end whoever lives, and the end
# has one record. EXPIRY_POINTS=all walks over all calls.
. "$(dirname "$0")/story.sh"

lab_begin expiry-points
# More sources than a test can use up: the client answers for every address of this block.
ip -n "$NS_CLIENT" route add local 10.9.0.0/16 dev lo
ip -n "$NS_GATEWAY" route add 10.9.0.0/16 via $CLIENT
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 --directory "$LAB_DIR" >/dev/null 2>&1 7>&- &
wait_for 60 in_client timeout 10 bash -c "exec 3<>/dev/tcp/$MACHINE/22" 2>/dev/null || failed "the machine does not answer"
guarded_machine
daemon_kill -TERM # from here on it is started there
in_client python3 -B "$(dirname "$0")/expiry_points.py" "$LAB_SOCKET" $MACHINE "$LAB_RUN/lab/bpf/v2/grants_v4" "$LAB_DIR" "${DAEMON[@]}" ||
	failed "an end, or a start, that was killed"

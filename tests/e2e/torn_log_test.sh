# SPDX-License-Identifier: Apache-2.0
# A power cut (I7): the store's log ends at any page or within one, has rubbish in any, or was half taken over into the
# database. The daemon starts each time; what was answered before that page is there, what came later is as if it had not
# been, the audit verifies, and the map holds what is listed, no more.
. "$(dirname "$0")/story.sh"

lab_begin torn-log
# More sources than a test can use up: the client answers for every address of this block.
ip -n "$NS_CLIENT" route add local 10.9.0.0/16 dev lo
ip -n "$NS_GATEWAY" route add 10.9.0.0/16 via $CLIENT
nsenter --net="/run/netns/$NS_MACHINE" python3 -m http.server 22 --directory "$LAB_DIR" >/dev/null 2>&1 7>&- &
wait_for 60 in_client timeout 10 bash -c "exec 3<>/dev/tcp/$MACHINE/22" 2>/dev/null || failed "the machine does not answer"
guarded_machine
daemon_kill -TERM # from here on it is started there
in_client python3 -B "$(dirname "$0")/torn_log.py" "$LAB_SOCKET" $MACHINE "$LAB_RUN/lab/bpf/v2/grants_v4" "$LAB_DIR" "${DAEMON[@]}" ||
	failed "a torn log"

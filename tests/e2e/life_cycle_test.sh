# SPDX-License-Identifier: Apache-2.0
# The gate comes, is replaced and goes under a living session (I6): not one new connection slips in, no byte is lost, and
# an attach that nobody confirms undoes itself.
. "$(dirname "$0")/story.sh"

lab_begin life-cycle
lab_sshd
guarded_machine
expect "a grant" postern request vm1 --port 22 --for 1h --from $CLIENT
session_open || failed "a session that stays open"
expect "a short one in its place" postern request vm1 --port 22 --for 2s --from $CLIENT
wait_for 60 no_live_grants || failed "the grant ends"
denied "after its end a new connection is dropped" lab_ssh true

for n in 1 2 3 4 5; do
	gate_attach >/dev/null || failed "replace $n"
	session_moves "replaced-$n" || failed "the session after replacing the program $n times"
	denied "replaced $n times: a new connection is dropped" lab_ssh true
done
expect "the session moved a megabyte after it" session_moves_much
daemon_kill -15
daemon_start
expect "and after the daemon was stopped and started" session_moves_much
denied "a new connection is dropped" lab_ssh true
exits 0 "the loader says it stands" gate_loader status

expect "detached" gate_loader detach
expect "then ssh comes in" lab_ssh true
expect "and the session never noticed" session_moves_much
session_close
daemon_kill -15
rm -f "$LAB_SOCKET"
expect "detached once more" gate_loader detach
same "nothing stays behind" "" "$(ls -A "$LAB_RUN" 2>/dev/null)"

expect "attached, to be confirmed within 3 s" gate_attach --confirm-within 3s
gone() { gate_loader status >/dev/null 2>&1; [ $? = 3 ]; }
expect "nobody confirmed, so it is gone" wait_for 60 gone
expect "attached anew" gate_attach --confirm-within 10s
expect "and confirmed" gate_loader confirm
sleep 11
exits 0 "it stays" gate_loader status

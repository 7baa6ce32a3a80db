# SPDX-License-Identifier: Apache-2.0
# Where nothing tracked the sessions, a service that is monitored to learn finds those that move: real ssh through a gateway
# without a conntrack rule, the switch made by hand (adoption_learning_test.sh FAMILY).
. "$(dirname "$0")/story.sh"
family=$1

lab_begin "adoption-learning-$family"
to=(-h $MACHINE) bytes=(192 0 2 10)
[ "$family" = 6 ] && to=(-h $MACHINE_V6) bytes=(32 1 13 184 0 2 0 0 0 0 0 0 0 0 0 16)
lab_sshd
gate_attach >/dev/null || failed "attach"
maps=$(echo "$LAB_RUN"/lab/bpf/v*)
learn=4 enforce=1
service() { bpftool map update pinned "$maps/services_v$family" key "${bytes[@]}" 0 22 6 0 value 1 0 0 0 "$1" 0 0 0 $(printf '0 %.0s' {1..24}); }
flows() { bpftool -j map dump pinned "$maps/established_v$family" | jq length; }

session_open "${to[@]}" || failed "a session before anything is guarded"
service $learn && bpftool map update pinned "$maps/guarded_ports" key 0 0 0 0 value 0 0 64 0 0 0 0 0 || failed "a learning service"
expect "the loader finds nothing" gate_loader adopt 1
says '0 open session\(s\) adopted, 0 known'
expect "while it learns the session moves" session_moves learning
session_moves again || failed "the session moves again"
same "which makes it a flow" 1 "$(flows)"
expect "and so does one that opens now" lab_ssh "${to[@]}" true
service $enforce || failed "enforcing"
expect "enforced, the session lives on and moves a megabyte" session_moves_much
refuse "a new connection is dropped" lab_ssh "${to[@]}" true
gate_attach >/dev/null || failed "replace the program"
expect "the program is replaced, the session lives on" session_moves_much
session_close

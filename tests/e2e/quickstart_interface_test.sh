# SPDX-License-Identifier: Apache-2.0
# tools/quickstart --interface on an interface that is real to it, typed by an admin into the ssh session that the gate
# could shut out: unless confirmed everything opens again, until then the admin gets in whatever is guarded, and what is
# confirmed stays. The admin is the lab's client, the host that guards itself the lab's gateway.
. "$(dirname "$0")/story.sh"
cd "$(dirname "$0")/../.." || exit 2
STRANGER=$CLIENT_TWO

lab_begin quickstart-interface
MACHINE=198.51.100.1
# With /run and /var/lib of its own, for it is to be gate "gate" at its usual places, as on any host.
lab_sshd nsenter --net="/run/netns/$NS_GATEWAY" unshare -m sh -c \
	'mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount -t tmpfs tmpfs /var/lib && exec "$@"' _
in_host() { nsenter -t "$SSHD_PID" -m -n "$@"; }
LAB_SOCKET=/proc/$SSHD_PID/root/run/postern/gate/api.sock
loader() { in_host "$POSTERN_BUILD/loader/postern-loader" "$@"; }
attached() { ip -n "$NS_GATEWAY" -d link show outside | grep -q 'prog/xdp'; }
detached() { ! attached; }
quickstart() { lab_ssh "cd '$PWD' && POSTERN_BUILD='$POSTERN_BUILD' tools/quickstart --interface outside --machine me=$MACHINE $*"; }
comes_in() { lab_ssh -b "$1" true; }

session_open -b $CLIENT && echo "ok: the admin has a session" || failed "no ssh before the gate"
expect "a stranger gets in before there is a gate" comes_in $STRANGER

echo "# nobody confirms"
expect "the gate goes up" quickstart --confirm-within 10m
says "$CLIENT is never gated"
says 'confirm$'
expect "it is attached" attached
expect "and waits to be confirmed" loader status
says 'to be confirmed within'
denied "a stranger is refused" comes_in $STRANGER
expect "the admin's session moves bytes" session_moves_much
expect "the admin gets in anew, without a grant" comes_in $CLIENT
exits 1 "a second one beside it is refused" quickstart
says 'detach it first'
# What was tried takes as long as the host needs; the rest of the time is nobody's to wait for.
expect "the time is made short" loader attach --interface outside --confirm-within 1s
says 'replaced'
expect "in time it is undone" wait_for 60 detached
expect "nothing is attached, says the loader" wait_for 60 in_host test ! -e /run/postern/gate/bpf
expect "a stranger gets in again" comes_in $STRANGER
expect "the admin's session has not noticed" session_moves_much

echo "# tried again, and confirmed"
expect "the gate goes up a second time" quickstart --confirm-within 10m
expect "the admin asks for what he is told to ask for" lab_ssh "'$POSTERN_BUILD/tools/postern/postern' request me --port 22 --for 1h"
says "$CLIENT"
expect "and confirms from a new connection" lab_ssh "'$POSTERN_BUILD/loader/postern-loader' confirm"
expect "no time runs any more" loader status
says '^confirmed'
expect "attached" attached
denied "a stranger is refused" comes_in $STRANGER
expect "the admin gets in by the grant" comes_in $CLIENT
expect "the admin's session moves bytes" session_moves_much
expect "the grant is revoked" postern revoke --machine me
denied "without it, and once confirmed, the admin is a source like any other" comes_in $CLIENT
expect "the admin's open session lives on" session_moves_much

echo "# taken down as it says"
expect "detach and stop, in the open session's host" in_host sh -c \
	"'$POSTERN_BUILD/loader/postern-loader' detach && kill \$(cat /var/lib/postern/quickstart/pid)"
expect "detached" detached
expect "a stranger gets in" comes_in $STRANGER
expect "the admin's session lives" session_moves_much
session_close

echo "# what fails half way leaves nothing"
in_host sh -c 'mkdir -p /run/postern && rm -rf /var/lib/postern && touch /var/lib/postern'
refuse "no room for its state" quickstart
expect "nothing is attached" detached
expect "a stranger gets in" comes_in $STRANGER

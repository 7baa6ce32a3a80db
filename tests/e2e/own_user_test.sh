# SPDX-License-Identifier: Apache-2.0
# The daemon is nobody special: own user, no capability, the system's bpffs closed to it. It reaches the gate by its own
# bpffs alone, and cannot touch the links there.
. "$(dirname "$0")/story.sh"

lab_begin own-user
lab_sshd
gate_attach >/dev/null || failed "attach"
daemon_config
nsenter --net="/run/netns/$NS_GATEWAY" unshare -m sh -c 'mount -t tmpfs -o mode=0700 closed /sys/fs/bpf && exec setpriv --reuid '$LAB_UID' --regid '$LAB_UID' \
	--clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$0" --config "$1"' \
	"$POSTERN_BUILD/controlplane/daemon/posternd" "$LAB_DIR/posternd.json" >"$LAB_DIR/daemon/log" 2>&1 7>&- &
DAEMON_PID=$!
wait_for 60 daemon_ready_or_gone
expect "it runs" kill -0 $DAEMON_PID
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$DAEMON_PID/status"; }
same "as its own user" $LAB_UID "$(field Uid)"
same "with no effective capability" 0000000000000000 "$(field CapEff)"
same "with none it could get" 0000000000000000 "$(field CapBnd)"
refuse "the system's bpffs is closed to it" nsenter --mount="/proc/$DAEMON_PID/ns/mnt" setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups \
	ls /sys/fs/bpf/
refuse "so are the links of the gate" setpriv --reuid $LAB_UID --regid $LAB_UID --clear-groups ls "$LAB_RUN/lab/bpf/links/"

expect "a machine" postern machine add vm1 --address $MACHINE
expect "a policy" postern policy enable vm1 --port 22
denied "a new connection is dropped" lab_ssh true
expect "a request is granted" postern request vm1 --port 22 --for 1h --from $CLIENT
expect "ssh comes in" lab_ssh true

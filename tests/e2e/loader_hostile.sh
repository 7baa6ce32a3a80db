#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Somebody of the gate's group lays traps where root will walk, root has a strange umask, and an admin at three in the
# morning names an interface twice, renames it, forgets --group, leaves another loader stopped.
. "$(dirname "$0")/loader_net.sh"
folder=$RUN_DIR/gate
as_group() { setpriv --reuid 64321 --regid 64321 --clear-groups "$@"; }
mode_of() { stat -c '%a %u:%g' "$1"; }

# What the loader leaves while the daemon's socket is there: a folder in which the group may write.
mkdir -m 755 "$RUN_DIR" && mkdir "$folder" && chown 0:64321 "$folder" && chmod 1771 "$folder"
victim=$(mktemp -d)
as_group ln -s "$victim" "$folder/bpf"
exits 1 "a symbolic link in place of the bpffs is not walked through" attach --no-dispatcher --interface gate0
says "$folder/bpf is no folder"
same "what it leads to is as it was" "700 0:0" "$(mode_of "$victim")"
grep -q " $victim " /proc/mounts && failed "something was mounted there"
rm "$folder/bpf"
rmdir "$victim"

expect "another gate stands" attach --no-dispatcher --instance other --interface gate1
as_group ln -s "$RUN_DIR/other/bpf" "$folder/bpf"
loader detach >/dev/null 2>&1
same "a detach does not reach it through a link" 1 "$(xdp_on gate1)"
expect "it is whole" loader status --instance other
expect "detach the other" loader detach --instance other
rm -f "$folder/bpf"
mkdir -p "$folder" && chown 0:64321 "$folder" && chmod 1771 "$folder" && as_group mkdir "$folder/bpf"
expect "a folder of somebody's own is taken over" attach --no-dispatcher --interface gate0
same "it is root's" "750 0:64321" "$(mode_of "$folder/bpf")"
as_group rmdir "$folder/bpf" 2>/dev/null && failed "the group removed the folder of the maps"
expect "detach" loader detach
rm -rf "$RUN_DIR"

mkdir -m 777 "$RUN_DIR" && chmod 777 "$RUN_DIR"
exits 1 "a run folder in which all may write is refused" attach --no-dispatcher --interface gate0
says "others than root may write in $RUN_DIR"
rmdir "$RUN_DIR"
for mask in 000 077; do
	(umask $mask && attach --no-dispatcher --interface gate0 >/dev/null) || failed "attach with umask $mask"
	same "with umask $mask the daemon gets to its maps and nobody else writes" "755 0:0" "$(mode_of "$RUN_DIR")"
	expect "detach" loader detach
done
nothing_left "after strange umasks"

expect "an interface named twice is attached once" attach --no-dispatcher --interface gate0 --interface gate0
expect "replaced without --group" loader attach --no-dispatcher --interface gate0
same "the maps stay the group's" "660 0:64321" "$(mode_of "$BPFFS/v2/config")"
SAID=$(in_gate setpriv --reuid 64321 --regid 64321 --clear-groups "$BUILD/loader/postern-loader" status --run-dir "$RUN_DIR") ||
	failed "status, asked by one of the group, ends with $?"
says "gate0 attached"

rename() { ip -n "$NS_GATE" link set "$1" down && ip -n "$NS_GATE" link set "$1" name "$2" && ip -n "$NS_GATE" link set "$2" up; }
rename gate0 wan.0
expect "renamed, it is still whole" loader status
says "gate0 attached, now called wan.0"
expect "replaced by its new name" attach --no-dispatcher --interface wan.0
says "wan.0 replaced"
expect "and whole" loader status
rename wan.0 gate0
expect "detach after it was renamed back" loader detach
nothing_left "after the renaming"

expect "attach" attach --no-dispatcher --interface gate0
ip -n "$NS_GATE" link delete gate0
ip -n "$NS_GATE" link add gate0 type veth peer name peer0 netns "$NS_CLIENT"
exits 4 "an interface made anew is not guarded, and status says so" loader status
says "made anew: attach again"
expect "attach again" attach --no-dispatcher --interface gate0
expect "is whole" loader status

setsid flock "$folder" sleep 120 >/dev/null 2>&1 7>&- &
holder=$!
wait_for 60 sh -c "! flock -n '$folder' true" || failed "the lock is held"
seconds_up() { cut -d. -f1 /proc/uptime; }
began=$(seconds_up)
timeout --preserve-status --signal=INT 5 nsenter --net="/run/netns/$NS_GATE" "$BUILD/loader/postern-loader" detach --run-dir "$RUN_DIR"
[ $(($(seconds_up) - began)) -lt 25 ] && echo "ok: Ctrl-C ends the waiting for another loader" || failed "Ctrl-C does not end the waiting, which is 30 s"
exits 1 "a loader that hangs is not waited for without end" loader detach
says "another postern-loader has been at work"
same "nothing was changed" 1 "$(xdp_on gate0)"
kill $holder $(pgrep -P $holder) 2>/dev/null
wait $holder 2>/dev/null
expect "then detach works" loader detach
nothing_left "at the end"
echo "all good"

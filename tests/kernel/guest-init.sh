#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of the guest: stage one, from the initramfs, puts the root together; stage two, in that root, runs
# the command and notes its exit code. See run-in-kernel.sh.
b=/bin/busybox

if [ "$1" = stage-two ]; then
	b=/run/busybox
	$b stty -F /dev/ttyS1 raw 2>/dev/null
	cd /
	$b setsid /bin/bash /run/talk/command >/dev/ttyS1 2>&1 </dev/null
	echo $? >/run/talk/status
	$b sync
	$b sleep 0.3
	exec $b poweroff -f
fi

share() { # tag, place, options
	$b mkdir -p "$2" && $b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2"
}
$b mkdir -p /proc /sys /dev /below /above /all
$b mount -t proc none /proc
$b mount -t devtmpfs none /dev
for module in virtio_pci 9pnet_virtio 9p overlay; do $b modprobe $module 2>/dev/null; done
share root /below ro,cache=loose
$b mount -t tmpfs none /above
$b mkdir /above/upper /above/work
$b mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work none /all
$b mount -t proc none /all/proc
$b mount -t devtmpfs none /all/dev
$b mount -t sysfs none /all/sys
$b mount -t bpf none /all/sys/fs/bpf
$b mount -t tmpfs none /all/run
$b mkdir -p /all/dev/pts /all/dev/shm /all/lib/modules
$b mount -t devpts none /all/dev/pts
$b mount -t tmpfs none /all/dev/shm
share modules /all/lib/modules ro,cache=loose
share tmp /all/tmp cache=mmap
share talk /all/run/talk cache=none
$b cp $b /init /all/run/
# busybox's, since kmod wants an index that only its own depmod makes
$b ln -s /run/busybox /all/run/modprobe
echo /run/modprobe >/all/proc/sys/kernel/modprobe
$b ip link set lo up
exec $b switch_root /all /run/busybox sh /run/init stage-two

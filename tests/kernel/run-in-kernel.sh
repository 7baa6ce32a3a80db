#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs one command under another Linux kernel: boots a Debian kernel in qemu (no /dev/kvm needed) whose root is this
# machine's file system, seen through 9p with a memory overlay above it, so the guest may write anywhere and nothing
# stays. /tmp is shared for real. Ends with the command's exit code; 124 if it took too long, 125 if the guest never
# answered, 77 if there is no qemu or the kernel cannot be had.
#
#     run-in-kernel.sh [--seconds N] [--memory MIB] VERSION COMMAND [ARGUMENT…]        e.g. 6.12 ip link
#
# Kernels are kept, unpacked, below $POSTERN_KERNELS (default ~/.cache/postern/kernels).
set -euo pipefail

seconds=300 memory=1024
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=$2 && shift 2 ;;
	--memory) memory=$2 && shift 2 ;;
	*) break ;;
	esac
done
[ $# -ge 2 ] || { sed -n 's/^# \{0,1\}//; 8p' "$0" >&2; exit 2; }
version=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
store=${POSTERN_KERNELS:-${HOME:-/root}/.cache/postern/kernels}
for tool in qemu-system-x86_64 busybox xz; do
	command -v $tool >/dev/null || { echo "run-in-kernel: there is no $tool here" >&2; exit 77; }
done

mkdir -p "$store"
(
	flock 9
	[ -e "$store/$version/complete" ] || "$here/fetch-kernel.sh" "$version" "$store/$version"
	[ "$store/$version/initramfs" -nt "$here/guest-init.sh" ] || "$here/make-initramfs.sh" "$store/$version" "$here/guest-init.sh"
) 9>"$store/lock" 1>&2 || { echo "run-in-kernel: no kernel $version" >&2; exit 77; }

# What the guest is to do, in a folder that both see.
talk=$(mktemp -d "${TMPDIR:-/tmp}/postern-kernel.XXXXXX")
trap 'rm -rf "$talk"' EXIT
{
	export -p | grep -vE '^declare -x (PWD|OLDPWD|SHLVL|TERM|TMPDIR)='
	printf 'cd %q || exit 126\n' "$PWD"
	printf '%q ' "$@"
	echo '</dev/null'
} >"$talk/command"

# no_timer_check: a guest that a busy host lets wait takes its timer for broken, and panics.
console=$talk/console status=0
boot() {
	timeout --kill-after=5 "$seconds" qemu-system-x86_64 \
		-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory" -nodefaults -display none -no-reboot \
		-kernel "$store/$version/vmlinuz" -initrd "$store/$version/initramfs" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0 no_timer_check" \
		-serial "file:$console" -chardev "file,id=output,path=$talk/output" -serial chardev:output \
		-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$store/$version/modules,mount_tag=modules,security_model=none,readonly=on" \
		-virtfs local,path=/tmp,mount_tag=tmp,security_model=none,multidevs=remap \
		-virtfs "local,path=$talk,mount_tag=talk,security_model=none" </dev/null >&2 &
	qemu=$!
	: >"$talk/output"
	tail -f --pid=$qemu -c +1 -s 0.2 "$talk/output" &
	status=0
	wait $qemu || status=$?
	wait %% 2>/dev/null || true
}
qemu=
trap '[ -z "$qemu" ] || kill $qemu 2>/dev/null || true; rm -rf "$talk"' EXIT
trap 'exit 130' INT TERM
# Now and then an emulated kernel crashes while it boots; the command has not begun then.
for try in 1 2 3; do
	boot
	if [ -s "$talk/status" ]; then exit "$(cat "$talk/status")"; fi
	[ ! -s "$talk/output" ] && [ $status != 124 ] && grep -aq 'Kernel panic' "$console" || break
	echo "run-in-kernel: $version crashed at try $try before the command began: $(grep -am1 'Kernel panic' "$console")" >&2
done
echo "run-in-kernel: $version gave no answer; the end of its console:" >&2
tail -n 20 "$console" >&2
[ $status = 124 ] || status=125
exit $status

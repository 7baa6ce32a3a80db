#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes KERNEL/initramfs: busybox, the guest's init, and the modules without which it cannot mount its root.
# usage: make-initramfs.sh KERNEL_FOLDER INIT
set -euo pipefail
kernel=$1 init=$2
release=$(cat "$kernel/release")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/lib/modules/$release"
cp "$(command -v busybox)" "$root/bin/busybox"
install -m 755 "$init" "$root/init"
cp "$kernel/modules/$release"/modules.* "$root/lib/modules/$release/"
for module in virtio_pci 9pnet_virtio 9p overlay; do
	# "path: its dependencies"; a module that is not listed is built in
	line=$(grep -E "(^|/)$module\.ko:" "$kernel/modules/$release/modules.dep" || true)
	for file in ${line//:/ }; do
		install -D "$kernel/modules/$release/$file" "$root/lib/modules/$release/$file"
	done
done
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$kernel/initramfs.new"
mv "$kernel/initramfs.new" "$kernel/initramfs"

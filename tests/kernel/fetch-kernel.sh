#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetches a Debian kernel and unpacks what a network test wants of it: fetch-kernel.sh VERSION|newest FOLDER
# The package comes from the mirror this machine's apt uses, through lists of its own (the system's stay as they are) and
# with Debian's signatures checked.
set -euo pipefail
version=$1 folder=$2
case $version in
5.10) suite=bullseye ;;
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
newest) suite=sid version='[0-9]*' ;;
*) suite=sid ;;
esac
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u | head -n 1)
[ -n "$mirror" ] || { echo "fetch-kernel: apt has no source" >&2; exit 1; }
work=$(mktemp -d "$(dirname "$folder")/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,sources,packages,unpacked}
: >"$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources/kernel.list"
apt_options=(-qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
	-o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=root" -o "Acquire::Retries=5")
apt-get "${apt_options[@]}" update

# The newest plain image of that version, and the package its modules moved to in newer suites.
image=$(apt-cache "${apt_options[@]}" pkgnames linux-image- | grep -E "^linux-image-$version\.[0-9.]+[^-]*(-[0-9]+)?-amd64\$" | sort -V | tail -n 1)
[ -n "$image" ] || { echo "fetch-kernel: $suite has no kernel $version" >&2; exit 1; }
mapfile -t parts < <(apt-cache "${apt_options[@]}" depends "$image" | sed -nE 's/^ *Depends: (linux-(modules|binary)-.*)/\1/p')
(cd "$work/packages" && apt-get "${apt_options[@]}" download "$image" "${parts[@]}")
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done

release=$(basename "$(find "$work/unpacked" -path '*lib/modules/*' -name kernel -printf '%h\n' -quit)")
modules=$(find "$work/unpacked" -type d -path "*lib/modules/$release" -print -quit)
mkdir -p "$work/new/modules/$release/kernel"
cp "$(find "$work/unpacked" \( -name "vmlinuz-$release" -o -path "*/$release/vmlinuz" \) -print -quit)" "$work/new/vmlinuz"
# Newer packages have no such lists; busybox does without.
cp "$modules"/modules.{builtin,order}* "$work/new/modules/$release/" 2>/dev/null || true
for part in net lib crypto fs/9p fs/netfs fs/fscache fs/overlayfs drivers/virtio drivers/net; do
	[ -d "$modules/kernel/$part" ] || continue
	mkdir -p "$work/new/modules/$release/kernel/$(dirname $part)"
	cp -r "$modules/kernel/$part" "$work/new/modules/$release/kernel/$(dirname $part)/"
done
rm -rf "$work/new/modules/$release/kernel/drivers/net"/{ethernet,wireless}
find "$work/new/modules" -name '*.ko.xz' -exec xz -d {} +
mkdir -p "$work/new/lib" && ln -s ../modules "$work/new/lib/modules"
busybox depmod -b "$work/new" "$release"
echo "$release" >"$work/new/release"
touch "$work/new/complete"
rm -rf "$folder" && mv "$work/new" "$folder"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The systemd units in packaging/ as systemd itself reads them: no key, value or program that it does not know.
# units.sh SOURCE_FOLDER
set -eu
source=${1:?source folder}
[ -n "$(type -P systemd-analyze)" ] || { echo "systemd-analyze is missing (package systemd)" && exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$source"/packaging/postern-* "$folder"
for program in postern-loader posternd; do
	sed -i "s|^\(Exec[A-Za-z]*=\)/usr/s\?bin/$program|\1$folder/$program|" "$folder"/postern-*.*
	printf '#!/bin/sh\n' >"$folder/$program" && chmod 755 "$folder/$program"
done

# Whatever it says is a fault, also what it ends well with: a key that it does not know is ignored with a warning. Units of
# the host that these refer to are not ours to check.
verify() { systemd-analyze verify --man=no --recursive-errors=no "$@" 2>&1 || echo "exit code $?"; }
status=0
for unit in "$folder"/postern-*.{service,socket,timer,target,path}; do
	[ -e "$unit" ] || continue
	said=$(verify "$unit")
	[ -z "$said" ] || { echo "$(basename "$unit"): $said" && status=1; }
	mkdir -p "$folder/broken" && sed '$a Postern=1' "$unit" >"$folder/broken/${unit##*/}"
	verify "$folder/broken/${unit##*/}" | grep -q Postern || { echo "$(basename "$unit"): systemd-analyze does not see a key that it cannot know" && status=1; }
done
grep -q '^ExecStart=' "$folder"/postern-adopt@.service || { echo "no unit was looked at" && status=1; }
exit $status

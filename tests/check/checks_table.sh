#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/checks.md names tests that exist, and no line of checks is missing from it.
# usage: checks_table.sh SOURCE_DIR
set -u
cd "${1:?source folder}" || exit 2
bad=0
while read -r path; do
	[ -e "tests/$path" ] || { echo "docs/checks.md names tests/$path, which is not there"; bad=1; }
done < <(grep '^|' docs/checks.md | grep -oE '`[a-z_0-9/]+/[A-Za-z_0-9/.]+`' | tr -d '`' | sort -u)
for line in $(seq 1 32); do
	grep -q "^| $line |" docs/checks.md || { echo "docs/checks.md lacks check $line"; bad=1; }
done
exit $bad

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The directions between folders, and a few habits, as a test: who may include whom.
#   main → daemon → {http, store, dataplane} → core;  dataplane → loader → bpf/abi;  tools → nothing of ours
# Also: every header compiles alone, every source file begins with SPDX, no file above 400 lines.
# usage: layering.sh SOURCE_DIR
set -u
cd "${1:?source folder}" || exit 2
bad=0
fault() { echo "layering: $*"; bad=1; }

# includes FOLDER ALLOWED...: each #include "..." in FOLDER must begin with one of ALLOWED.
includes() {
	local folder=$1 file line path ok allowed; shift
	while IFS=: read -r file line path; do
		ok=
		for allowed; do [[ $path == "$allowed"* ]] && ok=1; done
		[ -n "$ok" ] || fault "$file:$line: $folder/ must not include \"$path\" (allowed: $*)"
	done < <(grep -rnoE --include='*.[ch]' --include='*.[ch]pp' '^ *# *include "[^"]+"' "$folder" 2>/dev/null |
		sed -E 's/^([^:]*):([0-9]+):.*"([^"]+)"$/\1:\2:\3/')
}
includes controlplane/core controlplane/core/
includes controlplane/store controlplane/store/ controlplane/core/
includes controlplane/dataplane controlplane/dataplane/ controlplane/core/ loader/ bpf/abi/
includes controlplane/http controlplane/http/ controlplane/core/
includes controlplane/daemon controlplane/ loader/
includes loader loader/ bpf/abi/ gate_
includes tools tools/
includes bpf/abi base.h control.h events.h exposure.h flow.h grant.h reasons.h service.h

# The core knows the standard library only: no other angle include has a dot or a slash in it.
while IFS= read -r line; do fault "core includes more than the standard library: $line"
done < <(grep -rnE '^ *# *include <[^>]*[./][^>]*>' controlplane/core 2>/dev/null)

# bpf/abi: only <linux/types.h>
while IFS= read -r line; do fault "bpf/abi includes more than <linux/types.h>: $line"
done < <(grep -rnE '^ *# *include <' bpf/abi | grep -v '<linux/types.h>')

while IFS= read -r file; do
	head -n 2 "$file" | grep -q SPDX-License-Identifier || fault "$file: no SPDX line on top"
	case $file in
	bpf/*) head -n 2 "$file" | grep -q 'GPL-2.0-only OR BSD-2-Clause' || fault "$file: bpf/ is GPL-2.0-only OR BSD-2-Clause" ;;
	esac
	lines=$(wc -l <"$file")
	[ "$lines" -le 400 ] || fault "$file: $lines lines, split it by noun (300 is the habit, 400 the limit)"
done < <(git ls-files '*.c' '*.h' '*.cpp' '*.hpp' '*.sh' 2>/dev/null)

# Each header alone, as C++20; the ABI also as pedantic C11 (so that nothing in it needs an order of inclusion).
for header in bpf/abi/*.h; do
	printf '#include "%s"\nint main(void) { return 0; }\n' "$header" |
		${CC:-cc} -std=c11 -Wpedantic -Wall -Wextra -Werror -I. -fsyntax-only -x c - || fault "$header: not C11 by itself"
done
for header in bpf/abi/*.h controlplane/core/*.hpp; do
	printf '#include "%s"\n' "$header" |
		${CXX:-c++} -std=c++20 -Wpedantic -Wall -Wextra -Werror -I. -fsyntax-only -x c++ - || fault "$header: not C++20 by itself"
done
exit $bad

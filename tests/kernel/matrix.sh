#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The BPF and loader tests on other Debian kernels, in qemu: minutes for each kernel, so it is run by hand.
#     tests/kernel/matrix.sh BUILD_FOLDER [VERSION…]     5.10 6.1 6.12 newest, if none is named
# Exit code 0 if on each kernel everything passes, or attach refuses with a sentence.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?build folder}" && pwd) || exit 2
shift
[ $# -gt 0 ] || set -- 5.10 6.1 6.12 newest
bad=0
for version; do
	echo "== $version"
	answer=$("$here/run-in-kernel.sh" --seconds 3600 --memory 2048 "$version" "$here/in-guest.sh" "$build" </dev/null | tr -d '\r')
	echo "$answer"
	grep -q '^attach: ' <<<"$answer" && ! grep -q ': FAILED' <<<"$answer" || bad=1
done
exit $bad

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes from the seeds and from what earlier runs found; ends with 1 at the first broken rule or bad access, and keeps that input.
#
#     run.sh FUZZER FOLDER SECONDS SEEDS…    SEEDS…: the command that writes the seeds into the folder that is its last word
#     run.sh all BUILD SECONDS               the long run: every fuzzer of this build, so many seconds each
set -eu
[ $# -ge 3 ] || { sed -n 's/^# \{0,1\}//; 5,6p' "$0" >&2; exit 2; }
if [ "$1" = all ]; then
	POSTERN_FUZZ_SECONDS=$3 exec ctest --test-dir "$2" -R '^unit\.fuzz\.' --verbose --timeout $(($3 + 600))
fi
fuzzer=$1 folder=$2 seconds=${POSTERN_FUZZ_SECONDS:-$3}
shift 3
[ -x "$fuzzer" ] || { echo "fuzz: $fuzzer was not built: clang lacks libFuzzer (tools/packages --install, package libclang-rt-dev)" >&2; exit 1; }
mkdir -p "$folder/corpus" "$folder/crashes"
"$@" "$folder/seeds"
exec "$fuzzer" -max_total_time="$seconds" -max_len="${POSTERN_FUZZ_MAX_LEN:-1600}" -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
	-artifact_prefix="$folder/crashes/" "$folder/corpus" "$folder/seeds"

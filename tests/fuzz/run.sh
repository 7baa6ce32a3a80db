#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the parser from the seeds and from what earlier runs found; ends with 1 at the first broken rule or bad access,
# and keeps that frame.
#
#     run.sh FUZZER WRITE_SEEDS FOLDER [SECONDS]    10 seconds if left out; the long run is run.sh … 3600
set -eu
[ $# -ge 3 ] || { sed -n 's/^# \{0,1\}//; 3,6p' "$0" >&2; exit 2; }
fuzzer=$1 write_seeds=$2 folder=$3 seconds=${4:-10}
[ -x "$fuzzer" ] || { echo "fuzz: $fuzzer was not built: clang lacks libFuzzer (tools/packages --install, package libclang-rt-dev)" >&2; exit 1; }
mkdir -p "$folder/corpus" "$folder/crashes"
"$write_seeds" "$folder/seeds"
exec "$fuzzer" -max_total_time="$seconds" -max_len=1600 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
	-artifact_prefix="$folder/crashes/" "$folder/corpus" "$folder/seeds"

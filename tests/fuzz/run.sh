#!/usr/bin/env bash
# Runs one fuzz target for a bounded time or number of inputs, and says with a line of JSON how many
# it executed. Fails if it found something, and if it executed nothing.
#
# usage: run.sh [LIBFUZZER OPTIONS] -- PROGRAM FINDS [LIBFUZZER OPTIONS]
#   FINDS  where inputs that reach new code are kept; what fails goes beside it, into FINDS.failed,
#          or other processes that run the target would fail by it too; "none": nowhere
set -euo pipefail

options=()
while [ "$1" != -- ]; do
    options+=("$1")
    shift
done
program=$2
finds=$3
shift 3
options+=("$@")
name=$(basename "$program")
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

arguments=(-print_final_stats=1 -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=512)
read -r bytes < <(awk -v name="$name" '$1 == name { print $3 }' "$home/targets.txt") ||
    { echo "run.sh: $name is not in tests/fuzz/targets.txt" >&2 && exit 1; }
arguments+=("-max_len=$bytes")
if [ -e "$home/dictionaries/$name.dict" ]; then
    arguments+=("-dict=$home/dictionaries/$name.dict")
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
corpus=()
if [ "$finds" = none ]; then
    finds=$folder/finds
    mkdir "$finds"
    corpus+=("$finds")
else
    mkdir -p "$finds"
    corpus+=("$finds")
fi
if [ -d "$home/corpus/$name" ]; then
    corpus+=("$home/corpus/$name")
fi

# What was freed stays poisoned for a while, but not so long that most time goes into fresh pages.
export ASAN_OPTIONS=quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}
failed=$finds.failed
mkdir -p "$failed"
touch "$folder/begin"
begin=$(date +%s%N)
status=0
"$program" "${arguments[@]}" "${options[@]}" "-artifact_prefix=$failed/$name-" "${corpus[@]}" \
    >"$log" 2>&1 </dev/null || status=$?
seconds=$(awk -v ns="$(($(date +%s%N) - begin))" 'BEGIN { printf "%.1f", ns / 1e9 }')
executions=$(awk '/^stat::number_of_executed_units:/ { print $2 }' "$log")
executions=${executions:-0}

if [ "$status" -ne 0 ]; then
    tail -n 60 "$log"
    find "$failed" -maxdepth 1 -name "$name-*" -newer "$folder/begin" -size -5k |
        while read -r input; do
            printf '%s, to be kept in tests/fuzz/corpus/%s once mended:\n' "$input" "$name"
            base64 "$input"
        done
elif [ "$executions" -eq 0 ]; then
    tail -n 20 "$log"
    printf '%s executed nothing\n' "$name"
    status=1
fi
printf '{"torture":"fuzz","target":"%s","executions":%s,"seconds":%s,"crashes":%s}\n' \
    "$name" "$executions" "$seconds" "$((status == 0 ? 0 : 1))"
exit "$status"

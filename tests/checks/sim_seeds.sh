#!/usr/bin/env bash
# Runs the simulator for the seeds from FIRST to LAST. On a failure the simulator prints what to
# type to see it again. That all seeds were run and that blocks were committed in them is read from
# its summary, and so are the changes of the validator set: a simulator that does nothing finds
# nothing. Where sets change and there are enough seeds, each class of faults and each habit of a
# liar must have been seen as well.
#
# usage: sim_seeds.sh SIMULATOR FIRST LAST VALIDATORS|changes
set -euo pipefail

simulator=$1 first=$2 last=$3
if [ "$4" = changes ]; then
    arguments=(--changes --jobs 2)
    # So many see every class of faults, every habit of a liar and every kind of change.
    if [ $((last - first)) -ge 299 ]; then
        arguments+=(--all-marks)
    fi
else
    arguments=(--validators "$4")
fi
status=0
output=$("$simulator" --seeds "$first..$last" "${arguments[@]}" 2>&1) || status=$?
printf '%s\n' "$output" | tail -n 60
if [ "$status" -ne 0 ]; then
    exit 1
fi
count=$((last - first + 1))
if ! [[ $output =~ (^|$'\n')$count\ seeds, ]]; then
    echo "expected a summary of $count seeds"
    exit 1
fi
if ! [[ $output =~ \ ([0-9]+)\ blocks ]] || [ "${BASH_REMATCH[1]}" -lt "$count" ]; then
    echo "expected at least a block for each seed"
    exit 1
fi
if [ "$4" = changes ] &&
    { ! [[ $output =~ ([0-9]+)\ changes\ of ]] || [ "${BASH_REMATCH[1]}" -lt "$count" ]; }; then
    echo "expected at least a change of the set for each seed"
    exit 1
fi

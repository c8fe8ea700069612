#!/usr/bin/env bash
# Runs the simulator for each seed from FIRST to LAST. The simulator prints, on a failure, what to
# type to see it again.
#
# usage: sim_seeds.sh SIMULATOR FIRST LAST VALIDATORS
set -euo pipefail

simulator=$1 first=$2 last=$3 validators=$4
for ((seed = first; seed <= last; seed++)); do
    if ! output=$("$simulator" --seed "$seed" --validators "$validators" 2>&1); then
        printf '%s\n' "$output" | tail -n 60
        printf 'seed %d failed; to see it again: ./dev sim --seed %d --validators %d\n' \
            "$seed" "$seed" "$validators"
        exit 1
    fi
done
printf 'seeds %d to %d with %d validators: no violation\n' "$first" "$last" "$validators"

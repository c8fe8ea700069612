#!/usr/bin/env bash
# Stores that skip their syncs, and nodes that speak too early, must be found out: each of these
# mistakes on purpose must make power_loss fail, and say how to see that again. What the power has
# left may also end the process: with seed 3 an assertion of LMDB's does, while the next life is
# recorded, and with seed 9 a page that is not in the file, while an image is judged.
set -euo pipefail

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for pair in no-sync:chain no-meta-sync:chain data-unsynced:chain folder-unsynced:chain \
    journal-unsynced:chain sent-early:chain no-sync:broadcast:1 no-sync:broadcast:3 \
    no-sync:broadcast:9 folder-unsynced:broadcast lines-unsynced:broadcast \
    told-early:broadcast told-early:attested; do
    IFS=: read -r fault workload seed <<<"$pair"
    status=0
    "$program" --images 400 --workload "$workload" --seed "${seed:-1}" --fault "$fault" \
        --keep "$folder/kept" >"$folder/output" || status=$?
    if [ "$status" -ne 1 ] || ! grep -q '^VIOLATED' "$folder/output"; then
        echo "the fault '$pair' was not found (status $status):"
        cat "$folder/output"
        exit 1
    fi
    # The command that it prints shows the same again.
    again=$(sed -n 's/^to see it again: power_loss //p' "$folder/output" | head -1)
    status=0
    # shellcheck disable=SC2086 # words
    "$program" $again --keep "$folder/kept" >"$folder/again" || status=$?
    first=$(grep -m 1 '^VIOLATED' "$folder/output" | sed 's|/[^ ]*/ingot-power-[^/]*||')
    if [ "$status" -ne 1 ] ||
        ! sed 's|/[^ ]*/ingot-power-[^/]*||' "$folder/again" | grep -qF "$first"; then
        echo "'$again' does not show '$first' again:"
        cat "$folder/again"
        exit 1
    fi
    echo "found: $pair: $first"
done

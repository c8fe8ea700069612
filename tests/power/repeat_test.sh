#!/usr/bin/env bash
# A seed and a place name an image, so the same must happen in every process: where its memory lies,
# what is in it, and what time it is must not show.
set -euo pipefail

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# What was recorded, and how many images came of it.
run() {
    "$program" --workload "$1" --seed "$2" --images 40 --keep "$folder/kept" >"$folder/output" || {
        cat "$folder/output"
        return 1
    }
    sed -n 's/"seconds":[0-9.]*,//p' "$folder/output"
}

for pair in broadcast:1 broadcast:2 broadcast:3 broadcast:4 lagging:1 powerless:1 attested:1; do
    once=$(run "${pair%:*}" "${pair#*:}")
    again=$(MALLOC_PERTURB_=165 MALLOC_MMAP_THRESHOLD_=9000 run "${pair%:*}" "${pair#*:}")
    if [ "$once" != "$again" ]; then
        printf 'workload %s, seed %s differs between two runs:\n%s\n%s\n' "${pair%:*}" "${pair#*:}" \
            "$once" "$again"
        exit 1
    fi
    echo "$pair: $once"
done

#!/usr/bin/env bash
# Whatever reads bytes from outside has a fuzz target, and whatever is in the tables is there:
# tests/fuzz/targets.txt, and tests/fuzz/readers.txt that says which target is about which reader.
#
# usage: fuzz_targets.sh [BUILD FOLDER]: with the folder, each target has a program there too
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${1:-}
failed=0
complain() {
    printf '%s\n' "$1"
    failed=1
}

mapfile -t targets < <(awk '/^[a-z]/ { print $1 }' tests/fuzz/targets.txt)
[ "${#targets[@]}" -gt 0 ] || complain 'tests/fuzz/targets.txt names no target'
for target in "${targets[@]}"; do
    [ -e "tests/fuzz/$target.c" ] || complain "$target: there is no tests/fuzz/$target.c"
    [ -n "$(find "tests/fuzz/corpus/$target" -type f 2>/dev/null | head -n 1)" ] ||
        complain "$target: nothing to begin with in tests/fuzz/corpus/$target"
    if [ "$(find "tests/fuzz/corpus/$target" -type f -size +8 2>/dev/null | wc -l)" -gt 0 ]; then
        complain "$target: a file of its corpus has more than 4 KiB"
    fi
    if [ -n "$build" ] && [ ! -x "$build/$target" ]; then
        complain "$target: was not built"
    fi
    awk -v target="$target" '/^[a-z]/ && $2 == target { found = 1 } END { exit !found }' \
        tests/fuzz/readers.txt || complain "$target: tests/fuzz/readers.txt does not say what it reads"
done
is_target() {
    [[ " ${targets[*]} " == *" $1 "* ]]
}
for source in tests/fuzz/*_fuzz.c; do
    is_target "$(basename "$source" .c)" ||
        complain "$source: not in tests/fuzz/targets.txt"
done
for dictionary in tests/fuzz/dictionaries/*; do
    is_target "$(basename "$dictionary" .dict)" ||
        complain "$dictionary: of no target"
done

# Readers are known by their names: they decode, parse, feed, unseal or unpack. The table has others besides.
mapfile -t readers < <(
    find src app storage include -name '*.h' -print0 |
        xargs -0 grep -hoE '\b[a-z0-9_]+_(decode|parse|feed|unseal|unpack)(_[a-z0-9_]+)?\(' |
        tr -d '(' | grep -vE '_(deinit|free|new|init|reset|end)$' | sort -u
)
for reader in "${readers[@]}"; do
    grep -qE "^$reader +" tests/fuzz/readers.txt ||
        complain "$reader: tests/fuzz/readers.txt names no target for it"
done
while read -r reader target _; do
    grep -qrE --include='*.h' "\b$reader\(" src app storage include ||
        complain "tests/fuzz/readers.txt: no header declares $reader"
    is_target "$target" ||
        complain "tests/fuzz/readers.txt: $reader: there is no target $target"
done < <(grep -E '^[a-z]' tests/fuzz/readers.txt)
exit "$failed"

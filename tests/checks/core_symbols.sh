#!/usr/bin/env bash
# The core is a function of its inputs: its archive may refer only to what core_symbols.allow
# lists, and may hold no variable that outlives a call.
#
# usage: core_symbols.sh ARCHIVE
set -euo pipefail

archive=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

grep -v '^#' "$here/core_symbols.allow" | sort -u >"$scratch/allowed"
nm --defined-only --format=posix "$archive" | awk 'NF >= 2 { print $1 }' | sort -u \
    >"$scratch/defined"
nm --undefined-only --format=posix "$archive" | awk 'NF >= 2 && $2 == "U" { print $1 }' | sort -u \
    >"$scratch/undefined"
if ! [ -s "$scratch/defined" ]; then
    echo "$archive: no symbols; this check has nothing to look at"
    exit 1
fi
comm -23 "$scratch/undefined" "$scratch/defined" | comm -23 - "$scratch/allowed" >"$scratch/forbidden"
while read -r symbol; do
    echo "$archive refers to $symbol, which tests/checks/core_symbols.allow does not list; it is in:"
    nm --undefined-only -A "$archive" | awk -v s="$symbol" '$NF == s { print "    " $0 }'
    failed=1
done <"$scratch/forbidden"

# Constant tables of pointers are in .data.rel.ro; everything else under these names is a variable.
size -A "$archive" | awk '
    / :$/ || /^[^ ]+ +\(ex/ { member = $1 }
    $1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
        printf "%s holds %d bytes of variables in %s; state belongs into a struct\n", member, $2, $1
        found = 1
    }
    END { exit found }' || failed=1
exit "$failed"

#!/usr/bin/env bash
# The libraries show the outside ingot_ names and nothing else.
#
# usage: exports.sh SHARED_LIBRARY STATIC_LIBRARY
set -euo pipefail

failed=0
report() { # library, names on stdin
    local library=$1 names
    names=$(awk 'NF >= 2 { print $1 }' | sort -u)
    if ! grep -q '^ingot_' <<<"$names"; then
        echo "$library exports no ingot_ name at all"
        failed=1
    fi
    if grep -v '^ingot_' <<<"$names" | sed "s|^|$library exports |" | grep .; then
        failed=1
    fi
}
report "$1" < <(nm --dynamic --defined-only --format=posix "$1")
report "$2" < <(nm --extern-only --defined-only --format=posix "$2")
exit "$failed"

#!/usr/bin/env bash
# The shell scripts pass shellcheck.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v shellcheck >/dev/null; then
    echo "shellcheck is not installed"
    exit 77
fi
{
    printf '%s\0' dev .ci/run
    for folder in tests bench examples; do
        [ ! -d "$folder" ] || find "$folder" -name node_modules -prune -o -name '*.sh' -print0
    done
    [ ! -d dev.d ] || find dev.d -type f ! -name "*.py" -print0
} | xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR

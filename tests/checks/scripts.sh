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
    find tests bench examples -name node_modules -prune -o -name '*.sh' -print0
    if [ -d dev.d ]; then find dev.d -type f -print0; fi
} | xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR

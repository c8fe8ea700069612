#!/usr/bin/env bash
# Every C file is formatted as .clang-format says. `./dev format` formats them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ]; then
    echo "clang-format is not installed"
    exit 77
fi
mapfile -t folders < <(ls -d include src storage app tests bench examples 2>/dev/null)
find "${folders[@]}" -name node_modules -prune -o -name '*.[ch]' -print0 |
    xargs -0 "$formatter" --dry-run -Werror

#!/usr/bin/env bash
# The table of runs in docs/testing.md is that of docs/torture.jsonl, and the script that makes both
# refuses what it does not know.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dev.d/torture.py --check
status=0
dev.d/torture.py --only nothing --list 2>/dev/null || status=$?
if [ "$status" -ne 2 ]; then
    echo "expected exit status 2 for a part that does not exist, got $status"
    exit 1
fi

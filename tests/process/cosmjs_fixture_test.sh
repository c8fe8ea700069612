#!/usr/bin/env bash
# The tests of cosmjs_test.sh against the listener alone, over a chain in memory that begins at
# height 0: what a client must decode before the first block is certain to be seen here.
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
urls=$(mktemp)
"${INGOT_BUILD_DIR:?names the build folder with rpc_fixture}/rpc_fixture" 0 0 >"$urls" &
fixture=$!
trap 'kill "$fixture" 2>/dev/null || true; rm -f "$urls"' EXIT

for _ in $(seq 100); do
    [ -s "$urls" ] && break
    sleep 0.1
done
INGOT_RPC_URL=$(cat "$urls") bash "$source_dir/cosmjs_test.sh"

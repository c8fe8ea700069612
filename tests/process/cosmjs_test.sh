#!/usr/bin/env bash
# Runs the tests in tests/process/cosmjs, which use the npm client @cosmjs/tendermint-rpc, against
# a network of four validators of the kv app. With $INGOT_RPC_URL set, against that node instead.
#
#     INGOT_PROGRAM=build/release/ingot tests/process/cosmjs_test.sh
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=${INGOT_PROGRAM:-${INGOT:-$source_dir/../../build/release/ingot}}
work=$(mktemp -d "${TMPDIR:-/tmp}/ingot-cosmjs.XXXXXX")
pids=()

finish() {
    local status=$?
    trap - EXIT
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        for log in "$work"/node*.log; do
            [ -e "$log" ] && echo "--- $log" && tail -n 20 "$log"
        done
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is missing: ./dev setup installs it" >&2
        exit 1
    fi
done

# The client is installed outside the source tree, once for each build.
install="${INGOT_BUILD_DIR:-$work}/cosmjs"
mkdir -p "$install"
cp "$source_dir"/cosmjs/cosmjs.test.mjs "$install"
if ! cmp -s "$source_dir/cosmjs/package-lock.json" "$install/installed-lock.json"; then
    cp "$source_dir"/cosmjs/package.json "$source_dir"/cosmjs/package-lock.json "$install"
    (cd "$install" && npm ci --no-audit --no-fund --loglevel=error)
    cp "$install/package-lock.json" "$install/installed-lock.json"
fi

# A port P such that P to P+7 are free.
free_ports() {
    node -e '
        const net = require("node:net");
        const listen = (port) => new Promise((resolve, reject) => {
            const server = net.createServer().once("error", reject);
            server.listen(port, "127.0.0.1", () => resolve(server));
        });
        (async () => {
            for (let tries = 0; tries < 100; tries++) {
                const base = 20000 + Math.floor(Math.random() * 5000) * 2;
                const open = [];
                try {
                    for (let i = 0; i < 8; i++) open.push(await listen(base + i));
                    console.log(base);
                    return;
                } catch {
                } finally {
                    for (const server of open) server.close();
                }
            }
            process.exit(1);
        })();'
}

# Until the node at $1 has peers and is not catching up: at most 30 seconds.
await_ready() {
    for _ in $(seq 300); do
        if curl -s -m 2 "$1/status" | grep '"catching_up":false' >/dev/null &&
            curl -s -m 2 "$1/net_info" | grep '"n_peers":"3"' >/dev/null; then
            return
        fi
        sleep 0.1
    done
    echo "the node at $1 did not come up" >&2
    exit 1
}

url=${INGOT_RPC_URL:-}
if [ -z "$url" ]; then
    base=$(free_ports)
    "$program" testnet --validators 4 --output "$work/net" --app kv --base-port "$base"
    for i in 0 1 2 3; do
        "$program" node --home "$work/net/node$i" 2>"$work/node$i.log" &
        pids+=($!)
    done
    url="http://127.0.0.1:$((base + 1))"
    await_ready "$url"
fi

cd "$install"
INGOT_RPC_URL=$url node --test cosmjs.test.mjs

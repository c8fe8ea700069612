#!/usr/bin/env bash
# `ingot bench` from the outside: its result has the keys that programs rely on, and whatever
# happens, no process and no file of its network is left.
set -euo pipefail

ingot=${INGOT_PROGRAM:?}
work=$(mktemp -d)
network=
cleanup() {
    if [ -n "$network" ]; then
        kill "$network" 2>/dev/null || true
        wait "$network" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

fail() {
    printf 'bench_test: %s\n' "$*" >&2
    exit 1
}

# Processes that have the temporary folder in their command line: nodes of a bench.
nodes() {
    pgrep -f -- "--home $TMPDIR/" || true
}

expect_nothing_left() {
    [ -z "$(nodes)" ] || fail "$1: nodes are left"
    [ -z "$(ls -A "$TMPDIR")" ] || fail "$1: files are left: $(ls -A "$TMPDIR")"
}

# await WHAT COMMAND ...: until the command succeeds, 60 s at most.
await() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        if "$@"; then
            return
        fi
        sleep 0.1
    done
    fail "waited in vain for $what"
}

# check FILE APP VALIDATORS TX-BYTES [SUBMISSION]: a result that says what it has to say.
check() {
    python3 - "$@" <<'PYTHON'
import json, sys
result = json.load(open(sys.argv[1]))
assert result["committed_tx_per_s"] > 0, result
latency = result["latency_ms"]
assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"], result
assert result["durable"] is True, result
assert result["app"] == sys.argv[2], result
assert result["validators"] == int(sys.argv[3]), result
assert result["tx_bytes"] == int(sys.argv[4]), result
expected = sys.argv[5] if len(sys.argv) > 5 else "binary"
assert result["load"]["submission"] == expected, result
assert result["generator_nice"] >= 0, result
assert set(result["errors"]) == {"mempool_full", "refused", "timeout", "lost"}, result
assert sum(result["errors"].values()) == 0, result
machine = result["machine"]
for key in ("ed25519_verifies_per_s", "ed25519_signs_per_s", "synced_commits_per_s"):
    assert machine[key] > 0, result
assert machine["loopback"]["round_trips_per_s"] > 0, result
PYTHON
}

# A closed loop and an open one, on networks of its own, as bytes and as calls. The niceness is the
# generator's alone.
"$ingot" bench --app null --clients 4 --outstanding 300 --tx-bytes 16 --nice 19 --seconds 2 \
    --warmup 1 --json >"$work/closed"
check "$work/closed" null 4 16
grep -q '"generator_nice": 19' "$work/closed" || fail "niceness: $(cat "$work/closed")"
expect_nothing_left "closed loop"
"$ingot" bench --app kv --validators 1 --rate 100 --seconds 2 --warmup 1 --json >"$work/open"
check "$work/open" kv 1 128
expect_nothing_left "open loop"
"$ingot" bench --app null --http --clients 4 --outstanding 8 --seconds 2 --warmup 1 --json \
    >"$work/http"
check "$work/http" null 4 128 json-rpc
"$ingot" bench --app kv --validators 1 --http --rate 100 --seconds 2 --warmup 1 --json \
    >"$work/open-http"
check "$work/open-http" kv 1 128 json-rpc
expect_nothing_left "JSON-RPC"

# Attestations, of the App that makes some, and not of another.
"$ingot" bench --app signing --attest --clients 4 --outstanding 2 --seconds 2 --warmup 1 --json \
    >"$work/attest"
check "$work/attest" signing 4 34 json-rpc
status=0
"$ingot" bench --app null --attest --seconds 1 2>"$work/errors" || status=$?
[ "$status" -eq 2 ] || fail "attestations of null: exit status $status"
expect_nothing_left "attestations"

# A network that is there; it is left as it was. `ingot local` has the address on its lines.
"$ingot" local --validators 1 --app kv --base-port 11870 >"$work/local" 2>&1 &
network=$!
await "the network" grep -qs 'clients http' "$work/local"
url=$(grep -o -m1 'http://[0-9.:]*' "$work/local")
await "a node" "$ingot" status --node "$url" >"$work/status" 2>&1
"$ingot" bench --node "$url" --clients 2 --outstanding 2 --seconds 1 --warmup 0 --json >"$work/node"
check "$work/node" kv 1 128
"$ingot" status --node "$url" >/dev/null || fail "the network is gone"
kill "$network"
wait "$network" || true
network=
rm -rf "$TMPDIR"/ingot-local-*
expect_nothing_left "another's network"

# Ctrl-C in the middle.
"$ingot" bench --app null --seconds 600 --json >"$work/interrupted" 2>"$work/errors" &
network=$!
has_nodes() {
    [ "$(nodes | wc -l)" -eq 4 ]
}
await "four nodes" has_nodes
kill -INT "$network"
status=0
wait "$network" || status=$?
network=
[ "$status" -eq 1 ] || fail "interrupted: exit status $status"
[ ! -s "$work/interrupted" ] || fail "interrupted: a result all the same"
expect_nothing_left "interrupted"

# A validator that dies makes the run void.
"$ingot" bench --app null --seconds 600 >"$work/died" 2>"$work/errors" &
network=$!
await "four nodes" has_nodes
kill -9 "$(nodes | head -n 1)"
status=0
wait "$network" || status=$?
network=
[ "$status" -eq 1 ] || fail "a dead validator: exit status $status"
grep -q 'ended: killed by signal 9' "$work/errors" || fail "a dead validator: $(cat "$work/errors")"
expect_nothing_left "a dead validator"

# Nobody there, and a command line that contradicts itself.
status=0
"$ingot" bench --node http://127.0.0.1:1 2>"$work/errors" || status=$?
[ "$status" -eq 1 ] || fail "nobody there: exit status $status"
status=0
"$ingot" bench --rate 10 --clients 2 2>"$work/errors" || status=$?
[ "$status" -eq 2 ] || fail "rate and clients: exit status $status"
status=0
"$ingot" bench --http --outstanding 257 2>"$work/errors" || status=$?
[ "$status" -eq 2 ] || fail "too many calls in a batch: exit status $status"
expect_nothing_left "refused"

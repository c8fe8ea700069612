#!/usr/bin/env bash
# The subcommands against a running network: `ingot local` and the nodes it starts, kv, status, and
# the exit statuses of `ingot node`.
#
#     INGOT_PROGRAM=build/release/ingot tests/process/cli_network_test.sh
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ingot=${INGOT_PROGRAM:-${INGOT:-$source_dir/build/release/ingot}}
ingot=$(realpath "$ingot")
work=$(mktemp -d "${TMPDIR:-/tmp}/ingot-network.XXXXXX")
network=0

finish() {
    local status=$?
    trap - EXIT
    if [ "$network" -ne 0 ]; then
        kill "$network" 2>/dev/null || true
        wait "$network" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ]; then
        tail -n 20 "$work"/*.out "$work"/net/node*/node.log 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
cd "$work"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# expect STATUS TEXT ARGUMENTS...: as in cli_flags_test.sh, but the first failure ends the test.
expect() {
    local status=$1 text=$2 actual=0
    shift 2
    timeout 60 "$ingot" "$@" >output 2>&1 </dev/null || actual=$?
    if [ "$actual" -ne "$status" ] || ! grep -qF -- "$text" output; then
        cat output
        fail "ingot $*: expected status $status and '$text', found status $actual"
    fi
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "not within the time: $*"
        sleep 0.05
    done
}

# Eight free ports in a row, below those that the system gives out by itself.
base=$(python3 - <<'PYTHON'
import random, socket
while True:
    base = random.randrange(10000, 30000, 2)
    sockets = []
    try:
        for port in range(base, base + 8):
            s = socket.socket()
            sockets.append(s)
            s.bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for s in sockets:
            s.close()
    print(base)
    break
PYTHON
)
url() {
    echo "http://127.0.0.1:$((base + 2 * $1 + 1))"
}
height() {
    "$ingot" status --json --node "$(url "$1")" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["sync_info"]["latest_block_height"])'
}
is_above() {
    [ "$(height "$1")" -gt "$2" ]
}
pid_of() {
    sed -n "s/^node$1  pid \([0-9]*\) .*/\1/p" local.out
}
has_peers() {
    "$ingot" status --node "$(url "$1")" | grep -qx 'peers        3'
}
start_network() {
    "$ingot" local --output net --app kv --base-port "$base" >local.out 2>local.err &
    network=$!
    for node in 0 1 2 3; do
        wait_for 20 has_peers "$node"
    done
}
stop_network() {
    local status=0
    kill -TERM "$network"
    wait "$network" || status=$?
    network=0
    [ "$status" -eq 0 ] || fail "ingot local ended with $status"
}

# --- A network is made, takes transactions at any node, and shows them at all. ---
start_network
expect 0 'committed at height ' kv put name satoshi --node "$(url 0)"
expect 0 'committed at height ' kv put name satoshi --node "$(url 1)" # the same again is no error
for node in 0 1 2 3; do
    shows() { [ "$("$ingot" kv get name --node "$(url "$node")")" = satoshi ]; }
    wait_for 10 shows
done
expect 0 'committed at height ' kv put 'a=b c' '' --node "$(url 2)"
expect 0 '' kv get 'a=b c' --node "$(url 2)"
expect 0 'committed at height ' kv delete name --node "$(url 3)"
expect 1 'name: does not exist' kv get name --node "$(url 3)"
expect 1 'committed without effect' kv delete name --node "$(url 3)"
expect 0 '"network": ' status --json --node "$(url 1)"
expect 0 'peers        3' status --node "$(url 1)"
check_lines() { grep -qE '^nodes=4/4 height=[0-9]+ view=[0-9]+ leader=node[0-3] peers=3 tx/s=' local.out; }
wait_for 10 check_lines

# --- An import, again, and changed in one place. ---
for i in $(seq 1 1000); do printf 'key%d\tvalue of %d\n' "$i" "$i"; done >import.tsv
expect 0 '1000 keys: 1000 committed, 0 already there, 0 refused' kv import import.tsv --node "$(url 0)"
expect 0 '1000 keys: 0 committed, 1000 already there, 0 refused' kv import import.tsv --node "$(url 0)"
printf 'key500\tanother\n' >>import.tsv
expect 0 '1000 keys: 1 committed, 999 already there' kv import import.tsv --node "$(url 0)" \
    --node "$(url 1)"
expect 0 'another' kv get key500 --node "$(url 0)"
printf 'empty\t\n' >empty.tsv
expect 0 '1 keys: 1 committed, 0 already there' kv import empty.tsv --node "$(url 0)"
expect 0 '1 keys: 0 committed, 1 already there' kv import empty.tsv --node "$(url 0)"

# --- A child that is killed is shown, and the others go on. ---
kill -KILL "$(pid_of 2)"
wait_for 10 grep -qF 'node2 ended: killed by signal 9' local.err
wait_for 10 grep -qE '^nodes=3/4 .*heights=[0-9]+,[0-9]+,-,[0-9]+$' local.out
before=$(height 0)
wait_for 20 is_above 0 "$before"
expect 0 'committed at height ' kv put after kill --node "$(url 0)"

# --- One node by hand: SIGTERM, a locked folder, ports in use. ---
"$ingot" node --home net/node2 --log-format json >node2.out 2>&1 &
node2=$!
wait_for 20 "$ingot" status --node "$(url 2)"
shows_kill() { [ "$("$ingot" kv get after --node "$(url 2)")" = kill ]; }
wait_for 20 shows_kill
expect 4 'net/node2' node --home net/node2
cp -a net/node2 other
rm -rf other/data
expect 1 "$((base + 4))" node --home other
kill -TERM "$node2"
status=0
wait "$node2" || status=$?
[ "$status" -eq 0 ] || fail "ingot node ended with $status after SIGTERM"
python3 -c 'import json, sys; [json.loads(line) for line in open("node2.out")]' ||
    fail 'a log line is not JSON'

# --- Damaged data. ---
rm -rf damaged
cp -a net/node2 damaged
head -c 100 /dev/zero | dd of=damaged/data/data.mdb conv=notrunc status=none
expect 3 'damaged/data' node --home damaged
rm -rf foreign
cp -a net/node2 foreign
sed -i 's/"leader_tenure": 16/"leader_tenure": 5/' foreign/genesis.json
expect 3 'chain' node --home foreign

# --- SIGTERM stops all; the same folder goes on where it was. ---
before=$(height 0)
stop_network
for node in 0 1 2 3; do
    ! "$ingot" status --node "$(url "$node")" >/dev/null 2>&1 || fail "node$node survived"
done
start_network
[ "$(height 0)" -ge "$before" ] || fail 'the chain went back'
expect 0 'kill' kv get after --node "$(url 0)"

# --- Children die with their parent, however it dies. ---
pids=()
for node in 0 1 2 3; do pids+=("$(pid_of "$node")"); done
kill -KILL "$network"
wait "$network" 2>/dev/null || true
network=0
for pid in "${pids[@]}"; do
    is_gone() { ! kill -0 "$pid"; }
    wait_for 10 is_gone
done

# --- A lone validator that never waits keeps few blocks, hears clients, and ends when told. ---
expect 0 '' testnet --validators 1 --output lone --base-port "$base"
sed -i 's/^# empty_block_interval_ms = .*/empty_block_interval_ms = 0/
    s/^# retain_blocks = .*/retain_blocks = 258/' lone/node0/config.ini
"$ingot" node --home lone/node0 >lone.out 2>&1 &
network=$!
# Not grep -q, which ends at the first match, so that a client still writing would be what fails.
is_pruned() { curl --silent --max-time 5 "$(url 0)/metrics" | grep -E '^ingot_height_lowest [1-9]' >/dev/null; }
wait_for 60 is_pruned
curl --silent --max-time 5 "$(url 0)/block?height=1" |
    grep -qF 'height 1 is not available, lowest height is ' || fail 'a pruned block was shown'
stop_network
sed -i 's/^retain_blocks = .*/retain_blocks = 257/' lone/node0/config.ini
expect 2 'retain_blocks: expected 0 (all), or at least 258' node --home lone/node0

# --- A network that cannot run says so. ---
printf '%s\n' '[nonsense]' >>net/node1/config.ini
expect 2 'net/node1/config.ini' local --output net
echo 'all fine'

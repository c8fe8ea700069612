#!/usr/bin/env bash
# Flags, messages and exit statuses of every subcommand, as far as they need no network.
#
#     INGOT_PROGRAM=build/release/ingot tests/process/cli_flags_test.sh
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ingot=${INGOT_PROGRAM:-${INGOT:-$source_dir/build/release/ingot}}
ingot=$(realpath "$ingot")
work=$(mktemp -d "${TMPDIR:-/tmp}/ingot-flags.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
checks=0

# expect STATUS TEXT ARGUMENTS...: the program ends with the status, and what it prints, on either
# stream, contains the text.
expect() {
    local status=$1 text=$2 actual=0
    shift 2
    checks=$((checks + 1))
    timeout 20 "$ingot" "$@" >output 2>&1 </dev/null || actual=$?
    if [ "$actual" -ne "$status" ] || ! grep -qF -- "$text" output; then
        printf 'ingot %s\n  expected status %s and: %s\n  found status %s and:\n' "$*" "$status" \
            "$text" "$actual"
        sed 's/^/    /' output
        failed=1
    fi
}

check() {
    checks=$((checks + 1))
    if ! "$@"; then
        printf 'expected: %s\n' "$*"
        failed=1
    fi
}

# The program itself.
expect 2 'usage: ingot COMMAND'
expect 0 'usage: ingot COMMAND' --help
expect 0 'usage: ingot COMMAND' help
expect 0 'usage: ingot testnet' help testnet
expect 2 "unknown command 'nod'" nod
expect 0 'ingot 0.' --version
for command in testnet init node local sign kv validator status evidence backup checkpoint keygen verify version; do
    expect 0 "usage: ingot $command" "$command" --help
    expect 0 "usage: ingot $command" "$command" -h
    expect 2 "unrecognized option '--no-such-flag'" "$command" --no-such-flag
    expect 2 "Try 'ingot $command --help'." "$command" --no-such-flag
done

expect 0 'ingot 0.' version
expect 2 "unexpected argument 'x'" version x

# What a file says moves no cursor and forges no line.
printf '{"type":"ingot/attestation/1","\\u001b[2J\\nverified: all":""}' >forged
expect 1 'refused: forged: ?[2J?verified: all: unknown member' verify forged forged \
    --genesis "$source_dir/configuration/node0/genesis.json"
printf 'key\033[2Junreadable' >forged
expect 2 '?[2J' verify $'no\033[2Jfile' forged \
    --genesis "$source_dir/configuration/node0/genesis.json"
check [ "$(tr -cd '\033' <output | wc -c)" -eq 0 ]

# keygen
expect 0 'public key  ' keygen
check [ "$(stat -c %a validator.key)" = 600 ]
cp validator.key before.key
expect 2 'validator.key: cannot be written: File exists' keygen
check cmp -s validator.key before.key
expect 0 'address     ' keygen --force
check test ! "$(cat validator.key)" = "$(cat before.key)"
expect 0 'file        t.key' keygen --kind transport --output t.key
check grep -qx 'ingot-key-1 transport' t.key
expect 0 'file        administrator.key' keygen --kind administrator
check grep -qx 'ingot-key-1 administrator' administrator.key
check [ "$(stat -c %a administrator.key)" = 600 ]
expect 0 'file        submitter.key' keygen --kind submitter
check grep -qx 'ingot-key-1 submitter' submitter.key
expect 2 "--kind: expected validator, transport, administrator or submitter, found 'x'" keygen --kind x
expect 1 'No such file or directory' keygen --output no/such/folder/key
# What is no file is not replaced by one: root could lose /dev/stdout by it.
ln -s t.key link.key
mkfifo pipe.key
mkdir folder.key
for name in link.key pipe.key folder.key; do
    expect 1 "$name: cannot be written: expected a regular file, or none of that name" \
        keygen --force --output "$name"
done
check [ -L link.key ]
check [ -p pipe.key ]
expect 2 "option '--kind' requires an argument" keygen --kind
expect 2 "unexpected argument 'x'" keygen x

# testnet
expect 2 '--validators is missing' testnet --output net
expect 2 '--output is missing' testnet --validators 4
expect 2 "--validators: expected 1 to 256, found '0'" testnet --validators 0 --output net
expect 2 "--validators: expected 1 to 256, found '257'" testnet --validators 257 --output net
expect 2 "--validators: expected 1 to 256, found '4x'" testnet --validators 4x --output net
expect 2 "--app: expected signing, kv or null, found 'sql'" testnet --validators 4 --output net --app sql
expect 2 "--base-port: expected 1 to 65535, found '0'" testnet --validators 4 --output net --base-port 0
expect 2 'expected room for two ports' testnet --validators 4 --output net --base-port 65530
expect 2 '--powers: expected 4 numbers' testnet --validators 4 --output net --powers 1,2,3
expect 2 '--powers: expected 4 numbers' testnet --validators 4 --output net --powers 1,2,3,0
expect 2 '--powers: expected 4 numbers' testnet --validators 4 --output net --powers 1,2,3,4,5
expect 2 'total power of at most' testnet --validators 2 --output net --powers 1152921504606846976,1
expect 2 'chain_id: expected 1 to 50 characters' testnet --validators 1 --output net --chain-id 'a b'
expect 2 '--genesis-time: expected a time' testnet --validators 1 --output net --genesis-time now
check test ! -e net
expect 1 'the folder cannot be made: No such file or directory' testnet --validators 1 --output a/b/c
expect 0 'net/node3  peers 127.0.0.1:28656  clients http://127.0.0.1:28657' testnet --validators 4 \
    --output net --base-port 28650 --powers 1,2,3,4 --chain-id a-chain --app null
check [ "$(stat -c %a net/node2/validator.key net/node2/transport.key | sort -u)" = 600 ]
check cmp -s net/node0/genesis.json net/node3/genesis.json
check cmp -s net/node0/peers net/node3/peers
check grep -q '"power": "4"' net/node0/genesis.json
expect 2 'net: expected an empty folder, or none of that name' testnet --validators 4 --output net
mkdir empty
expect 0 'empty/node0' testnet --validators 1 --output empty
check test ! -e net/administrator.key # the null App has no use for one
check [ "$(stat -c %a empty/administrator.key)" = 600 ]
check grep -q "\"administrator\": \"$(sed -n 's/^public //p' empty/administrator.key)\"" \
    empty/node0/genesis.json

# init: the home of one more node of that network.
new_home() {
    rm -rf new
    expect "$1" "$2" init --home new --genesis net/node0/genesis.json --peers net/node0/peers "${@:3}"
}
expect 2 '--home is missing' init --genesis net/node0/genesis.json --peers net/node0/peers
expect 2 '--genesis is missing' init --home new --peers net/node0/peers
expect 2 '--peers is missing' init --home new --genesis net/node0/genesis.json
new_home 2 "unexpected argument 'x'" x
new_home 2 "--listen: expected host:port, with a port of 1 to 65535" --listen 127.0.0.1
new_home 2 "in brackets, found '127.0.0.1:0'" --listen 127.0.0.1:0
new_home 2 "--address: expected host:port, with a port of 1 to 65535" --address ::1:27650
new_home 2 "--rpc: expected host:port, with a port of 1 to 65535" --rpc 127.0.0.1:65536
new_home 2 '--rpc: expected another address than --listen has' --rpc 127.0.0.1:27650
new_home 2 "--address: expected the host:port at which the other nodes reach this one; 0.0.0.0 stands" \
    --listen 0.0.0.0:28658
new_home 2 'net/node0/peers:3: expected another address for the new node than this peer has, 127.0.0.1:28652' \
    --listen 127.0.0.1:28652
new_home 1 'no-file: cannot be read: No such file' --genesis no-file
new_home 1 'no-file: cannot be read: No such file' --genesis net/node0/genesis.json --peers no-file
new_home 2 'net/node0/peers:1: expected valid JSON' --genesis net/node0/peers
new_home 2 "net/node0/genesis.json:1: expected the peer's transport key" --peers net/node0/genesis.json
printf '# nobody\n' >nobody
new_home 2 'nobody: expected a line for each node of the network, found none' --peers nobody
check test ! -e new
expect 1 'the folder cannot be made: No such file or directory' init --home no/such/folder \
    --genesis net/node0/genesis.json --peers net/node0/peers
# Fails halfway: the path is so long that a key's file has no room any more, while genesis and
# peers, whose names are shorter, have been written.
mkdir new
long=$(printf 'new'; printf '/%.0s' $(seq 4072))
expect 1 'validator.key: cannot be written: File name too long' init --home "$long" \
    --genesis net/node0/genesis.json --peers net/node0/peers
check test -z "$(ls -A new)"
new_home 0 ' 127.0.0.1:28658 ' --listen 127.0.0.1:28658 --rpc 127.0.0.1:28659
check grep -qx '[0-9a-f]\{64\} 127.0.0.1:28658 [0-9a-f]\{64\}' output
check [ "$(tail -1 output)" = "$(sed -n 's/^public //p' new/transport.key) 127.0.0.1:28658 $(sed -n 's/^public //p' new/validator.key)" ]
check [ "$(stat -c %a new/validator.key new/transport.key | sort -u)" = 600 ]
check cmp -s new/genesis.json net/node0/genesis.json
check cmp -s new/peers net/node0/peers
check grep -qx 'listen = 127.0.0.1:28659' new/config.ini
check grep -qx '# observer = no' new/config.ini
for file in config.ini genesis.json peers validator.key transport.key; do
    rm -rf taken && mkdir taken && echo mine >"taken/$file"
    expect 2 'taken: expected an empty folder, or none of that name' init --home taken \
        --genesis net/node0/genesis.json --peers net/node0/peers
    check [ "$(ls taken) $(cat "taken/$file")" = "$file mine" ]
done
expect 2 'output: expected an empty folder, or none of that name' init --home output \
    --genesis net/node0/genesis.json --peers net/node0/peers
new_home 0 'example.org:443 ' --listen 0.0.0.0:28658 --address example.org:443

# node: what is wrong with a home. Each row breaks one thing in a fresh copy.
expect 2 '--home is missing' node
expect 2 "unexpected argument 'x'" node --home net/node0 x
expect 2 "--log-format: expected plain or json, found 'x'" node --home net/node0 --log-format x
expect 2 "--log-level: expected debug, info, warn, error or none, found 'x'" node --home net/node0 \
    --log-level x
expect 2 "nowhere: no such folder, expected a node's home" node --home nowhere
broken() {
    local text=$1
    shift
    rm -rf home
    cp -a net/node0 home
    (cd home && "$@")
    expect 2 "$text" node --home home
}
broken 'home/config.ini: cannot be read: No such file' rm config.ini
broken 'home/genesis.json: cannot be read: No such file' rm genesis.json
broken 'home/peers: cannot be read: No such file' rm peers
broken 'home/transport.key: cannot be read: No such file' rm transport.key
broken '[node] observer = yes in config.ini' rm validator.key
broken 'type: chmod 600 home/validator.key' chmod 644 validator.key
broken 'type: chmod 600 home/transport.key' chmod 640 transport.key
broken 'home/validator.key:1: expected a validator key, found a transport key' \
    cp transport.key validator.key
broken 'home/config.ini:1: [nod]: unknown section' sed -i '1s/.*/[nod]/' config.ini
broken '[node] data_foldr: unknown key' sed -i 's/^# data_folder/data_foldr/' config.ini
broken "[consensus] base_timeout_ms: expected a whole number from 10 to 60000, found '5s'" \
    sed -i 's/^# base_timeout_ms.*/base_timeout_ms = 5s/' config.ini
broken "[node] app: expected 'null' as in genesis.json, found 'kv'" \
    sed -i 's/^# app.*/app = kv/' config.ini
broken 'home/genesis.json: chain_i: unknown key' sed -i 's/chain_id/chain_i/' genesis.json
broken 'home/genesis.json:3: expected valid JSON' sed -i '2s/,$//' genesis.json
broken "home/peers:2: expected the peer's transport key" sed -i '2s/^./x/' peers
broken "home/peers:3: expected host:port" sed -i '3s/:/ /' peers
broken "expected another node's validator key" sh -c \
    "sed -i '2d' peers && sed -i \"2s/ [0-9a-f]*\\\$/ \$(sed -n 's/^public //p' validator.key)/\" peers"

# Commands for a node, with nobody there.
free_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
url=http://127.0.0.1:$free_port
for bad in 127.0.0.1:1 http://127.0.0.1 https://127.0.0.1:1 http://127.0.0.1:0 http://a:1/x ''; do
    expect 2 "--node: expected http://host:port, found '$bad'" status --node "$bad"
    expect 2 "--node: expected http://host:port, found '$bad'" kv get k --node "$bad"
done
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" status --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" kv put k v --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" kv get k --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" kv delete k --node "$url/"
expect 2 "unexpected argument 'x'" status x
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" evidence --node "$url"
expect 2 "unexpected argument 'x'" evidence x
# sign
printf 'a document\n' >document
head -c 65537 /dev/zero >large
: >nothing
expect 2 'expected FILE, or - for standard input' sign
expect 2 "unexpected argument 'x'" sign document x
expect 2 '--genesis: expected --wait or -o with it' sign document --genesis net/node0/genesis.json
expect 2 "--timeout: expected 1 to 3600, found '0'" sign document --wait --timeout 0
expect 2 "option requires an argument -- 'o'" sign document -o
ln -s document same-document
expect 2 "-o: expected another file than the document, found 'same-document'" \
    sign document -o same-document --node "$url"
expect 2 "invalid option -- 'o'" node -o file
expect 1 'no-file: cannot be read: No such file' sign no-file --node "$url"
expect 1 'net: cannot be read: Is a directory' sign net --node "$url"
expect 2 'large: expected 1 to 65536 bytes for --attach, found 65537' sign large --attach
expect 2 'nothing: expected 1 to 65536 bytes for --attach, found 0' sign nothing --attach
expect 2 'peers:1: expected valid JSON' sign document --wait --genesis net/node0/peers
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" sign document --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached" sign large -o out.attestation --node "$url"
check test ! -e out.attestation
expect 2 'expected put, get, delete or import' kv
expect 2 "expected put, get, delete or import, found 'set'" kv set
expect 2 'put: expected KEY and VALUE' kv put k
expect 2 'put: expected KEY and VALUE' kv put k v w
expect 2 'get: expected KEY' kv get
expect 2 'import: expected FILE' kv import
expect 2 'get: expected one --node' kv get k --node "$url" --node "$url"
expect 2 'expected a key of 1 to 256 bytes' kv put '' v --node "$url"
printf 'a\t1\nb\n' >bad.tsv
expect 1 'bad.tsv:2: expected a key, a tab and a value' kv import bad.tsv --node "$url"
expect 1 'no-file: cannot be read: No such file' kv import no-file --node "$url"
expect 0 '0 keys: 0 committed' kv import - --node "$url"
printf 'a\t1\n' >good.tsv
expect 1 'no progress (Connection refused)' kv import good.tsv --node "$url"

# broadcast
expect 2 '--payload is missing' broadcast --node "$url"
expect 2 "unexpected argument 'x'" broadcast --payload good.tsv x
expect 2 '--id: expected 1 to 64 bytes, found 0' broadcast --payload good.tsv --id ''
expect 2 "--timeout: expected 1 to 3600, found '0'" broadcast --payload good.tsv --timeout 0
expect 2 "--node: expected http://host:port, found 'x'" broadcast --payload good.tsv --node x
expect 2 "-o: expected another file than the payload, found './good.tsv'" \
    broadcast --payload good.tsv -o ./good.tsv --node "$url"
expect 1 'no-file: cannot be read: No such file' broadcast --payload no-file --node "$url"
head -c 262145 /dev/zero >large.payload
expect 1 'large.payload: the payload is too large: expected at most 262144 bytes, found 262145' \
    broadcast --payload large.payload --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" \
    broadcast --payload good.tsv --node "$url"
expect 2 "--protocol: expected hotstuff, quorum-broadcast or gossip, found 'pbft'" \
    testnet --validators 3 --output never --protocol pbft

# validator
key=$(sed -n 's/^public //p' validator.key)
other=$(sed -n 's/^public //p' before.key)
admin=(--admin administrator.key --node "$url")
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" validator list --node "$url"
expect 1 "127.0.0.1:$free_port: cannot be reached: Connection refused" validator set "$key" 1 \
    "${admin[@]}"
expect 2 'expected list, set or proof' validator
expect 2 "expected list, set or proof, found 'add'" validator add
expect 2 'proof: -o is missing' validator proof --node "$url"
expect 2 "proof: unexpected argument 'x'" validator proof x -o proof
expect 1 'cannot be reached' validator proof -o proof --node "$url"
expect 2 "list: unexpected argument 'x'" validator list x
expect 2 "--node: expected http://host:port, found 'x'" validator list --node x
expect 2 'set: expected KEY and POWER, once or more often' validator set "${admin[@]}"
expect 2 'set: expected KEY and POWER, once or more often' validator set "$key" 1 "$other" "${admin[@]}"
expect 2 "44 characters of base64, found '12ab'" validator set 12ab 1 "${admin[@]}"
zeros=0000000000000000000000000000000000000000
expect 2 "found '${zeros}000000000000000000000000', which is not a valid ed25519 key (no point" \
    validator set "${zeros}000000000000000000000000" 1 "${admin[@]}"
expect 2 "found '$zeros', which is an address" validator set "$zeros" 1 "${admin[@]}"
for bad in -1 1x '' 1152921504606846977 18446744073709551617; do
    expect 2 "expected a power of 0 (removes) to 1152921504606846976, found '$bad'" \
        validator set "${admin[@]}" -- "$key" "$bad"
done
expect 2 "set: expected each key once, found '$key' again" \
    validator set "$key" 1 "$other" 2 "$key" 3 "${admin[@]}"
expect 2 'set: --admin is missing' validator set "$key" 1 --node "$url"
expect 2 'no-file: cannot be read: No such file' validator set "$key" 1 --admin no-file --node "$url"
expect 2 'validator.key:1: expected an administrator key, found a validator key' \
    validator set "$key" 1 --admin validator.key --node "$url"
for bad in 0 3601 x; do
    expect 2 "--timeout: expected 1 to 3600, found '$bad'" \
        validator set "$key" 1 "${admin[@]}" --timeout "$bad"
done
sample=$source_dir/configuration
check grep -q "\"administrator\": \"$(sed -n 's/^public //p' "$sample/administrator.key")\"" \
    "$sample/node0/genesis.json"
expect 1 'cannot be reached' validator set "$key" 1 --admin "$sample/administrator.key" --node "$url"
chmod 644 administrator.key
expect 2 'type: chmod 600 administrator.key' validator set "$key" 1 "${admin[@]}"

# local
expect 2 "--validators: expected 1 to 256, found 'x'" local --validators x
expect 2 "--app: expected signing, kv or null, found 'sql'" local --app sql
expect 2 'expected a network of 5 nodes as --validators says, found 4' local --validators 5 --output net
expect 2 'expected an empty folder' local --output "$source_dir/src"

# backup and checkpoint: what can be told without a chain.
expect 2 '--home is missing' backup --to copy
expect 2 '--to is missing' backup --home net/node0
expect 2 "unexpected argument 'x'" backup --home net/node0 --to copy x
expect 2 'no such folder' backup --home nowhere --to copy
expect 1 'net/node0/data: cannot read the data folder' backup --home net/node0 --to copy
"$ingot" testnet --validators 1 --output chainless --protocol gossip >/dev/null
expect 1 'chainless/node0: this node runs gossip and has no chain; expected [node] protocol hotstuff' \
    backup --home chainless/node0 --to copy
expect 1 'chainless/node0: this node runs gossip and has no chain; expected [node] protocol hotstuff' \
    checkpoint export --home chainless/node0 --out copy
expect 1 'no/such/copy.partial: cannot be made: No such file' backup --home net/node0 --to no/such/copy
expect 1 'net: expected an empty folder' backup --home net/node0 --to net
mkdir copy.partial
expect 1 'copy.partial: cannot be made: File exists; a backup that was interrupted leaves it' \
    backup --home net/node0 --to copy/
rmdir copy.partial
check [ ! -e copy ]
expect 2 'expected export or import' checkpoint
expect 2 "expected export or import, found 'x'" checkpoint x
expect 2 "unexpected argument 'x'" checkpoint export x
expect 2 '--home is missing' checkpoint export --out file
expect 2 '--out is missing' checkpoint export --home net/node0
expect 2 'export takes --home and --out' checkpoint export --home net/node0 --out file --trust
expect 1 "net/node0/data: cannot read the data folder: No such file or directory; there is data once \
the home's node has run" checkpoint export --home net/node0 --out file
check [ -z "$(find . -name 'file*')" ]
touch there
expect 1 'there: there is one already' checkpoint export --home net/node0 --out there
expect 2 '--in is missing' checkpoint import --home net/node0 --trust
expect 2 'import takes no --out' checkpoint import --home net/node0 --in there --out x --trust
expect 2 'expected --hash with the hash that the export printed, or --trust' \
    checkpoint import --home net/node0 --in there
expect 2 'expected --hash or --trust, not both' \
    checkpoint import --home net/node0 --in there --hash "$key" --trust
expect 2 "--hash: expected 64 hex digits, found 'abc'" \
    checkpoint import --home net/node0 --in there --hash abc
expect 1 'no-file: cannot be read: No such file' checkpoint import --home net/node0 --in no-file --trust
expect 3 'there: at byte 0: the file ends' checkpoint import --home net/node0 --in there --trust
expect 3 'no checkpoint, expected a file of' \
    checkpoint import --home net/node0 --in net/node0/genesis.json --trust
check [ -z "$(find net/node0 -name 'data*')" ]

# A message that cannot be written is not a success.
checks=$((checks + 1))
if "$ingot" version >/dev/full 2>/dev/null; then
    echo 'expected a failure when standard output is full'
    failed=1
fi

echo "$checks checks"
exit "$failed"

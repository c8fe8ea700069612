"""Attestations judged from the outside, for the tests of whole programs: by a verifier of its own,
in a node's signatures file, in its LMDB through abci_query, and in the chain.

It shares no code with Ingot: the preimage is put together here from the attestation's members, as
docs/attestation.md has it, and libsodium says whether a signature is good.
"""

import base64
import calendar
import ctypes
import ctypes.util
import hashlib
import json
import os
import struct
import subprocess
import time

from network import PROGRAM, Failure, protobuf_fields, varint

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
sodium.sodium_init()

MEMBERS = {"type", "chain_id", "genesis", "epoch", "validators", "id", "digest", "height", "time",
           "signers"}
PAYLOAD_MEMBERS = {"payload", "payload_bytes"}


# --- Transactions of the signing App. ---

def signing_transaction(document, attached, nonce):
    """Asks for a signature under a document, which goes with it or not."""
    if attached:
        content = b"\x12" + varint(len(document)) + document
    else:
        content = b"\x0a\x20" + hashlib.sha256(document).digest()
    return content + b"\x22" + varint(len(nonce)) + nonce


def transaction_id(transaction):
    return hashlib.blake2b(b"\0" + transaction, digest_size=32).hexdigest()


def asked_digest(transaction):
    """The digest that a transaction asks to be signed; None if it asks for something else."""
    fields = dict(protobuf_fields(transaction))
    if 1 in fields:
        return fields[1].hex()
    return hashlib.sha256(fields[2]).hexdigest() if 2 in fields else None


# --- Verifying. ---

def milliseconds(text):
    """Of a time such as 2026-01-02T03:04:05.678Z."""
    seconds = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 1000 + int(text[20:23])


def preimage(attestation):
    name = bytes.fromhex(attestation["id"])
    return (b"ingot/attest/1".ljust(24, b"\0") + bytes.fromhex(attestation["genesis"])
            + bytes.fromhex(attestation["validators"]) + bytes([len(name)]) + name.ljust(64, b"\0")
            + bytes.fromhex(attestation["digest"])
            + struct.pack("<QQ", int(attestation["height"]), milliseconds(attestation["time"])))


def set_hash(epoch, members):
    """`members`: hex key -> power."""
    bytes_ = b"ingot/attest-set/1".ljust(24, b"\0") + struct.pack("<QI", epoch, len(members))
    for key, power in sorted(members.items()):
        bytes_ += bytes.fromhex(key) + struct.pack("<Q", power)
    return hashlib.sha256(bytes_).hexdigest()


class Verifier:
    """Knows the validator sets by epoch, and remembers the signatures that it has verified."""

    def __init__(self, network):
        with open(os.path.join(network.nodes[0].home, "genesis.json")) as file:
            genesis = json.load(file)
        self.chain_id = genesis["chain_id"]
        self.sets = {0: {v["public_key"]: int(v["power"]) for v in genesis["validators"]}}
        self.hashes = {0: set_hash(0, self.sets[0])}
        self.good = {}  # (preimage, key) -> signature

    def learn(self, epoch, powers):
        """The set of a later epoch; `powers` is node -> power."""
        self.sets[epoch] = {node.public_key: power for node, power in powers.items()}
        self.hashes[epoch] = set_hash(epoch, self.sets[epoch])

    def verify(self, attestation, where):
        """Raises unless a quorum of the set of its epoch has signed it."""
        def fail(what):
            raise Failure(f"{where}: {what}: {json.dumps(attestation)[:600]}")

        members = set(attestation)
        if members not in (MEMBERS, MEMBERS | PAYLOAD_MEMBERS):
            fail(f"its members are {sorted(members)}")
        if "payload" in attestation:
            payload = base64.b64decode(attestation["payload"], validate=True)
            if hashlib.sha256(payload).hexdigest() != attestation["digest"]:
                fail("the payload does not have the digest")
            if int(attestation["payload_bytes"]) != len(payload):
                fail("payload_bytes is wrong")
        epoch = int(attestation["epoch"])
        powers = self.sets.get(epoch, {})
        if attestation["chain_id"] != self.chain_id or \
           attestation["validators"] != self.hashes.get(epoch):
            fail("it is of another chain or set")
        signed = preimage(attestation)
        power, last = 0, ""
        for signer in attestation["signers"]:
            key = signer["key"]
            if key <= last or powers.get(key) != int(signer["power"]):
                fail(f"the signer {key} is no member, in the wrong place or with another power")
            last = key
            power += int(signer["power"])
            self.verify_signature(signed, key, signer["signature"], fail)
        if 3 * power <= 2 * sum(powers.values()):
            fail(f"a power of {power} is no quorum")

    def verify_signature(self, signed, key, signature, fail):
        before = self.good.get((signed, key))
        if before is not None and before != signature:
            fail(f"{key} has signed this twice")
        if before is None:
            if sodium.crypto_sign_verify_detached(bytes.fromhex(signature), signed,
                                                  ctypes.c_ulonglong(len(signed)),
                                                  bytes.fromhex(key)) != 0:
                fail(f"the signature of {key} does not verify")
            self.good[signed, key] = signature


# --- What a node has. ---

def file_path(node):
    return os.path.join(node.data, "attestations.jsonl")


def read_file(node, from_byte=0):
    """(attestations by id, bytes of whole lines, bytes of a torn last one) of a signatures file. No
    id is there twice, and every line is JSON."""
    try:
        with open(file_path(node), "rb") as file:
            file.seek(from_byte)
            content = file.read()
    except FileNotFoundError:
        return {}, 0, 0
    whole, _, torn = content.rpartition(b"\n")
    found = {}
    for number, line in enumerate(whole.split(b"\n") if whole else []):
        try:
            attestation = json.loads(line)
        except ValueError as error:
            raise Failure(f"{file_path(node)}: line {number + 1} behind byte {from_byte} is torn: "
                          f"{error}: {line[:200]}") from None
        if attestation["id"] in found:
            raise Failure(f"{file_path(node)} has the attestation {attestation['id']} twice")
        found[attestation["id"]] = attestation
    return found, len(whole) + 1 if whole else 0, len(torn)


def query(node, path, data):
    """(JSON value or None, key, response) of abci_query."""
    response = node.call("abci_query", path=f'"{path}"', data="0x" + data.hex())["response"]
    value = base64.b64decode(response["value"] or "")
    key = base64.b64decode(response["key"] or "").decode()
    return json.loads(value) if response["code"] == 0 else None, key, response


def read_range(node, low=1, high=1 << 60):
    """All statements of these heights in a node's LMDB by id, those pending included. No id twice."""
    found, place = {}, str(low)
    while place:
        answers, place, response = query(node, "/attestations/range", f"{place}-{high}".encode())
        if answers is None:
            raise Failure(f"{node}: the range from {place} on: {response}")
        for answer in answers:
            if answer["id"] in found:
                raise Failure(f"{node} has the statement {answer['id']} twice in a range")
            found[answer["id"]] = answer
    return found


def pending(node):
    return int(node.status()["ingot"]["attest_pending"])


def asked_for(node, low, high, before=()):
    """What the committed blocks of these heights ask to be signed: id -> (digest, height). Of a
    transaction that is there twice, or `before`, the first counts."""
    found = {}
    client = node.client()
    for height in range(low, high + 1):
        block = client.call("block", height=height)["block"]
        for text in block["data"]["txs"]:
            transaction = base64.b64decode(text)
            name, digest = transaction_id(transaction), asked_digest(transaction)
            if digest is not None and name not in before:
                found.setdefault(name, (digest, height))
    client.close()
    return found


# --- What must hold. ---

def said(attestation):
    """What is attested, without who has signed."""
    return {name: value for name, value in attestation.items() if name != "signers"}


def signatures(attestation):
    """By key; none of a statement that is pending."""
    return {signer["key"]: signer["signature"] for signer in attestation.get("signers", [])}


def settle(network, nodes):
    """Waits until nothing is pending, and all of them have come to one height; returns it."""
    goal = max(node.height() for node in nodes)
    for node in nodes:
        network.until(f"{node} has height {goal} and nothing pending",
                      lambda node=node: node.height() >= goal and pending(node) == 0, 120)
    return goal


def check_node(node, verifier, asked, in_store, in_file):
    """A node's LMDB and its signatures file have the same attestations, of exactly what was asked
    for, and all of them verify."""
    for name, found in (("the file", in_file), ("LMDB", in_store)):
        if set(found) != set(asked):
            raise Failure(f"{node}: {name} lacks {sorted(set(asked) - set(found))[:3]} and has "
                          f"{sorted(set(found) - set(asked))[:3]} that was not committed "
                          f"({len(found)} and {len(asked)} in all)")
        for key, attestation in found.items():
            if attestation.get("pending") or attestation.get("refused"):
                raise Failure(f"{node}: {name}: not attested: {attestation}")
            if (attestation["digest"], int(attestation["height"])) != asked[key]:
                raise Failure(f"{node}: {name}: expected digest and height {asked[key]}: "
                              f"{attestation}")
            verifier.verify(attestation, f"{node}, {name}")
    for key, attestation in in_file.items():
        if said(attestation) != said(in_store[key]):
            raise Failure(f"{node}: the file and LMDB differ: {attestation}, {in_store[key]}")
        if not signatures(attestation).items() <= signatures(in_store[key]).items():
            raise Failure(f"{node}: LMDB lacks a signature that the file has: {attestation}, "
                          f"{in_store[key]}")


class Records:
    """Follows what some nodes have recorded from one settled height to the next, so that a long
    history is not read again each time."""

    def __init__(self, nodes, verifier):
        self.verifier = verifier
        self.height = 0  # up to which all has been checked
        self.sizes = dict.fromkeys(nodes, 0)  # of the part of each file that has been read
        self.early = {node: {} for node in nodes}  # read from a file, of blocks above the height
        self.seen = {node: set() for node in nodes}
        self.asked = set()
        self.torn = 0

    def read_file(self, node):
        """Takes in what a file has got since; a torn last line, which only a node that was killed
        may leave, stays for later. Returns what was not checked yet, by id."""
        found, size, torn = read_file(node, self.sizes[node])
        self.sizes[node] += size
        self.torn += torn > 0
        twice = self.seen[node] & set(found)
        if twice:
            raise Failure(f"{file_path(node)} has attestations twice: {sorted(twice)[:3]}")
        self.seen[node].update(found)
        self.early[node].update(found)
        return self.early[node]

    def check(self, height):
        """All nodes, settled at this height and without load, have recorded the same, and all of
        it. Returns for each node what is new in its LMDB, by id."""
        low, nodes = self.height + 1, list(self.sizes)
        asked = asked_for(nodes[0], low, height, self.asked)
        self.asked.update(asked)
        stores = {}
        for node in nodes:
            torn = self.torn
            in_file = self.read_file(node)
            if self.torn > torn:
                raise Failure(f"{file_path(node)} ends with a torn line while the node runs")
            mine = {key: a for key, a in in_file.items() if int(a["height"]) <= height}
            self.early[node] = {key: a for key, a in in_file.items() if key not in mine}
            in_store = read_range(node, low, height)
            check_node(node, self.verifier, asked, in_store, mine)
            stores[node] = in_store
            for key, attestation in in_store.items():
                if said(attestation) != said(stores[nodes[0]][key]):
                    raise Failure(f"{node} and {nodes[0]} differ: {attestation}, "
                                  f"{stores[nodes[0]][key]}")
        self.height = height
        return stores


def check_acknowledged(acknowledged, stores, verifier):
    """What clients were handed is what they asked for, verifies, and is in the LMDB of whoever
    handed it to them, with signers that came later perhaps."""
    for key, (node, document, attached, attestation) in acknowledged.items():
        verifier.verify(attestation, f"what a client of {node} was handed")
        if attestation["id"] != key or \
           attestation["digest"] != hashlib.sha256(document).hexdigest() or \
           attestation.get("payload") != (base64.b64encode(document).decode() if attached else None):
            raise Failure(f"a client of {node} asked for {document} and got {attestation}")
        recorded = stores[node].get(key)
        if recorded is None:
            raise Failure(f"{key} was acknowledged by {node}, which has not recorded it")
        if said(recorded) != said(attestation) or \
           not signatures(attestation).items() <= signatures(recorded).items():
            raise Failure(f"acknowledged by {node}: {attestation}; recorded: {recorded}")


def ingot_verify(network, document, attestation, *arguments):
    """`ingot verify`, which is to agree; returns what it prints."""
    paths = [os.path.join(network.folder, name) for name in ("document", "document.attestation")]
    for path, content in zip(paths, (document, json.dumps(attestation).encode())):
        with open(path, "wb") as file:
            file.write(content)
    asked = subprocess.run(
        [PROGRAM, "verify", *paths, "--genesis",
         os.path.join(network.nodes[0].home, "genesis.json"), *arguments],
        capture_output=True, text=True)
    if asked.returncode != 0:
        raise Failure(f"ingot verify: {asked.returncode} {asked.stderr}: {attestation}")
    return asked.stdout

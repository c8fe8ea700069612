"""Clients that use keys as registers, and remember what they asked and what they were told, for
linearizability.py and chain_replay.py.

A client does one thing after the other: put, delete, compare-and-set or get, each as a transaction
of its own, so that reads go through consensus too. It waits for the commit. Where no answer comes
(a connection that breaks, a time-out, a node that is down) it submits the *same* transaction again
to another node, as the replay window allows, until somebody knows what became of it; some clients
lose patience at once, and all do after a while. An outcome is then unknown. It failed only when no
node can have taken it.

A reader for each node asks it for keys and notes the height at which it answered (local reads).
"""

import base64
import hashlib
import http.client
import json
import random
import threading
import time
from typing import NamedTuple

from linearizability import ABSENT, FOREVER, Operation
from network import varint

COMPARE_FAILED, NOT_FOUND = 4, 5
# Far below the replay window of a torture network, whatever the rate of blocks.
PATIENCE_S = 10.0
ATTEMPT_S = 4.0
# After so many operations a key is left alone, and a new one takes its place.
OPERATIONS_PER_KEY = 300
KEYS_AT_A_TIME = 10
BROKEN = (OSError, http.client.HTTPException, ValueError, KeyError)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def transaction(operation, nonce):
    """The binary form of docs/kv.md."""
    key = field(1, operation.key)
    if operation.kind == "put":
        body = field(1, key + field(2, operation.argument))
    elif operation.kind == "delete":
        body = field(2, key)
    elif operation.kind == "get":
        body = field(4, key)
    else:
        condition = b"\x18\x01" if operation.expected is ABSENT else field(2, operation.expected)
        body = field(3, key + condition + field(4, operation.argument))
    return b"\0" + body + field(15, nonce)


def with_answer(operation, returned, code, data):
    """What the result of a committed transaction says about the register."""
    operation = operation._replace(returned=returned)
    if operation.kind == "put" and code == 0:
        return operation
    if operation.kind == "get" and code in (0, NOT_FOUND):
        return operation._replace(found=data if code == 0 else ABSENT)
    if operation.kind == "delete" and code in (0, NOT_FOUND):
        return operation._replace(held=code == 0)
    if operation.kind == "compare-and-set" and code in (0, COMPARE_FAILED):
        return operation._replace(held=code == 0,
                                  found=data or ABSENT if code == COMPARE_FAILED else ABSENT)
    raise ValueError(f"a result of code {code} for {operation}")


class Answer(NamedTuple):
    """That a transaction is committed, as a node says."""

    transaction: bytes
    height: int
    code: int
    data: bytes


class LocalRead(NamedTuple):
    node: str
    key: bytes
    height: int
    value: bytes  # or ABSENT
    least: int  # the highest height that this node had shown before the read


class RegisterLoad:
    """`clients` of them, spread over the nodes; `pause_s` is the longest that one thinks between two
    operations."""

    def __init__(self, nodes, seed, clients=16, pause_s=0.02):
        self.nodes = nodes
        self.seed = seed
        self.pause_s = pause_s
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.history = []  # Operation, those that did not fail
        self.answers = []
        self.local_reads = []
        self.failed = 0
        self.acknowledged = 0
        self.retries = 0
        self.error = None  # what a client found that no node may answer
        self.shown = {}  # node -> the highest height that it has shown anybody
        self.keys = [[b"k%d" % number, 0] for number in range(KEYS_AT_A_TIME)]
        self.next_key = KEYS_AT_A_TIME
        self.last_seen = {}
        self.threads = []
        for number in range(clients):
            self.add_thread(self.run_client, number)
        for node in nodes:
            self.add_thread(self.run_reader, node)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def add_thread(self, run, argument):
        thread = threading.Thread(target=self.guard, args=(run, argument), daemon=True)
        self.threads.append(thread)
        thread.start()

    def guard(self, run, argument):
        try:
            run(argument)
        except Exception as error:  # a test that lost its clients must not pass
            self.error = self.error or f"{type(error).__name__}: {error}"

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
            if thread.is_alive():
                self.error = self.error or "a client does not end"

    def count(self):
        return self.acknowledged

    def note_shown(self, node, height):
        with self.lock:
            if height > self.shown.get(node, 0):
                self.shown[node] = height

    # --- Clients. ---

    def choose_key(self, choice):
        """Some keys are hotter than others."""
        with self.lock:
            slot = min(choice.randrange(KEYS_AT_A_TIME), choice.randrange(KEYS_AT_A_TIME))
            if self.keys[slot][1] == OPERATIONS_PER_KEY:
                self.keys[slot] = [b"k%d" % self.next_key, 0]
                self.next_key += 1
            self.keys[slot][1] += 1
            return self.keys[slot][0]

    def choose_operation(self, choice, name):
        key = self.choose_key(choice)
        kind = choice.choices(["get", "put", "compare-and-set", "delete"], [30, 25, 35, 10])[0]
        argument = name if kind in ("put", "compare-and-set") else None
        expected = None
        if kind == "compare-and-set":
            expected = ABSENT if choice.random() < 0.1 else self.last_seen.get(key, ABSENT)
        return Operation(key, kind, time.monotonic(), FOREVER, argument, expected)

    def run_client(self, number):
        choice = random.Random(f"{self.seed} client {number}")
        clients = {node: node.client(timeout_s=ATTEMPT_S) for node in self.nodes}
        home = self.nodes[number % len(self.nodes)]
        sequence = 0
        while not self.stopping.is_set():
            sequence += 1
            name = b"%d-%d" % (number, sequence)
            operation = self.choose_operation(choice, name)
            patience_s = 0 if choice.random() < 0.2 else PATIENCE_S
            bytes_ = transaction(operation, b"%s/%s" % (str(self.seed).encode(), name))
            answer, may_have_been_taken, home = self.submit(choice, clients, home, bytes_,
                                                            patience_s)
            if answer is not None:
                operation = with_answer(operation, time.monotonic(), answer.code, answer.data)
                self.note_shown(home, answer.height)
                self.remember(operation)
            with self.lock:
                if answer is not None:
                    self.answers.append(answer)
                    self.acknowledged += 1
                if answer is not None or may_have_been_taken:
                    self.history.append(operation)
                else:
                    self.failed += 1
            self.stopping.wait(choice.uniform(0, self.pause_s))
        for client in clients.values():
            client.close()

    def remember(self, operation):
        """What the next comparison of somebody may ask for."""
        if operation.kind == "put" or (operation.kind == "compare-and-set" and operation.held):
            self.last_seen[operation.key] = operation.argument
        else:
            self.last_seen[operation.key] = operation.found

    def submit(self, choice, clients, node, bytes_, patience_s):
        """(the answer or None, whether a node may have taken it, the node that was asked last)."""
        gives_up = time.monotonic() + patience_s
        may_have_been_taken = False
        while True:
            try:
                answer, was_refused = self.attempt(clients[node], bytes_)
                may_have_been_taken = may_have_been_taken or not was_refused
            except ConnectionRefusedError:
                answer = None
            except BROKEN:
                answer = None
                may_have_been_taken = True
            if answer is not None or time.monotonic() >= gives_up or self.stopping.is_set():
                return answer, may_have_been_taken, node
            self.retries += 1
            time.sleep(choice.uniform(0.02, 0.1))
            node = choice.choice(self.nodes)

    @staticmethod
    def attempt(client, bytes_):
        """One submission: (the answer or None, whether it was surely refused)."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_commit",
                "params": {"tx": base64.b64encode(bytes_).decode()}}
        _, body = client.request("POST", "/", json.dumps(call))
        answer = json.loads(body)
        if "error" in answer:
            why = str(answer["error"])
            if "already exists" in why:
                return look_up(client, bytes_), False
            return None, "mempool is full" in why
        result = answer["result"]
        if result["check_tx"]["code"] != 0:
            return None, True
        return answer_of(bytes_, result["tx_result"], result["height"]), False

    # --- Local reads. ---

    def run_reader(self, node):
        choice = random.Random(f"{self.seed} reader {node}")
        client = node.client(timeout_s=ATTEMPT_S)
        while not self.stopping.is_set():
            with self.lock:
                key = choice.choice(self.keys)[0]
                least = self.shown.get(node, 0)
            try:
                response = client.call("abci_query", data="0x" + key.hex())["response"]
                if response["code"] != 0:
                    raise RuntimeError(f"{node} answers a query with {response}")
                height = int(response["height"])
                value = base64.b64decode(response["value"] or "")
                value = value if response["log"] == "exists" else ABSENT
                self.local_reads.append(LocalRead(str(node), key, height, value, least))
                self.note_shown(node, height)
            except BROKEN:
                pass
            self.stopping.wait(0.05)
        client.close()


def look_up(client, bytes_):
    """The outcome of what this node has already, or None if it is not committed there."""
    digest = hashlib.sha256(bytes_).hexdigest()
    for _ in range(20):
        found = client.call("tx", hash="0x" + digest)
        if "error" not in found:
            return answer_of(bytes_, found["tx_result"], found["height"])
        time.sleep(0.05)
    return None


def answer_of(bytes_, result, height):
    return Answer(bytes_, int(height), int(result["code"]), base64.b64decode(result["data"] or ""))

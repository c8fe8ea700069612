"""A chain read from the nodes block by block and replayed in a model of the key-value App, while the
network runs: what every client was told, and every state, has to be what the replay gives.
"""

import base64
import bisect
import hashlib
import http.client
import json
import threading
import time

from linearizability import ABSENT
from network import Failure, protobuf_fields
from register_load import BROKEN, COMPARE_FAILED, NOT_FOUND

BLOCKS_AT_ONCE = 50


class Model:
    """The registers, with every value that a key ever had and since which height."""

    def __init__(self):
        self.past = {}  # key -> ([height], [value])

    def value(self, key, height=None):
        heights, values = self.past.get(key, ((), ()))
        at = len(heights) if height is None else bisect.bisect_right(heights, height)
        return values[at - 1] if at > 0 else ABSENT

    def set(self, key, value, height):
        heights, values = self.past.setdefault(key, ([], []))
        if heights and heights[-1] == height:
            heights[-1], values[-1] = height, value
        else:
            heights.append(height)
            values.append(value)

    def state(self, height):
        values = {key: self.value(key, height) for key in self.past}
        return {key: value for key, value in values.items() if value is not ABSENT}

    def execute(self, bytes_, height):
        """(code, data) of the result."""
        if bytes_[0] != 0:  # the text form
            key, value = bytes_.split(b"=", 1)
            self.set(key, value, height)
            return 0, b""
        (number, body), *_ = protobuf_fields(bytes_[1:])
        fields = dict(protobuf_fields(body))
        key = fields[1]
        value = self.value(key)
        if number == 1:
            self.set(key, fields.get(2, b""), height)
            return 0, b""
        if number == 3:
            if value != (fields[2] if 2 in fields else ABSENT):
                return COMPARE_FAILED, value or b""
            self.set(key, fields.get(4, b""), height)
            return 0, b""
        if value is ABSENT:
            return NOT_FOUND, b""
        if number == 2:
            self.set(key, ABSENT, height)
            return 0, b""
        return 0, value


class ChainReplay(threading.Thread):
    """Follows the chain from whichever node answers. A block that does not stand on the one before,
    or repeats a transaction, is a violation."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.model = Model()
        self.hashes = [None]  # by height; genesis is not asked for
        self.results = {}  # digest of a transaction -> (height, code, data)
        self.stopping = threading.Event()
        self.error = None
        self.start()

    @property
    def height(self):
        return len(self.hashes) - 1

    def run(self):
        turn = 0
        clients = [node.client(timeout_s=5) for node in self.nodes]
        while not self.stopping.is_set() and self.error is None:
            client = clients[turn % len(clients)]
            try:
                if self.take_some(client) > 0:
                    continue
            except BROKEN:
                client.close()
            except Failure as failure:
                self.error = str(failure)
            turn += 1
            self.stopping.wait(0.05)
        for client in clients:
            client.close()

    def take_some(self, client):
        """Asks one node for the next blocks; how many it had."""
        first = self.height + 1
        call = [{"jsonrpc": "2.0", "id": height, "method": "block",
                 "params": {"height": str(height)}}
                for height in range(first, first + BLOCKS_AT_ONCE)]
        _, body = client.request("POST", "/", json.dumps(call))
        taken = 0
        for answer in json.loads(body):
            if "error" in answer:
                break
            self.take(answer["result"])
            taken += 1
        return taken

    def take(self, result):
        height = self.height + 1
        header = result["block"]["header"]
        hash_ = result["block_id"]["hash"]
        if int(header["height"]) != height:
            raise Failure(f"asked for the block at height {height}, got {header['height']}")
        parent = header["last_block_id"]["hash"]
        if height > 1 and parent != self.hashes[-1]:
            raise Failure(f"the block at height {height} stands on {parent}, but the one at "
                          f"height {height - 1} was {self.hashes[-1]}")
        for text in result["block"]["data"]["txs"]:
            bytes_ = base64.b64decode(text)
            digest = hashlib.sha256(bytes_).digest()
            if digest in self.results:
                raise Failure(f"transaction {digest.hex()} is in the blocks at height "
                              f"{self.results[digest][0]} and {height}")
            self.results[digest] = (height, *self.model.execute(bytes_, height))
        self.hashes.append(hash_)

    def check(self):
        if self.error is not None:
            raise Failure(self.error)

    def until_height(self, height, seconds=120):
        deadline = time.monotonic() + seconds
        while self.height < height:
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"the chain was read up to height {self.height} of {height} in "
                              f"{seconds} s")
            time.sleep(0.02)
        self.check()

    def stop(self):
        self.stopping.set()
        self.join(60)

    # --- Judging. ---

    def check_answers(self, answers):
        """Each acknowledged transaction is in the chain, once, where its client was told, and with
        the result that its client was told."""
        for answer in answers:
            found = self.results.get(hashlib.sha256(answer.transaction).digest())
            told = (answer.height, answer.code, answer.data)
            if found != told:
                raise Failure(f"{answer.transaction} was acknowledged with height, code and data "
                              f"{told}; a replay of the chain gives {found}")

    def check_local_reads(self, reads):
        """What a node answers by itself may be old, but was the state at the height that it names,
        and no node falls behind a height that it has shown, not even by dying."""
        for read in reads:
            if read.height < read.least:
                raise Failure(f"{read.node} had shown height {read.least} and answers at height "
                              f"{read.height} afterwards")
            expected = self.model.value(read.key, read.height)
            if read.value != expected:
                raise Failure(f"{read.node} answers {read.value} for {read.key} at height "
                              f"{read.height}; a replay gives {expected}")

    def check_nodes(self, network, nodes):
        """All nodes have this chain and the state that its replay gives."""
        for node in nodes:
            height, state = network.until(f"{node} gives its state", node.state)
            self.until_height(height)
            if state != self.model.state(height):
                different = sorted(set(state.items()) ^ set(self.model.state(height).items()))[:5]
                raise Failure(f"the state of {node} at height {height} is not what a replay "
                              f"gives: {different}")
            if node.block_hash(height) != self.hashes[height]:
                raise Failure(f"{node} has the block {node.block_hash(height)} at height "
                              f"{height}, others have {self.hashes[height]}")

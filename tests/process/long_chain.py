"""A long chain: how soon its validators vote after a start, and what memory they need under load;
for long_chain_test.py and long_chain_long_test.py.

Method: make_chain prepares four data folders; all four nodes start; then clients offer load while
memory is read from /proc: first each waits for its commits, then they flood the nodes with batches,
more than can be committed, so that everything that has a limit is full.
"""

import base64
import json
import random
import threading
import time

from catch_up import make_chain
from checks import check_equal, check_no_evidence
from load import Load
from network import SANITIZED, Failure, Network, say

NORMAL_START_S = 1.0
LONGEST_START_S = 10.0
RSS_ANON_KIB_MAX = 128 * 1024


class Flood(threading.Thread):
    """Batches of broadcast_tx_async over one connection, as fast as the node takes them."""

    def __init__(self, node, value_bytes):
        super().__init__(daemon=True)
        self.node = node
        self.value_bytes = value_bytes
        self.stopping = False
        self.refused = 0
        self.start()

    def run(self):
        client = self.node.client(timeout_s=60)
        while not self.stopping:
            calls = []
            for number in range(max(1, min(100, 500_000 // self.value_bytes))):
                key = f"flood-{random.randrange(2000)}".encode()
                transaction = key + b"=" + random.randbytes(self.value_bytes // 2).hex().encode()
                calls.append({"jsonrpc": "2.0", "id": number, "method": "broadcast_tx_async",
                              "params": {"tx": base64.b64encode(transaction).decode()}})
            _, body = client.request("POST", "/", json.dumps(calls))
            self.refused += sum("error" in answer for answer in json.loads(body))
        client.close()


def first_vote(network):
    """Seconds from each node's start until it answers, in its view, and until it has signed."""
    answers, votes = {}, {}

    def all_have_signed():
        for node in network.nodes:
            if node not in answers and node.height() >= 0:
                answers[node] = time.monotonic() - node.started_at
                node.call("broadcast_tx_async", tx=f'"start-{node}=now"')
            if node in answers and node not in votes:
                if node.metrics()["ingot_signatures_total"] > 0:
                    votes[node] = time.monotonic() - node.started_at
        return len(votes) == len(network.nodes)

    network.until("all nodes have voted", all_have_signed, interval_s=0.005)
    return max(answers.values()), max(votes.values())


def highest_memory(network, seconds):
    """The highest RssAnon of any node, in KiB, within the next seconds."""
    highest = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        highest = max([highest, *(node.rss_anon_kib() for node in network.nodes)])
        time.sleep(0.05)
    return highest


def memory_under_load(network, seconds):
    with Load(network.nodes, clients_per_node=8, value_bytes=128) as load:
        highest = highest_memory(network, seconds)
    say(f"loaded for {seconds} s: {load.count()} transactions committed, RssAnon at most "
        f"{highest / 1024:.0f} MiB")
    return highest


def memory_under_flood(network, seconds):
    floods = [Flood(node, size) for node, size in zip(network.nodes, (128, 128, 1024, 8192))]
    committed = network.nodes[0].metrics()["ingot_committed_transactions_total"]
    highest = highest_memory(network, seconds)
    for flood in floods:
        flood.stopping = True
    for flood in floods:
        flood.join(60)
    committed = network.nodes[0].metrics()["ingot_committed_transactions_total"] - committed
    say(f"flooded for {seconds} s: {committed:.0f} transactions committed, "
        f"{sum(flood.refused for flood in floods)} refused for want of room, "
        f"RssAnon at most {highest / 1024:.0f} MiB")
    return highest


def run(blocks, load_seconds):
    with Network() as network:
        began = time.monotonic()
        make_chain(network, blocks, 2, network.nodes)
        say(f"a chain of {blocks} blocks made in {time.monotonic() - began:.1f} s")
        for _ in range(2):
            for node in network.nodes:
                node.start()
            answering, voting = first_vote(network)
            say(f"start to answering {1000 * answering:.0f} ms, to the first vote "
                f"{1000 * voting:.0f} ms (the slowest of four)")
            if answering > LONGEST_START_S or voting > LONGEST_START_S:
                raise Failure(f"a start took longer than {LONGEST_START_S} s")
            if voting > NORMAL_START_S:
                say(f"longer than the {NORMAL_START_S} s of a machine with nothing else to do")
            height, _ = check_equal(network)
            if height < blocks:
                raise Failure(f"height {height} after a start with {blocks} blocks")
            for node in network.nodes:
                node.stop()
        network.start()
        loaded = memory_under_load(network, load_seconds)
        flooded = memory_under_flood(network, load_seconds)
        if not SANITIZED and max(loaded, flooded) > RSS_ANON_KIB_MAX:
            raise Failure(f"RssAnon {loaded} KiB under load and {flooded} KiB under flood, allowed "
                          f"are {RSS_ANON_KIB_MAX}")
        network.until("the flood has drained", lambda: all(
            node.metrics()["ingot_mempool_transactions"] == 0 for node in network.nodes))
        check_equal(network)
        check_no_evidence(network.nodes)

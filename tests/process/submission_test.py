"""Many transactions at once, as bytes (POST /transactions): what a program is told of them is what
the chain holds."""

import http.client
import os
import re
import struct
import threading

from checks import check_equal
from network import DEADLINE_S, Failure, Network, main, say

COMMITTED, FAILED, REFUSED, KNOWN, FULL, TOO_LARGE, TIMED_OUT = range(7)
CLIENTS = 8
REQUESTS = 6
COUNT = 400
DOCUMENTATION = os.path.join(os.environ.get("INGOT_SOURCE_DIR", "."), "docs", "rpc.md")


def pack(transactions):
    return b"".join(struct.pack("<I", len(each)) + each for each in transactions)


def unpack(answer):
    """(status, height) of each transaction."""
    return list(struct.iter_unpack("<BQ", answer))


class Submitter(threading.Thread):
    """A client that submits its transactions on one connection, and those that have no outcome yet
    again at another node, until each of them is committed."""

    def __init__(self, nodes, number):
        super().__init__()
        self.nodes = nodes
        self.number = number
        self.heights = {}  # of each transaction whose commit it was told of
        self.known = set()  # those that somebody (it may have been us) had submitted before
        self.problem = None

    def run(self):
        try:
            for request in range(REQUESTS):
                name = f"c{self.number}r{request}"
                self.submit([f"{name}t{i}={i}".encode() for i in range(COUNT)])
        except (OSError, http.client.HTTPException, Failure) as problem:
            self.problem = problem

    def submit(self, transactions):
        left = transactions
        node = self.number
        while left:
            client = self.nodes[node % len(self.nodes)].client(timeout_s=DEADLINE_S)
            status, answer = client.request("POST", "/transactions", pack(left))
            client.close()
            node += 1
            if status == 503:
                continue
            if status != 200 or len(answer) != 9 * len(left):
                raise Failure(f"{len(left)} transactions, HTTP status {status}: {answer[:200]}")
            again = []
            for transaction, (outcome, height) in zip(left, unpack(answer)):
                if outcome == COMMITTED and height > 0:
                    self.heights[transaction] = height
                elif outcome == KNOWN:
                    self.known.add(transaction)
                elif outcome in (FULL, TIMED_OUT):
                    again.append(transaction)
                else:
                    raise Failure(f"{transaction}: status {outcome}, height {height}")
            left = again


def check_chain(node, submitters):
    """Every transaction is in the chain once, in the block that its client was told."""
    found = {}
    for height in range(1, node.height() + 1):
        for transaction in node.transactions(height):
            if transaction in found:
                raise Failure(f"{transaction} is in blocks {found[transaction]} and {height}")
            found[transaction] = height
    for submitter in submitters:
        for transaction, height in submitter.heights.items():
            if found.get(transaction) != height:
                raise Failure(f"{transaction} was acknowledged at height {height}, but it is in "
                              f"the block at {found.get(transaction)}")
        lost = submitter.known - found.keys()
        if lost:
            raise Failure(f"known, but in no block: {sorted(lost)[:3]}")
    expected = CLIENTS * REQUESTS * COUNT
    if len(found) != expected:
        raise Failure(f"{len(found)} transactions in the chain, {expected} were submitted")


def each_transaction_is_committed_once_where_its_client_was_told():
    with Network() as network:
        network.start()
        submitters = [Submitter(network.nodes, number) for number in range(CLIENTS)]
        for submitter in submitters:
            submitter.start()
        for submitter in submitters:
            submitter.join()
            if submitter.problem is not None:
                raise submitter.problem
        told = sum(len(submitter.heights) for submitter in submitters)
        check_equal(network)
        for node in network.nodes:
            check_chain(node, submitters)
        say(f"{told} of {CLIENTS * REQUESTS * COUNT} transactions acknowledged with their heights")


def example(mark):
    """The bytes of a code block of the documentation: hex digits, two spaces, a description."""
    with open(DOCUMENTATION) as file:
        lines = re.search(rf"```{mark}\n(.*?)```", file.read(), re.DOTALL).group(1).splitlines()
    return bytes.fromhex("".join(line.split("  ")[0] for line in lines))


def the_example_of_the_documentation_is_what_a_node_of_the_key_value_app_says():
    """But for the height, which depends on the chain."""
    with Network() as network:
        network.start()
        node = network.nodes[0]
        status, answer = node.client().request("POST", "/transactions", example("request"))
        if status != 200:
            raise Failure(f"HTTP status {status}: {answer}")
        outcomes = [outcome for outcome, _ in unpack(answer)]
        expected = [outcome for outcome, _ in unpack(example("answer"))]
        if outcomes != expected:
            raise Failure(f"the documentation says {expected}, the node {outcomes}")
        for outcome, height in unpack(answer):
            if (outcome == COMMITTED) != (height > 0):
                raise Failure(f"status {outcome} with height {height}")


def a_node_that_stops_ends_the_connections_of_those_who_wait():
    """One validator of four alone commits nothing, so its client waits until the node stops."""
    with Network() as network:
        node = network.nodes[0]
        network.start(node)
        client = node.client(timeout_s=DEADLINE_S)
        outcome = []

        def wait():
            try:
                outcome.append(client.request("POST", "/transactions", pack([b"a=1"])))
            except (OSError, http.client.HTTPException) as problem:
                outcome.append(problem)

        waiting = threading.Thread(target=wait)
        waiting.start()
        network.until("the transaction waits",
                      lambda: node.metrics()["ingot_rpc_awaited_transactions"] == 1)
        node.stop()
        waiting.join()
        if not isinstance(outcome[0], Exception):
            raise Failure(f"the client was told {outcome[0]}")


main(
    each_transaction_is_committed_once_where_its_client_was_told,
    the_example_of_the_documentation_is_what_a_node_of_the_key_value_app_says,
    a_node_that_stops_ends_the_connections_of_those_who_wait,
)

"""All four validators killed at once while clients sign, again and again; for signing_killed_test.py
and signing_killed_long_test.py.

Method: twenty clients have digests and attached documents signed in a closed loop; at a random
moment SIGKILL to all four validators, in some rounds a few milliseconds apart. Before the restart
the signatures files are read: whatever was acknowledged by a validator must be in its file, and
nothing there may be torn but a last line. After the restart everything that was committed must
become attested without any new request, and the files, LMDB, the chain and what clients were handed
must say the same, once each. Everything is verified by attestations.py, a sample by `ingot verify`.
"""

import random
import time

from attestations import (Records, Verifier, check_acknowledged, ingot_verify, read_range, settle,
                          signatures)
from network import Failure, Network, say
from signers import Signers

VERIFIED_BY_PROGRAM = 2  # in each round
TAKEN_OVER = "lines of the signatures file that the ledger lacked are taken over"


def kill_all(network, choice):
    pause_s = choice.choice([0, 0.003, 0.01])
    for node in choice.sample(network.nodes, len(network.nodes)):
        node.process.kill()
        if pause_s > 0:
            time.sleep(pause_s)
    for node in network.nodes:
        node.kill()


def run(rounds, seed):
    say(f"seed {seed}")
    choice = random.Random(seed)
    with Network(app="signing") as network:
        network.start()
        verifier = Verifier(network)
        records = Records(network.nodes, verifier)
        acknowledged, taken_over, unfinished = {}, 0, 0
        for number in range(rounds):
            with Signers(network.nodes, clients_per_node=5) as load:
                network.until("the clients get attestations", lambda: load.count() >= 20)
                time.sleep(choice.uniform(0, 0.5))
                kill_all(network, choice)
            unwritten = {node: records.read_file(node) for node in network.nodes}
            for key, (node, *_) in load.acknowledged.items():
                if key not in unwritten[node]:
                    raise Failure(f"{node} acknowledged {key}, which is not in its file")
            everywhere = set.intersection(*(set(found) for found in unwritten.values()))
            unfinished += len(set().union(*unwritten.values()) - everywhere)
            before = sum(node.log_count(TAKEN_OVER) for node in network.nodes)
            began = time.monotonic()
            network.start()
            stores = records.check(settle(network, network.nodes))
            took = time.monotonic() - began
            taken_over += sum(node.log_count(TAKEN_OVER) for node in network.nodes) - before
            check_acknowledged(load.acknowledged, stores, verifier)
            for key in choice.sample(sorted(load.acknowledged), VERIFIED_BY_PROGRAM):
                node, document, _, attestation = load.acknowledged[key]
                ingot_verify(network, document, attestation)
                ingot_verify(network, document, stores[node][key])
            acknowledged.update(load.acknowledged)
            say(f"round {number + 1}: {load.count()} acknowledged, {len(stores[node])} attested up to "
                f"height {records.height}, all checked {took:.2f} s after the restart")
        # From the beginning once more: nothing of earlier rounds may have gone since.
        stores = Records(network.nodes, verifier).check(settle(network, network.nodes))
        check_acknowledged(acknowledged, stores, verifier)
        say(f"{len(acknowledged)} acknowledged, {len(stores[node])} attested, {len(verifier.good)} "
            f"signatures verified; {taken_over} of {4 * rounds} restarts took lines over from the "
            f"file, {records.torn} cut off a torn one; {unfinished} attestations were not in all "
            "files at the kill")


def run_one_down(seed):
    """A validator that is killed while the others sign adds its own signatures once it is back, and
    its file and LMDB get what it has missed."""
    say(f"seed {seed}")
    choice = random.Random(seed)
    with Network(app="signing") as network:
        network.start()
        verifier = Verifier(network)
        down = choice.choice(network.nodes)
        others = [node for node in network.nodes if node is not down]
        with Signers(others, clients_per_node=5) as load:
            network.until("the clients get attestations", lambda: load.count() >= 20)
            down.kill()
            first_missed = max(node.height() for node in others) + 1
            network.until("more without it", lambda n=load.count(): load.count() >= n + 100)
        height = settle(network, others)

        def signed_by_it(node):
            found = read_range(node, 1, height).values()
            return len(found), sum(down.public_key in signatures(a) for a in found)

        count, signed = signed_by_it(others[0])
        missed = len(read_range(others[0], first_missed, height))
        if not 0 < missed <= count - signed:
            raise Failure(f"{down} was down for {missed} of {count} statements and signed {signed}")
        down.start()
        network.ready(down)
        for node in others:
            network.until(f"{node} has the signatures of {down} under all {count}",
                          lambda node=node: signed_by_it(node) == (count, count), 120)
        stores = Records(network.nodes, verifier).check(settle(network, network.nodes))
        check_acknowledged(load.acknowledged, stores, verifier)
        say(f"{down} added its signature to {count - signed} of {count} attestations")

"""Validators come and go while clients sign, and every statement is attested by the set of its
block's epoch.

Method: as in members_replaced_test.py, with clients that have documents signed and see no error. One
member is down while the others sign, and voted out before it returns: what it missed was of its
epoch, so it signs that when it is back. All nodes are killed just after a change. At the end
attestations of each epoch are verified by `ingot verify` with genesis and the changes that they
carry, and a newcomer with an empty folder gets all attestations there ever were.
"""

import os
import subprocess

from attestations import (Records, Verifier, check_acknowledged, ingot_verify, query, read_range,
                          settle, signatures)
from membership import change, join, newcomer
from network import PROGRAM, Failure, Network, main, say
from signers import Signers


def with_changes(node, attestation):
    """What a *.attestation file has: the changes of the set up to the attestation's epoch, too."""
    changes, epoch = [], int(attestation["epoch"])
    while len(changes) < epoch:
        proof, _, response = query(node, "/attestations/validator-sets",
                                   str(len(changes)).encode())
        if not proof or not proof["set_changes"]:
            raise Failure(f"{node} does not prove the sets from epoch {len(changes)} on: {response}")
        changes += proof["set_changes"]
    return {**attestation, "set_changes": changes[:epoch]} if epoch > 0 else attestation


def check_from_genesis(network, node, acknowledged, epochs):
    """One attestation of each epoch."""
    for epoch in range(epochs):
        of_epoch = [a for a in acknowledged.values() if int(a[3]["epoch"]) == epoch]
        if not of_epoch:
            raise Failure(f"nothing was signed in epoch {epoch}")
        _, document, _, attestation = of_epoch[len(of_epoch) // 2]
        ingot_verify(network, document, with_changes(node, attestation))
        if epoch > 0:
            try:
                ingot_verify(network, document, attestation)
            except Failure:
                continue
            raise Failure(f"ingot verify knows the set of epoch {epoch} from nowhere")


def signs_in_each_epoch(network, load, epoch):
    network.until(f"clients are handed attestations of epoch {epoch}", lambda: sum(
        int(a[3]["epoch"]) == epoch for a in list(load.acknowledged.values())) >= 10)


def attestations_outlive_the_members_that_signed_them():
    with Network(app="signing") as network:
        network.start()
        verifier, powers = Verifier(network), dict.fromkeys(network.nodes, 1)
        founders, down = network.nodes[:], network.nodes[3]

        def learn(epoch):
            verifier.learn(epoch, powers)
            return epoch

        with Signers(network.nodes, clients_per_node=1) as load:
            network.until("the clients get attestations", lambda: load.count() >= 20)
            fifth = newcomer(network, load)
            join(network, fifth)
            powers[fifth] = 1
            learn(1)
            signs_in_each_epoch(network, load, 1)
            # One is down, misses what is signed, and is voted out meanwhile.
            load.leave(down, fifth)
            down.kill()
            first_missed = max(node.height() for node in network.running()) + 1
            network.until("more without it", lambda n=load.count(): load.count() >= n + 20)
            del powers[down]
            epoch = learn(change(network, (down, 0)))
            signs_in_each_epoch(network, load, epoch)
            missed = lacking(founders[0], down, first_missed, epoch)
            if not missed:
                raise Failure(f"{down}, which was down, has missed nothing")
            down.start()
            network.ready(down)
            network.until(f"{down} has signed what it missed of epochs before {epoch}",
                          lambda: not lacking(founders[0], down, first_missed, epoch), 120)
            say(f"{down}, which has left, has signed {len(missed)} statements of its epochs")
            # And two more are replaced.
            sixth = newcomer(network, load)
            del powers[founders[0]], powers[founders[1]]
            powers[sixth] = 2
            epoch = learn(change(network, (founders[0], 0), (founders[1], 0), (sixth, 2)))
            signs_in_each_epoch(network, load, epoch)
        if load.failures:
            raise Failure(f"clients saw {len(load.failures)} failures: {load.failures[:3]}")
        acknowledged = dict(load.acknowledged)
        # Everybody dies just after a change, with statements of both epochs under way.
        with Signers([founders[2], fifth, sixth], clients_per_node=5) as load:
            network.until("the clients get attestations", lambda: load.count() >= 20)
            asked = subprocess.Popen(
                [PROGRAM, "validator", "set", founders[0].public_key, "1", sixth.public_key, "1",
                 "--node", fifth.url, "--admin", os.path.join(network.homes, "administrator.key")],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            asked.wait()
            for node in network.nodes:
                node.process.kill()
            for node in network.nodes:
                node.kill()
        network.start()
        powers.update({founders[0]: 1, sixth: 1})
        learn(epoch + 1)
        settle(network, network.nodes)
        acknowledged.update(load.acknowledged)
        late = network.add_observer()
        network.until(f"{late} has caught up",
                      lambda: late.height() >= network.nodes[0].height(), 120)
        height = settle(network, network.nodes)
        stores = Records(network.nodes, verifier).check(height)
        check_acknowledged(acknowledged, stores, verifier)
        check_from_genesis(network, late, acknowledged, epoch + 1)
        say(f"{len(stores[late])} attestations in {network.nodes[0].epoch() + 1} epochs, all at {late} "
            "and at those that have left")


def lacking(node, signer, low, epoch):
    """Statements before an epoch, from a height on, that a node has without the signer's signature."""
    return [a["id"] for a in read_range(node, low).values()
            if int(a["epoch"]) < epoch and signer.public_key not in signatures(a)]


main(attestations_outlive_the_members_that_signed_them)

"""Checkpoints and backups of a network under load.

A node that has nothing but a checkpoint follows the chain, from servers that keep no older blocks
either. A copy of a validator's data, taken while it ran, takes the place of the original: it signs
nothing until the chain has passed its watermark, then it signs again, and nobody has voted twice.
"""

import os
import re
import shutil
import subprocess

from checks import Votes, check_acknowledged, check_equal, check_no_evidence, read_ledger
from load import Load
from network import PROGRAM, Failure, Network, main

RETAIN = 300
SETTINGS = f"\n[storage]\nretain_blocks = {RETAIN}\n"


def expect(condition, what):
    if not condition:
        raise Failure(what)


def ingot(*arguments, status=0):
    """The standard output and error of the program, which must end with this status."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
    expect(done.returncode == status,
           f"ingot {' '.join(arguments)}: {done.returncode}, expected {status}\n{done.stderr}")
    return done.stdout + done.stderr


def checkpoint_of(node, name):
    """Exports; the file, its hash and its height."""
    path = os.path.join(os.path.dirname(node.home), name)
    said = ingot("checkpoint", "export", "--home", node.home, "--out", path)
    expect(re.search(r"^epoch +2$", said, re.M), said)
    return (path, re.search(r"^hash +(\w{64})$", said, re.M).group(1),
            int(re.search(r"^height +(\d+)$", said, re.M).group(1)))


def join_with_checkpoint(network, path, value):
    """As Network.add_observer, but the home gets the checkpoint before it is started."""
    node, line = network.init_home()
    others = network.running()
    network.nodes.append(node)
    for each in network.nodes:
        each.write_peer(line)
    network.reload_peers(*others)
    other = "0" * 64
    said = ingot("checkpoint", "import", "--home", node.home, "--in", path, "--hash", other,
                 status=3)
    expect("another checkpoint" in said and not os.path.exists(node.data), said)
    said = ingot("checkpoint", "import", "--home", node.home, "--in", path, "--hash", value)
    expect(value in said, said)
    said = ingot("checkpoint", "import", "--home", node.home, "--in", path, "--trust", status=1)
    expect("no data yet" in said, said)
    network.start(node)
    network.until_connected(node, *others)
    return node


def follows(network, node, others):
    goal = max(other.height() for other in others)
    network.until(f"{node} has reached {goal}", lambda: node.height() >= goal)


def a_node_that_has_nothing_but_a_checkpoint_follows():
    with Network(settings=SETTINGS) as network:
        network.start()
        validators = network.nodes[:]
        with Load(validators, clients_per_node=2) as load:
            # What proves these changes is older than all other blocks by the time of the export.
            for power in (2, 1):
                status, said = network.set_powers([(validators[1], power)])
                expect(status == 0, said)
            changed = validators[0].height()
            network.until("old blocks have left the servers",
                          lambda: all(v.metrics()["ingot_height_lowest"] > changed
                                      for v in validators))
            path, value, height = checkpoint_of(validators[0], "checkpoint")
            node = join_with_checkpoint(network, path, value)
            follows(network, node, validators)
            expect(node.metrics()["ingot_height_lowest"] > 1, f"{node} has the whole history")
            expect("error" in node.call("block", height=1), f"{node} has the first block")

            # It is a server like the others: what it exports starts a node too.
            network.until("it has gone on", lambda: node.height() > height + 20)
            path, value, _ = checkpoint_of(node, "checkpoint-2")
            second = join_with_checkpoint(network, path, value)
            follows(network, second, validators)

            node.kill()
            network.start(node)
            follows(network, node, validators)
        expect(not load.failures, f"clients saw failures: {load.failures[:3]}")
        at, state = check_equal_newest(network)
        check_acknowledged(load, state)
        expect(at > height, "the chain did not go on")
        check_no_evidence(network.nodes)


def check_equal_newest(network):
    """As check_equal, which looks at old blocks too."""
    def equal():
        answers = [node.state() for node in network.running()]
        same = None not in answers and all(a[1] == answers[0][1] for a in answers)
        return answers if same else None

    answers = network.until("all nodes have one state", equal)
    return min(height for height, _ in answers), answers[0][1]


def a_copy_taken_under_load_waits_for_its_watermark_and_signs_again():
    with Network() as network:
        network.start()
        *others, original = network.nodes
        votes = Votes()
        with Load(others, clients_per_node=2) as load:
            network.until("the load commits", lambda: load.count() >= 50)
            copy = os.path.join(network.folder, "copy")
            said = ingot("backup", "--home", original.home, "--to", copy)
            expect("as of height" in said, said)
            expect("LOCK" not in os.listdir(copy), "the copy is no home")
            said = ingot("backup", "--home", original.home, "--to", copy, status=1)
            expect("expected an empty folder" in said, said)

            # The original signs on, and dies. What it has signed is on its disk alone.
            copied = original.height()
            network.until("the original goes on", lambda: original.height() >= copied + 20)
            original.kill()
            last_voted = read_ledger(original)["last_voted"]
            os.rename(original.home, original.home + ".dead")
            shutil.copytree(copy, original.home)

            # While the others stand still it hears nothing, and says nothing, killed or not.
            for node in others:
                node.pause()
            for _ in range(2):
                network.start(original)
                status = original.status()["ingot"]
                expect(status["signing"].startswith("withheld"), f"it may sign: {status}")
                expect(original.metrics()["ingot_signing_withheld"] == 1, "the gauge says no")
                expect(original.metrics()["ingot_signatures_total"] == 0, "it has signed")
                original.kill()
            network.start(original)
            for node in others:
                node.resume()
            network.until("it may sign again",
                          lambda: original.status()["ingot"]["signing"] == "allowed")
            expect(original.metrics()["ingot_signing_withheld"] == 0, "the gauge says yes")
            before = original.metrics()["ingot_signatures_total"]
            network.until("it signs again",
                          lambda: original.metrics()["ingot_signatures_total"] > before)
        expect(not load.failures, f"clients saw failures: {load.failures[:3]}")
        _, state = check_equal(network)
        check_acknowledged(load, state)
        check_no_evidence(others)
        for node in network.nodes:
            node.kill()
        # All certificates on all disks, those of the time of the original among them: nobody has
        # voted twice, and the copy has signed above all that the original had.
        records = votes.note_records(network.nodes)
        expect(records[original.public_key]["last_voted"] > last_voted,
               "the copy has not gone beyond the original")
        note_dead(votes, original)


def note_dead(votes, original):
    """What the dead original's own disk has of its last vote, against all that was seen since."""
    home = original.home
    original.home = home + ".dead"
    record = read_ledger(original)
    original.home = home
    vote = record["vote"]
    if vote is not None:
        votes.note(original.public_key, vote, "its old disk")


if __name__ == "__main__":
    main(a_node_that_has_nothing_but_a_checkpoint_follows,
         a_copy_taken_under_load_waits_for_its_watermark_and_signs_again)

"""Validators that come and go while clients write; for members_replaced_test.py and
members_replaced_long_test.py, and steps of it for others.

Method: closed-loop clients on several nodes all the time, none of which may see an error: a client
whose node is about to stop goes to another node first. Each newcomer begins with an empty folder.
At the end the live nodes must have one state and one set, each acknowledged write must be in the
chain exactly once, and the disks of all nodes, also of those that left, must show one vote of each
validator in each view of each epoch.
"""

import random
import time

from checks import (Votes, check_acknowledged, check_equal, check_no_evidence, check_once,
                    check_one_set)
from load import Load
from network import Failure, Network, say

RUNNING_MAX = 9


def change(network, *powers, node=None):
    """`ingot validator set`, which must succeed; returns once every running node is in the epoch
    that it opened."""
    began = time.monotonic()
    status, output = network.set_powers(powers, node=node)
    took = time.monotonic() - began
    if status != 0:
        raise Failure(f"the change to {[(str(n), p) for n, p in powers]} failed: {output}")
    epoch = int(output.split("in force in epoch ")[1].split(":")[0])
    for each in network.running():
        network.until(f"{each} is in epoch {epoch}", lambda each=each: each.epoch() >= epoch)
    say(f"epoch {epoch} after {1000 * took:.0f} ms: "
        + ", ".join(f"{member} has power {power}" for member, power in powers))
    return epoch


def join(network, *newcomers):
    """Each newcomer has caught up by now, so the change costs the others no vote."""
    change(network, *((node, 1) for node in newcomers))
    for node in newcomers:
        if not node.is_member():
            raise Failure(f"{node} is in the set, but says that it is no member")
        before = node.metrics()["ingot_signatures_total"]
        network.until(f"{node} votes",
                      lambda n=node, b=before: n.metrics()["ingot_signatures_total"] > b)


def newcomer(network, load):
    """An observer that has caught up, with a client of its own."""
    node = network.add_observer()
    goal = max(other.height() for other in network.running())
    network.until(f"{node} has caught up to {goal}", lambda: node.height() >= goal)
    load.add_clients(node, 1)
    return node


def has_retired(network, node):
    """It follows and answers its clients, and signs nothing."""
    if node.is_member():
        raise Failure(f"{node} was voted out, but says that it is a member")
    signed = node.metrics()["ingot_signatures_total"]
    goal = node.height() + 10
    network.until(f"{node} follows to {goal}", lambda: node.height() >= goal)
    height, why = node.commit(f"through-{node}=retired-before-{goal}".encode())
    if height is None:
        raise Failure(f"{node}, which has retired, does not pass a transaction on: {why}")
    now = node.metrics()["ingot_signatures_total"]
    if now != signed:
        raise Failure(f"{node} has retired, but made {now - signed} signatures since")


def retire(network, load, *nodes):
    """Power 0 for all of them in one transaction, then they follow, then they are gone."""
    change(network, *((node, 0) for node in nodes))
    for node in nodes:
        has_retired(network, node)
    stay = [node for node in network.running() if node not in nodes]
    for node in nodes:
        load.leave(node, *stay)
        node.stop()
        network.remove_peer(node)


def judge(network, load, members, votes=None, allows_failures=False):
    """What must hold at the end; kills all nodes to read their disks. Clients may have seen failures
    only where their nodes were killed; `votes` has what the disks have shown before."""
    load.stop()
    if load.failures and not allows_failures:
        raise Failure(f"clients saw {len(load.failures)} failures: {load.failures[:3]}")
    live = network.running()
    height, state = check_equal(network, live)
    check_acknowledged(load, state)
    check_once(load, live[-1])
    check_one_set(network, live, members)
    check_no_evidence(live)
    epoch = live[0].epoch()
    for node in live:
        node.kill()
    votes = votes or Votes()
    votes.note_records(network.nodes)
    say(f"{load.count()} writes acknowledged, height {height}, epoch {epoch}, "
        f"{len(votes.choices)} votes seen, each the only one of its validator in its view")


def random_changes(changes, seed):
    """One to three members at a time come, return, leave or get another power. Some that left are
    stopped and struck off for good, and others come in their place."""
    say(f"seed {seed}")
    choice = random.Random(seed)
    with Network() as network:
        network.start()
        powers = dict.fromkeys(network.nodes, 1)
        with Load(network.nodes, clients_per_node=1) as load:
            for _ in range(changes):
                outside = [node for node in network.running() if node not in powers]
                if len(outside) > 2:
                    gone = choice.choice(outside)
                    load.leave(gone, *powers)
                    gone.stop()
                    network.remove_peer(gone)
                while len(network.running()) < RUNNING_MAX and choice.random() < 0.4:
                    newcomer(network, load)
                wanted = {node: choice.randrange(4) for node in
                          choice.sample(network.running(), choice.randrange(1, 4))}
                wanted = {node: power for node, power in wanted.items()
                          if power > 0 or node in powers}  # who is no member cannot be removed
                after = {node: power for node, power in {**powers, **wanted}.items() if power > 0}
                if after in ({}, powers):
                    continue
                change(network, *wanted.items(), node=choice.choice(network.running()))
                left = [node for node in powers if node not in after]
                powers = after
                for node in left:
                    has_retired(network, node)
            network.until("the clients commit", lambda n=load.count(): load.count() >= n + 20)
        judge(network, load, list(powers))

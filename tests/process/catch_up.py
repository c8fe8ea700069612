"""Validators that were away and come back; for catch_up_test.py and catch_up_long_test.py."""

import os
import subprocess
import time

from checks import Votes, check_acknowledged, check_equal, check_no_evidence
from load import Load
from network import BUILD_FOLDER, Failure, Network, say


def wait_for(network, node, others, began):
    """The node has reached the height at which the others stand now."""
    goal = max(other.height() for other in others)
    from_height = node.height()
    network.until(f"{node} has caught up to {goal}", lambda: node.height() >= goal)
    took = time.monotonic() - began
    say(f"{node}: from height {from_height} to {goal} in {took:.2f} s")


def make_chain(network, blocks, transactions, nodes, change_every=0):
    """Data folders with a chain that is ready (see make_chain.c)."""
    tool = os.path.join(BUILD_FOLDER, "make_chain")
    arguments = ["--change-every", str(change_every)] if change_every > 0 else []
    arguments += [network.homes, str(blocks), str(transactions)]
    made = subprocess.run([tool, *arguments, *(str(node.index) for node in nodes)],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise Failure(f"make_chain: {made.stderr}")


def killed_under_load(blocks):
    """SIGKILL for one under load; it returns when the others are `blocks` further."""
    with Network() as network:
        network.start()
        dead, *others = network.nodes
        with Load(others) as load:
            network.until("the load commits", lambda: load.count() >= 20)
            dead.kill()
            goal = others[0].height() + blocks
            network.until(f"the others have reached {goal}", lambda: others[0].height() >= goal,
                          seconds=60 + blocks / 10)
            dead.start()
            network.ready(dead)
            # The load goes on: it must come closer faster than they run away.
            wait_for(network, dead, others, dead.started_at)
        _, state = check_equal(network)
        check_acknowledged(load, state)
        check_no_evidence(network.nodes)


def starts_late_from_nothing(blocks):
    """Three have a chain of `blocks` with two transactions each, the fourth an empty folder."""
    with Network() as network:
        *early, late = network.nodes
        make_chain(network, blocks, 2, early)
        network.start(*early)
        late.start()
        network.ready(late)
        wait_for(network, late, early, late.started_at)
        height, why = late.commit(b"late=yes")
        if height is None:
            raise Failure(f"the late one cannot commit: {why}")
        _, state = check_equal(network)
        if state.get(b"late") != b"yes":
            raise Failure("what the late one committed is not in the state")
        check_no_evidence(network.nodes)


def paused(seconds):
    """SIGSTOP for one under load, later SIGCONT: it catches up, and signs nothing twice."""
    with Network() as network:
        network.start()
        asleep, *others = network.nodes
        with Load(others) as load:
            network.until("the load commits", lambda: load.count() >= 20)
            asleep.pause()
            before = load.count()
            time.sleep(seconds)
            if load.count() == before:
                raise Failure(f"nothing was committed in {seconds} s while one slept")
            asleep.resume()
            wait_for(network, asleep, others, time.monotonic())
        _, state = check_equal(network)
        check_acknowledged(load, state)
        check_no_evidence(network.nodes)
        for node in network.nodes:
            node.kill()
        Votes().note_records(network.nodes)

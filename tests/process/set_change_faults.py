"""Validators die while the validator set changes; for set_change_faults_test.py and
set_change_faults_long_test.py.

Method: clients write all the time. Each change is asked for with `ingot validator set` while, at a
moment drawn from a seed, the leader, a member drawn from the seed, or everybody is killed with
SIGKILL; whoever died returns a moment later. A command that lost its node is given again to
another. Each change must come into force, disks must never show two votes of one validator in one view,
and what was acknowledged must be there exactly once.
"""

import http.client
import random
import threading
import time

from checks import Votes
from load import Load
from membership import change, judge, newcomer
from network import Failure, Network, say

LONGEST_AWAY_S = 1.0
LATEST_KILL_S = 0.15


class Command(threading.Thread):
    """`ingot validator set`, given again to another node until it succeeds."""

    def __init__(self, network, powers, nodes):
        super().__init__(daemon=True)
        self.network = network
        self.powers = powers
        self.nodes = nodes
        self.times = 0
        self.output = None
        self.start()

    def run(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            node = self.nodes[self.times % len(self.nodes)]
            self.times += 1
            status, output = self.network.set_powers(self.powers, node=node, timeout_s=20)
            # Who is to go has gone by then, with all else that the change says.
            is_in_force_already = self.times > 1 and "is no validator in epoch" in output
            if status == 0 or is_in_force_already:
                self.output = output
                return
            self.network.stumbles.append(f"{node}: {output.strip()}")
            time.sleep(0.05)


def leads(node):
    """Does it say that it leads? One that does not answer does not."""
    try:
        return node.is_running and node.client(timeout_s=2).call("status")["ingot"]["is_leader"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False


def choose_victims(network, choice, powers):
    """Names the kind of the kill, and who dies."""
    kind = choice.choice(["leader", "leader", "member", "member", "everybody"])
    if kind == "everybody":
        return kind, network.running()
    leaders = [node for node in powers if leads(node)] if kind == "leader" else []
    return kind, leaders[:1] or [choice.choice(list(powers))]


def kill(network, choice, powers, votes, command):
    """Who was killed, how they were chosen, and whether the change was still under way."""
    time.sleep(choice.uniform(0, LATEST_KILL_S))
    kind, victims = choose_victims(network, choice, powers)
    for node in victims:
        node.process.kill()
    is_in_the_middle = command.is_alive()
    for node in victims:
        node.kill()
    if kind == "everybody":
        votes.note_records(victims)
    else:
        votes.note_record(victims[0])
    time.sleep(choice.uniform(0, LONGEST_AWAY_S))
    network.start(*victims)
    return kind, victims, is_in_the_middle


def next_powers(choice, network, powers):
    """What to ask for: one to three changes; of the new set nobody has a third of the power, so that
    it can do without any one."""
    while True:
        wanted = {node: choice.choice([0, 1, 1, 2])
                  for node in choice.sample(network.nodes, choice.randrange(1, 4))}
        # Who is no member cannot be removed.
        wanted = {node: power for node, power in wanted.items() if power > 0 or node in powers}
        after = {node: power for node, power in {**powers, **wanted}.items() if power > 0}
        total = sum(after.values())
        if after != powers and len(after) >= 4 and max(after.values()) * 3 < total:
            return wanted, after


def killed_in_the_middle(changes, seed):
    say(f"seed {seed}")
    choice = random.Random(seed)
    votes = Votes()
    with Network() as network:
        network.stumbles = []
        network.start()
        powers = dict.fromkeys(network.nodes, 1)
        with Load(network.nodes, clients_per_node=1) as load:
            for _ in range(2):
                newcomer(network, load)
            in_the_middle = 0
            for number in range(changes):
                wanted, after = next_powers(choice, network, powers)
                began = time.monotonic()
                command = Command(network, list(wanted.items()),
                                  choice.sample(network.nodes, len(network.nodes)))
                kind, victims, was_under_way = kill(network, choice, powers, votes, command)
                in_the_middle += was_under_way
                command.join(150)
                if command.output is None:
                    raise Failure(f"the change to {[(str(n), p) for n, p in wanted.items()]} does "
                                  f"not come into force: {network.stumbles[-3:]}")
                powers = after
                await_set(network, powers)
                say(f"change {number + 1}: in force after {time.monotonic() - began:.1f} s, "
                    f"{kind} killed ({', '.join(map(str, victims))}), command given "
                    f"{command.times} times")
            network.until("the clients commit", lambda n=load.count(): load.count() >= n + 20)
        judge(network, load, list(powers), votes, allows_failures=True)
        say(f"{in_the_middle} of {changes} kills came while the change was under way")
        if in_the_middle < changes / 3:
            raise Failure("too few of the kills came while the change was under way")


def await_set(network, powers):
    """All nodes know the set that must be in force now, and those in it say so."""
    for node in network.running():
        network.until(f"{node} is a member" if node in powers else f"{node} is outside the set",
                      lambda n=node: n.is_member() == (n in powers))


def a_command_outlives_its_node():
    """Its node dies with the transaction that nobody else has seen; it is given again."""
    with Network() as network:
        network.stumbles = []
        asked, *others = network.nodes
        network.start(asked)
        command = Command(network, [(asked, 2)], [asked])
        network.until("the transaction waits",
                      lambda: asked.metrics()["ingot_mempool_transactions"] == 1)
        asked.kill()
        network.start()
        command.join(60)
        if command.output is None or command.times != 1:
            raise Failure(f"the command was given {command.times} times: {network.stumbles}")
        await_set(network, network.nodes)


def one_is_dead_for_good(replaces_it_at_once):
    """The change is made by the three others; with it goes the dead one, at once or later."""
    with Network() as network:
        network.start()
        dead, *others = network.nodes
        with Load(others, clients_per_node=1) as load:
            come = newcomer(network, load)
            network.until("the load commits", lambda: load.count() >= 20)
            dead.kill()
            if replaces_it_at_once:
                change(network, (dead, 0), (come, 1))
            else:
                change(network, (others[0], 2))
                change(network, (others[0], 1), (come, 1))
                change(network, (dead, 0))
            # The new set has as many as before, and none of them is dead: it can do without one.
            network.until("the clients commit", lambda n=load.count(): load.count() >= n + 20)
            load.leave(others[0], *others[1:])
            others[0].kill()
            network.until("three of the new set commit",
                          lambda n=load.count(): load.count() >= n + 20)
            network.start(others[0])
        judge(network, load, [*others, come])

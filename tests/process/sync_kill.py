"""A node that catches up is killed again and again; for sync_kill_test.py and
sync_kill_long_test.py.

Method: four validators have a long chain, in which the validator set changes every so many blocks. A
newcomer with an empty folder fetches it and is killed with SIGKILL at moments drawn from a seed, from
the first millisecond of its process on. After each kill its disk is read: what was durable once is
there for ever. When it has the whole chain before the kills are used up, it begins anew with an
empty folder. At the end it has the state of the others and becomes a validator itself.
"""

import os
import random
import shutil
import time

from catch_up import make_chain
from checks import Votes, check_equal, check_no_evidence, read_ledger
from membership import change
from network import Failure, Network, say

NO_BLOCKS = 1 << 62  # print_ledger prints the certificates from this height on
LONGEST_LIFE_S = 0.7  # at first; see Kills.adapt


class Kills:
    """What the disk of the newcomer showed after each kill."""

    def __init__(self, network, node, choice):
        self.network = network
        self.node = node
        self.choice = choice
        self.count = 0
        self.longest_life_s = LONGEST_LIFE_S
        self.useful = 0  # kills before which the disk had moved, and had not reached the end
        self.committed = 0
        self.current = [0, 0]

    def kill(self, goal):
        """One life of the process; it runs when this is called. True: it had reached the goal."""
        if self.choice.random() < 0.5:
            self.network.ready(self.node)
            height = self.node.height()
            if height < self.committed:
                raise Failure(f"{self.node} shows height {height} after its restart, but it had "
                              f"{self.committed} on its disk")
        time.sleep(self.choice.uniform(0, self.longest_life_s))
        self.node.kill()
        self.count += 1
        record = read_ledger(self.node, NO_BLOCKS)
        if record["committed"] < self.committed or record["current"] < self.current:
            raise Failure(f"kill {self.count}: height {record['committed']} and position "
                          f"{record['current']} on the disk of {self.node}, which had "
                          f"{self.committed} and {self.current}")
        self.useful += self.committed < record["committed"] < goal
        self.adapt(record["committed"], goal)
        self.committed, self.current = record["committed"], record["current"]
        return self.committed >= goal

    def adapt(self, committed, goal):
        """Machines differ: lives become shorter where the end is reached, longer where nothing is."""
        if committed >= goal:
            self.longest_life_s = max(0.05, self.longest_life_s * 0.6)
        elif committed == self.committed:
            self.longest_life_s = min(5.0, self.longest_life_s * 1.3)

    def begin_anew(self):
        shutil.rmtree(self.node.data)
        os.mkdir(self.node.data, 0o700)
        self.committed, self.current = 0, [0, 0]


def run(kills, blocks, change_every, seed):
    say(f"seed {seed}")
    with Network() as network:
        make_chain(network, blocks, 2, network.nodes, change_every)
        network.start()
        validators = network.nodes[:]
        late = network.add_observer()
        done = Kills(network, late, random.Random(seed))
        rounds = 1
        while done.count < kills:
            if done.kill(blocks) and done.count < kills:
                done.begin_anew()
                rounds += 1
            late.start()
        network.ready(late)
        network.until(f"{late} has caught up", lambda: late.height() >= validators[0].height())
        say(f"{kills} kills, {done.useful} of them in the middle, {rounds} times from nothing "
            f"through {blocks} blocks and {late.epoch()} changes of the set")
        if done.useful < kills / 3:
            raise Failure("too few of the kills came while blocks were fetched")
        height, _ = check_equal(network)
        if height < blocks:
            raise Failure(f"height {height} of a chain of {blocks}")
        # No gap between what was fetched and what is decided now.
        change(network, (late, 1))
        height, why = late.commit(b"after=sync")
        if height is None:
            raise Failure(f"{late} does not commit after it has caught up: {why}")
        network.until(f"{late} votes", lambda: late.metrics()["ingot_signatures_total"] > 0)
        check_equal(network)
        check_no_evidence(network.nodes)
        for node in network.nodes:
            node.kill()
        Votes().note_records(network.nodes)

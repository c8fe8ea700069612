"""All four validators killed at once in the middle of load, again and again; for all_killed_test.py
and all_killed_long_test.py.

Method: closed-loop clients on all nodes; at a random moment SIGKILL to all four, in some rounds a
few milliseconds apart: what a dead one said last then still reaches the others. Before the restart
the disks are read: every signature that is in any certificate must be known to its signer's disk,
positions never fall, and over all rounds nobody has voted for two blocks in one view. After the
restart all nodes reach one height and one state, which holds everything that was acknowledged.
"""

import random
import time

from checks import Votes, check_acknowledged, check_equal, check_no_evidence
from load import Load
from network import Network, say


def run(rounds, seed):
    say(f"seed {seed}")
    choice = random.Random(seed)
    votes = Votes()
    expected = {}
    with Network() as network:
        network.start()
        for number in range(rounds):
            with Load(network.nodes, clients_per_node=3) as load:
                network.until("the load commits", lambda: load.count() >= 20)
                time.sleep(choice.uniform(0, 0.5))
                pause_s = choice.choice([0, 0.003, 0.01])
                for node in choice.sample(network.nodes, 4):
                    node.process.kill()
                    if pause_s > 0:
                        time.sleep(pause_s)
                for node in network.nodes:
                    node.kill()
            records = votes.note_records(network.nodes)
            began = time.monotonic()
            network.start()
            network.until("a block is committed after the restart", lambda: min(
                node.height() for node in network.nodes) > max(
                record["committed"] for record in records.values()))
            took = time.monotonic() - began
            height, state = check_equal(network)
            check_acknowledged(load, state)
            expected.update((key, value) for key, (value, _) in load.acknowledged.items())
            lost = [key for key, value in expected.items() if state.get(key) != value]
            assert not lost, f"of earlier rounds: {lost[:5]}"
            check_no_evidence(network.nodes)
            say(f"round {number + 1}: {load.count()} acknowledged, height {height}, "
                f"{len(state)} keys, commits again {took:.2f} s after the restart")
        for node in network.nodes:
            node.kill()
        votes.note_records(network.nodes)
        say(f"{len(votes.choices)} votes seen, each the only one of its validator in its view")

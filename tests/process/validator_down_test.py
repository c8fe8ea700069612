"""Four validators of which one is dead for good: the others commit, whichever it is.

Method: three of four are started, transactions go in through each of them one after another. A
chained protocol whose leader changes with every view would never commit here.
"""

import time

from checks import check_equal, check_no_evidence
from network import SANITIZED, Failure, Network, main, say

TRANSACTIONS = 3 if SANITIZED else 6  # through each of the three


def three_of_four_commit_whichever_is_dead():
    for dead in range(4):
        with Network() as network:
            alive = [node for node in network.nodes if node.index != dead]
            network.start(*alive)
            latencies = []
            for number in range(TRANSACTIONS):
                for node in alive:
                    began = time.monotonic()
                    height, why = node.commit(f"key-{number}-{node}=value".encode())
                    if height is None:
                        raise Failure(f"{node}, with node{dead} dead: {why}")
                    latencies.append(time.monotonic() - began)
            _, state = check_equal(network)
            if len(state) != 3 * TRANSACTIONS:
                raise Failure(f"{len(state)} keys of {3 * TRANSACTIONS} are there")
            check_no_evidence(alive)
            latencies.sort()
            say(f"node{dead} dead: {len(latencies)} commits, latency median "
                f"{1000 * latencies[len(latencies) // 2]:.0f} ms, longest "
                f"{1000 * latencies[-1]:.0f} ms")


main(three_of_four_commit_whichever_is_dead)

"""The leader is killed under load; for leader_killed_test.py and leader_killed_long_test.py.

Method: closed-loop clients on all nodes, and watchers that ask the survivors for their height every
few milliseconds. The node that leads is killed with SIGKILL, and the gap is the longest time
between two commits that a survivor shows around the kill. Then the dead one returns, catches up,
and the next kill follows.
"""

import http.client
import threading
import time

from checks import check_acknowledged, check_equal, check_no_evidence
from load import Load
from network import Failure, Network, say

# What a user of a healthy machine should see, and what a busy one may take before the test fails.
NORMAL_GAP_S = 1.0
LONGEST_GAP_S = 10.0


class Watcher(threading.Thread):
    """The moments at which a node's committed height was seen to rise."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.rises = []
        self.stopping = False
        self.start()

    def run(self):
        client = self.node.client()
        height = 0
        while not self.stopping:
            try:
                now = int(client.call("abci_info")["response"]["last_block_height"])
            except (OSError, http.client.HTTPException, KeyError):
                now = height
            if now > height:
                height = now
                self.rises.append(time.monotonic())
            time.sleep(0.003)
        client.close()

    def stop(self):
        self.stopping = True
        self.join(30)

    def gap(self, since):
        """The longest silence that ends after `since`."""
        pairs = zip(self.rises, self.rises[1:])
        return max((b - a for a, b in pairs if b > since), default=float("inf"))


def leader_of(network):
    """The node that says that it leads just now."""

    def find():
        for node in network.nodes:
            if node.status()["ingot"]["is_leader"]:
                return node
        return None

    return network.until("a node leads", find, interval_s=0)


def kill_leader(network):
    """One kill; returns the gap in seconds and how many views the survivors gave up meanwhile."""
    with Load(network.nodes, clients_per_node=2) as load:
        network.until("the load commits", lambda: load.count() >= 40)
        watchers = [Watcher(node) for node in network.nodes]
        time.sleep(0.5)
        leader = leader_of(network)
        killed_at = time.monotonic()
        leader.kill()
        survivors = [watcher for watcher in watchers if watcher.node is not leader]
        timeouts = sum(w.node.metrics()["ingot_timeouts_total"] for w in survivors)
        for watcher in survivors:
            network.until(f"{watcher.node} commits after the kill of {leader}", lambda w=watcher: (
                len([rise for rise in w.rises if rise > killed_at + 0.05]) >= 20))
        timeouts = sum(w.node.metrics()["ingot_timeouts_total"] for w in survivors) - timeouts
        for watcher in watchers:
            watcher.stop()
    gap = max(watcher.gap(killed_at) for watcher in survivors)
    say(f"{leader} killed: {1000 * gap:.0f} ms without a commit, {timeouts:.0f} views given up "
        f"by the three survivors together")
    leader.start()
    network.ready(leader)
    _, state = check_equal(network)
    check_acknowledged(load, state)
    return gap


def run(kills):
    with Network() as network:
        network.start()
        gaps = sorted(kill_leader(network) for _ in range(kills))
        check_no_evidence(network.nodes)
    say("gaps in ms: " + " ".join(f"{1000 * gap:.0f}" for gap in gaps))
    if gaps[-1] > LONGEST_GAP_S:
        raise Failure(f"{gaps[-1]:.1f} s without a commit, at most {LONGEST_GAP_S} s are allowed")
    if gaps[-1] > NORMAL_GAP_S:
        say(f"longer than the {NORMAL_GAP_S} s of a machine with nothing else to do")

"""An empty node that catches up with the help of one honest peer, beside three that lie; for
lying_sync_test.py and lying_sync_long_test.py.

Method: four data folders with a long chain, in which the validator set changes. One of them belongs
to a node that serves it, the other three to lying peers (lying_peer.c). The newcomer must have
the whole chain in bounded time and bounded memory, must not believe in the heights that were
invented, and must count who lied; then once more beside nothing but the honest one, to compare.
"""

import json
import os
import subprocess
import time

from catch_up import make_chain
from checks import check_equal
from network import BUILD_FOLDER, SANITIZED, Failure, Network, say

# For the whole chain, with a peer that answers nothing before its deadline and others that are
# worse. A machine with nothing else to do takes two or three seconds.
LONGEST_S = 60
# Executing the chain takes what it takes without liars, too.
RSS_ANON_KIB_MAX = 32 * 1024


class Liar:
    def __init__(self, node, victim, lie):
        tool = os.path.join(BUILD_FOLDER, "lying_peer")
        self.process = subprocess.Popen(
            [tool, node.home, str(victim.peer_port), lie], stdout=subprocess.PIPE, text=True)

    def stop(self):
        self.process.terminate()
        output, _ = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise Failure(f"lying_peer ended with {self.process.returncode}")
        return json.loads(output)


def catch_up(network, victim, goal):
    """Seconds, and the most memory that it took."""
    highest = 0

    def has_arrived():
        nonlocal highest
        highest = max(highest, victim.rss_anon_kib())
        return victim.height() >= goal

    network.until(f"{victim} has the chain", has_arrived, seconds=LONGEST_S, interval_s=0.01)
    return time.monotonic() - victim.started_at, highest


def penalties(node):
    return {name.split('"')[1]: int(value) for name, value in node.metrics().items()
            if name.startswith("ingot_sync_penalties_total") and value > 0}


def run(blocks, *lies):
    """The reasons for which the newcomer blames the liars."""
    with Network() as network:
        make_chain(network, blocks, 4, network.nodes, change_every=100)
        honest, *others = network.nodes
        victim, line = network.init_home()
        network.nodes.append(victim)
        for node in network.nodes:
            node.write_peer(line)
        liars = [Liar(node, victim, lie) for node, lie in zip(others, lies)]
        try:
            victim.start()
            network.ready(victim)
            # The honest one comes last: alone it could give everything before a liar is there.
            network.until("the liars are connected",
                          lambda: victim.metrics()["ingot_peers"] == len(lies))
            network.start(honest)
            goal = honest.height()
            took, memory = catch_up(network, victim, goal)
            network.until("it says that it has caught up",
                          lambda: not victim.status()["sync_info"]["catching_up"])
            target = victim.metrics()["ingot_sync_target_height"]
            blamed = penalties(victim)
        finally:
            results = [liar.stop() for liar in liars]
        say(f"{goal} blocks in {took:.1f} s, RssAnon at most {memory / 1024:.0f} MiB; blamed "
            f"{blamed}; " + ", ".join(f"{r['lie']}: {r['requests']} requests, {r['connections']} "
                                      f"connections" for r in results))
        if target > goal + 10:
            raise Failure(f"the newcomer believes in height {target}, {goal} is the highest")
        if memory > RSS_ANON_KIB_MAX and not SANITIZED:
            raise Failure(f"RssAnon {memory} KiB, allowed are {RSS_ANON_KIB_MAX}")
        for result in results:
            if result["requests"] == 0 or result["lies"] == 0:
                raise Failure(f"a liar was not asked: {result}")
        check_equal(network, [honest, victim])
        return blamed


def expect(blamed, *reasons):
    for reason in reasons:
        if reason not in blamed:
            raise Failure(f"nobody was blamed for {reason}: {blamed}")


def tests(blocks):
    """The tests, each with a chain of so many blocks."""

    def wrong_blocks_missing_ends_and_invented_heights():
        expect(run(blocks, "wrong-block", "truncated", "inflated"), "invalid", "height_not_shown")

    def silence_single_bytes_and_huge_frames():
        expect(run(blocks, "silent", "slow", "huge"), "stalled", "invalid")

    def an_honest_peer_is_not_blamed():
        blamed = run(blocks)
        if blamed:
            raise Failure(f"an honest peer was blamed: {blamed}")

    return (wrong_blocks_missing_ends_and_invented_heights, silence_single_bytes_and_huge_frames,
            an_honest_peer_is_not_blamed)

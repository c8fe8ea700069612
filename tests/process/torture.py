"""Real validators under load while they are killed, paused, cut off and left without room, and what
every client was told is judged afterwards.

    torture.py --kills 200 --cluster-kills 25 --operations 100000 --seed 1 [--no-namespaces]

Method: validators (four by default), each in a network namespace of its own where the machine allows that, with
a switch between them (namespaces.py); clients at all of them that use keys as registers
(register_load.py); one misfortune after the other, drawn from the seed (nemesis.py). After each the
network has to commit again. All the time the chain is read and replayed (chain_replay.py). At the
end the history of every key must be linearizable, what was acknowledged must be in the chain once
and with the result that a replay gives, all nodes must have the replay's state, no disk or
certificate may show two votes of one validator in a view, and nobody may have stopped by itself.

The last line of the output is JSON with the counts. The exit status is 0 if nothing was violated.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import time

from chain_replay import ChainReplay
from checks import Votes, check_no_evidence
from linearizability import by_key, explain, is_register_linearizable
from namespaces import Switch, Unavailable
from nemesis import CUT_KINDS, Nemesis, SmallDisk, own_mounts
from network import Failure, Network, say
from register_load import RegisterLoad

# Far more blocks than are made while a client submits one transaction again and again.
REPLAY_WINDOW_BLOCKS = 8192
SETTINGS = "[rpc]\ncommit_timeout_ms = 3000\n"


def tie_to_this_process(network):
    """They go when it goes, however that happens."""
    if shutil.which("setpriv"):
        for node in network.nodes:
            node.command = ["setpriv", "--pdeathsig", "KILL"]


def place_in_namespaces(network, switch):
    """Each node listens for the others on its own interface, and for clients on its own loopback
    address."""
    for index, node in enumerate(network.nodes):
        node.command = switch.enter_command(index) + node.command
        node.connect = lambda port, timeout_s, index=index: switch.connect(index, port, timeout_s)
        config = os.path.join(node.home, "config.ini")
        replace_in(config, f"127.0.0.1:{node.peer_port}", f"{switch.address(index)}:{node.peer_port}")
        for other_index, other in enumerate(network.nodes):
            replace_in(node.peers, f"127.0.0.1:{other.peer_port}",
                       f"{switch.address(other_index)}:{other.peer_port}")


def replace_in(path, old, new):
    with open(path) as file:
        text = file.read()
    if old not in text:
        raise Failure(f"{path} has no {old}")
    with open(path, "w") as file:
        file.write(text.replace(old, new))


def widen_replay_window(network):
    """So that submitting again is safe for as long as a client does it; the same in all homes."""
    for node in network.nodes:
        replace_in(os.path.join(node.home, "genesis.json"), '"replay_window_blocks": 256',
                   f'"replay_window_blocks": {REPLAY_WINDOW_BLOCKS}')


class Torture:
    """One run; `load` is what makes the clients. What was violated is in `violations` afterwards."""

    def __init__(self, options, load=RegisterLoad):
        self.options = options
        self.make_load = load
        self.violations = []
        self.choice = random.Random(f"{options.seed} nemesis")
        self.began = time.monotonic()
        self.nemesis = None
        self.load = None
        self.skipped = []
        self.keys = 0
        self.frames = {}
        self.verdict = {"linearizable": False, "replay_equal": False}

    def skip(self, what, why):
        say(f"skipped: {what} ({why})")
        self.skipped.append(what)

    def open_switch(self, stack):
        if self.options.no_namespaces:
            self.skip("cuts", "--no-namespaces")
            return None
        try:
            return stack.enter_context(Switch(self.options.validators, self.options.seed))
        except Unavailable as why:
            self.skip("cuts", f"network namespaces are not to be had: {why}")
            return None

    def small_disks(self, network):
        node = network.nodes[-1]
        try:
            own_mounts()
            return [SmallDisk(node)]
        except Unavailable as why:
            self.skip("full disks", f"no file system can be mounted: {why}")
            return []

    def run(self):
        with contextlib.ExitStack() as stack:
            switch = self.open_switch(stack)
            network = stack.enter_context(Network(self.options.validators, settings=SETTINGS))
            widen_replay_window(network)
            tie_to_this_process(network)
            if switch is not None:
                place_in_namespaces(network, switch)
            small_disks = self.small_disks(network)
            for disk in small_disks:
                stack.callback(disk.unmount)
            self.votes = Votes()
            self.nemesis = Nemesis(network, self.choice, self.votes, switch, small_disks,
                                   self.options.cut_kinds)
            network.start()
            replay = ChainReplay(network.nodes)
            stack.callback(replay.stop)
            self.load = stack.enter_context(self.make_load(
                network.nodes, self.options.seed, self.options.clients, self.options.pause))
            try:
                self.misfortunes(network, replay)
            except Failure:
                self.passes(self.check_one_chain, network, replay)
                self.passes(self.check_no_evidence, network)
                raise
            self.judge(network, replay)
            if switch is not None:
                self.frames = switch.counts()
                say(f"frames: {self.frames}")

    def plan(self):
        options = self.options
        plan = ["cluster"] * options.cluster_kills + ["pause"] * options.pauses
        plan += ["full"] * (options.full_disks if self.nemesis.small_disks else 0)
        plan += ["cut"] * (options.cuts if self.nemesis.switch is not None else 0)
        plan += ["kill"] * options.kills
        self.choice.shuffle(plan)
        return plan

    def misfortunes(self, network, replay):
        self.until_commits(network, replay, "the clients commit")
        plan = self.plan()
        for number, kind in enumerate(plan):
            began = time.monotonic()
            time.sleep(self.choice.uniform(0, 0.5))
            self.check_no_evidence(network)
            weather = self.nemesis.weather()
            text = self.one(kind)
            self.nemesis.clear()
            if text:
                healed = time.monotonic()
                self.until_commits(network, replay, f"the clients commit after: {text}")
                self.check_one_chain(network, replay)
                say(f"{number + 1}/{len(plan)} {text}{weather}; commits "
                    f"{time.monotonic() - healed:.1f} s later, took "
                    f"{time.monotonic() - began:.1f} s; {self.load.count()} operations, height "
                    f"{replay.height}")
            if number % 20 == 19:
                self.until_together(network, replay)
        network.until("there were enough operations",
                      lambda: self.check_going(replay) and
                      self.load.count() >= self.options.operations,
                      seconds=max(120, self.options.operations / 20))

    def one(self, kind):
        left = self.options.kills - self.nemesis.counts["kills"]
        if kind == "kill":
            return self.nemesis.kill(left) if left > 0 else None
        if kind == "cut":
            return self.nemesis.cut(may_kill=left > 0)
        return {"cluster": self.nemesis.kill_cluster, "pause": self.nemesis.pause,
                "full": self.nemesis.fill_disk}[kind]()

    @staticmethod
    def check_one_chain(network, replay):
        """Do those that answer have one chain, whatever else is wrong?"""
        for node in network.nodes:
            height = min(node.height(), replay.height) if node.is_running else 0
            if height > 0 and node.block_hash(height) != replay.hashes[height]:
                raise Failure(f"two chains: {node} has the block {node.block_hash(height)} at "
                              f"height {height}, others have {replay.hashes[height]}")

    @staticmethod
    def check_no_evidence(network):
        """Nobody has seen two votes, nor one of its own that it knows nothing of."""
        running = [node for node in network.nodes if node.is_running]
        check_no_evidence(running)
        for node in running:
            if node.metrics()["ingot_signing_stopped"] != 0:
                raise Failure(f"{node} signs no more: another process seems to have its key")

    def check_going(self, replay):
        self.nemesis.tend_disks()
        replay.check()
        if self.load.error is not None:
            raise Failure(f"a client found: {self.load.error}")
        return True

    def until_commits(self, network, replay, what):
        goal = self.load.count() + 10
        network.until(what, lambda: self.check_going(replay) and self.load.count() >= goal,
                      interval_s=0.01)

    def until_together(self, network, replay):
        """Nobody stays behind what somebody has shown."""
        goal = max(self.load.shown.values())
        network.until("all nodes are where the highest was",
                      lambda: min(node.height() for node in network.nodes) >= goal)
        self.check_going(replay)

    def judge(self, network, replay):
        self.load.stop()
        self.check_going(replay)
        self.until_together(network, replay)
        goal = min(node.height() for node in network.nodes)
        replay.until_height(goal)
        self.verdict["replay_equal"] = (
            self.passes(replay.check_answers, self.load.answers) &
            self.passes(replay.check_nodes, network, network.nodes) &
            self.passes(replay.check_local_reads, self.load.local_reads))
        self.passes(self.check_no_evidence, network)
        replay.stop()
        for node in network.nodes:
            node.kill()
        self.passes(self.votes.note_records, network.nodes)
        self.verdict["linearizable"] = self.passes(self.judge_histories)
        say(f"{len(self.votes.choices)} votes seen, each the only one of its validator in its view; "
            f"{len(self.load.local_reads)} local reads, {self.load.retries} submissions again, "
            f"{self.load.failed} operations failed, "
            f"{sum(not o.is_known for o in self.load.history)} with unknown outcome")

    def passes(self, check, *arguments):
        """All checks are made, whatever the others say."""
        try:
            check(*arguments)
            return True
        except Failure as failure:
            self.note_violation(failure)
            return False

    def note_violation(self, failure):
        """What ends a run may be met again by the checks after it: it is said once."""
        if str(failure) in self.violations:
            return
        self.violations.append(str(failure))
        say(f"VIOLATION: {failure}")

    def judge_histories(self):
        began = time.monotonic()
        histories = by_key(self.load.history)
        self.keys = len(histories)
        wrong = [key for key, history in histories.items()
                 if not is_register_linearizable(history)]
        say(f"{len(self.load.history)} operations on {self.keys} keys judged in "
            f"{time.monotonic() - began:.1f} s")
        if wrong:
            raise Failure(f"{len(wrong)} histories are not linearizable, that of {wrong[0]} among "
                          f"them:\n{explain(histories[wrong[0]])}")

    def summary(self):
        counts = self.nemesis.counts if self.nemesis is not None else {}
        return {"torture": "processes", "seed": self.options.seed, **counts,
                "operations": len(self.load.history) if self.load is not None else 0,
                "keys": self.keys, **self.verdict, "skipped": self.skipped,
                "frames": self.frames, "seconds": round(time.monotonic() - self.began, 1),
                "violations": len(self.violations)}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cluster-kills", type=int, default=2)
    parser.add_argument("--pauses", type=int, help="default: a fifth of the kills")
    parser.add_argument("--full-disks", type=int, help="default: a twentieth of the kills")
    parser.add_argument("--cuts", type=int, help="default: a quarter of the kills")
    parser.add_argument("--cut-kinds", nargs="+", choices=CUT_KINDS, default=CUT_KINDS)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.05,
                        help="the longest that a client thinks between two operations, in seconds")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-namespaces", action="store_true")
    options = parser.parse_args(arguments)
    for name, part in (("pauses", 5), ("full_disks", 20), ("cuts", 4)):
        if getattr(options, name) is None:
            setattr(options, name, max(1, options.kills // part))
    return options


def run(*arguments, load=RegisterLoad):
    """What was violated; everything else is on standard output."""
    torture = Torture(parse(arguments), load)
    try:
        torture.run()
    except Failure as failure:
        torture.note_violation(failure)
    if torture.violations:
        say("again with: torture.py " + " ".join(arguments))
    say(json.dumps(torture.summary()))
    return torture.violations


if __name__ == "__main__":
    sys.exit(1 if run(*sys.argv[1:]) else 0)

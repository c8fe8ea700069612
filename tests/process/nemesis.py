"""What can go wrong with the machines and the network of validators, done to real programs on
purpose: each function is one misfortune from its beginning to its end. For torture.py.

Whoever is killed has its disk read before it returns (checks.Votes). All numbers are drawn from the
seed; what happens then depends on the machine, so a seed gives the same misfortunes, not the same
run.
"""

import ctypes
import http.client
import os
import subprocess
import time

from namespaces import CUT, LIBC, Unavailable
from network import DEADLINE_S, Failure, tail
from register_load import BROKEN

FULL_DISK_EXIT = 5
# Less than the step in which a store takes room ahead of use (storage/lmdb_space.c): it then takes
# only what it needs, and notices soon when there is no more.
ROOM_BYTES = 12 << 20
# Of the journal, which a node makes at its first start and which does not grow.
JOURNAL_BYTES = (16 << 20) + 4096
NATURAL_END_S = 3
LARGE_VALUE_BYTES = 100_000
# What a start may want for all that the journal has and the tables lack when much of it is large
# values; less than that and another step, so that not much is left for the next time.
RETURN_BYTES = 44 << 20
CUT_KINDS = ["isolated", "halves", "mute", "deaf", "leader mute", "one link", "lossy link",
             "everybody alone"]
CLONE_NEWNS = 0x00020000
MS_REMOUNT, MS_REC, MS_PRIVATE = 32, 0x4000, 0x40000


def leads(node):
    """Does it say that it leads? One that does not answer does not."""
    try:
        return node.is_running and node.client(timeout_s=2).call("status")["ingot"]["is_leader"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False


def mount(source, path, flags, how):
    if LIBC.mount(source, path.encode(), b"tmpfs", flags, how) != 0:
        raise Unavailable(os.strerror(ctypes.get_errno()))


def own_mounts():
    """From here on file systems are mounted for this process and its children alone, and go with
    them."""
    if LIBC.unshare(CLONE_NEWNS) != 0:
        raise Unavailable(os.strerror(ctypes.get_errno()))
    mount(None, "/", MS_REC | MS_PRIVATE, None)


class SmallDisk:
    """A file system in memory for the data folder of one node, which does not run yet."""

    def __init__(self, node):
        self.node = node
        os.mkdir(node.data, 0o700)
        mount(b"tmpfs", node.data, 0, b"mode=0700,size=%d" % (JOURNAL_BYTES + ROOM_BYTES))
        with open(os.path.join(node.home, "config.ini"), "a") as file:
            file.write("[storage]\nmap_size_initial = 1048576\n")

    def room(self):
        found = os.statvfs(self.node.data)
        return found.f_bavail * found.f_frsize

    def leave(self, room):
        """Sets its size to what is used and so much more."""
        found = os.statvfs(self.node.data)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        mount(b"tmpfs", self.node.data, MS_REMOUNT, b"size=%d" % (used + room))

    def unmount(self):
        LIBC.umount2(self.node.data.encode(), 2)  # lazily: the node may still run


class Nemesis:
    def __init__(self, network, choice, votes, switch, small_disks, cut_kinds):
        self.network = network
        self.choice = choice
        self.votes = votes
        self.switch = switch
        self.small_disks = small_disks
        self.cut_kinds = cut_kinds
        self.large_values = 0
        self.counts = dict.fromkeys(
            ["kills", "leader_kills", "cluster_kills", "pauses", "full_disks", "cuts"], 0)

    def some_leader(self):
        leaders = [node for node in self.network.nodes if leads(node)]
        return (leaders or [self.choice.choice(self.network.nodes)])[0]

    def victims(self, most):
        """The leader, or one to `most` drawn nodes."""
        if self.choice.random() < 0.35:
            return "the leader", [self.some_leader()]
        count = 1 if self.choice.random() < 0.75 else self.choice.randrange(1, most + 1)
        return "drawn", self.choice.sample(self.network.nodes, count)

    # --- Deaths. ---

    def kill(self, most):
        how, nodes = self.victims(min(most, (len(self.network.nodes) + 1) // 2))
        self.counts["leader_kills"] += how == "the leader"
        for node in nodes:
            node.process.kill()
        for node in nodes:
            self.note_kill(node)
        time.sleep(self.choice.choice([0, self.choice.uniform(0, 1.0)]))
        dies_at_start = most > len(nodes) and self.choice.random() < 0.2
        if dies_at_start:
            nodes[0].start()
            time.sleep(self.choice.uniform(0, 0.4))
            self.note_kill(nodes[0])
        self.network.start(*nodes)
        return (f"kill of {how}: {', '.join(map(str, nodes))}" +
                (", and once more at its start" if dies_at_start else ""))

    def note_kill(self, node):
        node.kill()
        self.counts["kills"] += 1
        self.votes.note_record(node)

    def kill_cluster(self):
        """All of them, in some cases a few milliseconds apart: what a dead one said last then still
        reaches the others."""
        nodes = self.choice.sample(self.network.nodes, len(self.network.nodes))
        pause_s = self.choice.choice([0, 0.003, 0.01])
        for node in nodes:
            node.process.kill()
            time.sleep(pause_s)
        for node in nodes:
            node.kill()
        self.counts["cluster_kills"] += 1
        self.votes.note_records(nodes)
        for node in nodes:
            node.start()
            time.sleep(self.choice.choice([0, 0, 0.3]))
        self.network.ready()
        return "kill of the whole cluster"

    def pause(self):
        """SIGSTOP: now and then so many that nothing can commit."""
        how, nodes = self.victims(len(self.network.nodes))
        seconds = self.choice.choice([0.2, 1.0, self.choice.uniform(0.5, 6.0)])
        for node in nodes:
            node.pause()
        time.sleep(seconds)
        for node in nodes:
            node.resume()
        self.counts["pauses"] += 1
        return f"pause of {how} for {seconds:.1f} s: {', '.join(map(str, nodes))}"

    # --- Disks. ---

    def fill_disk(self):
        """The file system takes no more, the node stops by itself, and returns when there is room
        again."""
        disk = self.choice.choice(self.small_disks)
        node = disk.node
        began = time.monotonic()
        disk.leave(0)
        self.write_until_it_ends(node)
        status = node.wait()
        said = tail(node.log, lines=6)
        if status != FULL_DISK_EXIT or "durable write" not in said:
            raise Failure(f"{node} has no room left: expected its end with status "
                          f"{FULL_DISK_EXIT}, found {status}:\n{said}")
        took = time.monotonic() - began
        self.counts["full_disks"] += 1
        self.start_without_room(node)
        disk.leave(RETURN_BYTES)
        self.votes.note_record(node)
        self.network.start(node)
        return f"full disk of {node}, which ended after {took:.1f} s"

    def write_until_it_ends(self, full):
        """A store that has pages to use again can go on for long, and the journal has its room
        already: then large values are written, in fair weather. Each has a key of its own, for
        only the last value of a key needs room in the tables, and may take that of the one
        before."""
        nodes = [node for node in self.network.nodes if node is not full]
        waits_until = time.monotonic() + NATURAL_END_S
        gives_up = time.monotonic() + DEADLINE_S
        while full.is_running and time.monotonic() < gives_up:
            time.sleep(0.02)
            if time.monotonic() > waits_until:
                self.clear()
                self.large_values += 1
                value = self.choice.randbytes(LARGE_VALUE_BYTES // 2).hex().encode()
                try:
                    nodes[0].commit(b"large-%d=" % self.large_values + value)
                except BROKEN:
                    nodes.reverse()

    def tend_disks(self):
        """Small disks grow with what is on them, until they are to be full."""
        for disk in self.small_disks:
            if disk.room() < ROOM_BYTES * 3 // 4:
                disk.leave(ROOM_BYTES)

    def start_without_room(self, node):
        """It may refuse, or run until it has to write; it may not do anything else."""
        node.start()
        try:
            status = node.process.wait(self.choice.uniform(0.2, 2.0))
        except subprocess.TimeoutExpired:
            node.kill()
            return
        node.process = None
        if status != FULL_DISK_EXIT:
            raise Failure(f"{node}, started on a full disk, ended with {status}\n{tail(node.log)}")

    # --- The network. ---

    def weather(self):
        """Loss, delay and repetition on all links, until clear(); often none."""
        if self.switch is None:
            return ""
        kind = self.choice.choice(["clear", "clear", "slow", "bad"])
        if kind == "slow":
            self.switch.all_links(loss=1000, duplicates=1000, delay_us=self.choice.randrange(20000),
                                  jitter_us=self.choice.randrange(5000))
        elif kind == "bad":
            self.switch.all_links(loss=self.choice.randrange(10_000, 100_000), duplicates=20_000,
                                  delay_us=self.choice.randrange(40000),
                                  jitter_us=self.choice.randrange(40000))
        return "" if kind == "clear" else f" in {kind} weather"

    def clear(self):
        if self.switch is not None:
            self.switch.all_links()

    def cut(self, may_kill):
        """Some validators are cut off from the others, in both directions or one; or one link, in
        one direction, is dead, or loses every third frame. Sometimes one dies meanwhile."""
        nodes = self.network.nodes
        everybody = range(len(nodes))
        kind = self.choice.choice(self.cut_kinds)
        one = self.choice.choice(list(everybody))
        some = self.choice.sample(list(everybody), len(nodes) // 2)
        rest = [index for index in everybody if index not in some]
        other = self.choice.choice([index for index in everybody if index != one])
        if kind == "isolated":
            self.switch.cut([one], everybody)
            self.switch.cut(everybody, [one])
        elif kind == "halves":
            self.switch.cut(some, rest)
            self.switch.cut(rest, some)
        elif kind == "mute":
            self.switch.cut([one], everybody)
        elif kind == "leader mute":
            self.switch.cut([nodes.index(self.some_leader())], everybody)
        elif kind == "deaf":
            self.switch.cut(everybody, [one])
        elif kind == "one link":
            self.switch.cut([one], [other])
        elif kind == "lossy link":
            self.switch.link(one, other, loss=CUT // 3, delay_us=20000, jitter_us=20000)
            self.switch.link(other, one, loss=CUT // 3, delay_us=20000, jitter_us=20000)
        else:
            self.switch.cut(everybody, everybody)
        seconds = self.choice.choice([0.5, 2.0, self.choice.uniform(0.5, 5.0)])
        dying = self.choice.choice(nodes) if may_kill and self.choice.random() < 0.3 else None
        time.sleep(seconds / 2)
        if dying is not None:
            self.note_kill(dying)
            self.network.start(dying)
        time.sleep(seconds / 2)
        self.clear()
        self.counts["cuts"] += 1
        return (f"cut for {seconds:.1f} s: {kind}" +
                (f", and a kill of {dying} meanwhile" if dying is not None else ""))

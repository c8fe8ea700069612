"""A network of real validators on this machine under the load of `ingot bench`: what clients saw, and
what the validators used meanwhile. It measures; what is worth measuring is matrix.py's and aims.py's.

The program is $INGOT_PROGRAM, build/release/ingot if that is not set.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
os.environ.setdefault("INGOT_PROGRAM", os.path.join(ROOT, "build/release/ingot"))
sys.path.insert(0, os.path.join(ROOT, "tests/process"))

from network import PROGRAM, Failure, Network  # noqa: E402

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_INTERVAL_S = 0.25

# What nodes count, by the name that it has here.
COUNTERS = {
    "committed": "ingot_committed_transactions_total",
    "blocks": "ingot_committed_blocks_total",
    "views": "ingot_views_entered_total",
    "timeouts": "ingot_timeouts_total",
    "signatures": "ingot_signatures_total",
    "verifications": "ingot_verifications_total",
    "syncs": "ingot_sync_commits_total",
    "sync_s": "ingot_sync_seconds_sum",
    "peer_bytes": "ingot_peer_bytes_sent_total",
    "peer_frames": "ingot_peer_frames_sent_total",
}


def closed(clients, outstanding):
    """Each client waits for the commit of so many transactions, then sends as many again."""
    return {"loop": "closed", "clients": clients, "outstanding": outstanding}


def open_loop(rate):
    """So many transactions a second, whatever the nodes do."""
    return {"loop": "open", "rate": round(rate)}


def load_name(load):
    if load["loop"] == "open":
        return f"open, {load['rate']:,}/s"
    return f"{load['clients']} x {load['outstanding']}"


def end_tidily():
    """SIGTERM ends a benchmark as an error would: what it started is ended and its folders go."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def version():
    """What is measured."""
    asked = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                           capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def write_json(document, path):
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def new_network(app="null", validators=4, index=True):
    return Network(validators, app, "" if index else "\n[rpc]\nindex_tx = no\n")


def stat_of(path):
    """Processor time and niceness of a process or thread."""
    with open(os.path.join(path, "stat")) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S, int(fields[16])


def cpu_s(process):
    """Processor time that a process has used."""
    return stat_of(f"/proc/{process.pid}")[0]


def cpu_by_niceness(process):
    """Processor time that the threads of each niceness have used."""
    used = {}
    tasks = f"/proc/{process.pid}/task"
    for thread in os.listdir(tasks):
        seconds, niceness = stat_of(os.path.join(tasks, thread))
        used[niceness] = used.get(niceness, 0) + seconds
    return used


class Counts:
    """What each of some nodes has counted and used up to now."""

    def __init__(self, nodes):
        self.nodes = []
        for node in nodes:
            metrics = node.metrics()
            counts = {name: metrics[key] for name, key in COUNTERS.items()}
            counts["cpu_s"] = cpu_s(node.process)
            self.nodes.append(counts)

    def since(self, before):
        """Of each node, from then to now."""
        return [{name: now[name] - then[name] for name in now}
                for now, then in zip(self.nodes, before.nodes)]


def usage(deltas):
    """What the network used, from what its nodes did: for a transaction, a view, a replica."""

    def total(name):
        return sum(node[name] for node in deltas)

    committed = max(node["committed"] for node in deltas)
    views = max(node["views"] for node in deltas)

    def each(value, count, digits=3):
        return round(value / count, digits) if count else None

    return {
        "committed": int(committed),
        "views": int(views),
        "transactions_per_block": each(committed, max(node["blocks"] for node in deltas)),
        "view_timeouts": int(total("timeouts")),
        "cpu_us_per_tx": each(1e6 * total("cpu_s"), committed),
        "peer_bytes_per_tx": each(total("peer_bytes"), committed),
        "peer_frames_per_view": each(total("peer_frames"), views),
        "signatures_per_view": each(total("signatures"), views),
        "verifications_per_view": each(total("verifications"), views),
        "syncs_per_view_and_node": each(total("syncs"), total("views")),
        "sync_ms_mean": each(1e3 * total("sync_s"), total("syncs")),
    }


class Memory(threading.Thread):
    """Looks at the nodes' anonymous resident memory, from now to stop()."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.began = time.monotonic()
        self.samples = []  # (seconds since the beginning, bytes of the largest node)
        self.largest = [0] * len(nodes)
        self.stopping = threading.Event()
        self.start()

    def run(self):
        while not self.stopping.wait(SAMPLE_INTERVAL_S):
            try:
                now = [1024 * node.rss_anon_kib() for node in self.nodes]
            except (OSError, Failure):
                return  # it has ended, which others find out
            self.largest = [max(pair) for pair in zip(self.largest, now)]
            self.samples.append((round(time.monotonic() - self.began, 2), max(now)))

    def stop(self):
        self.stopping.set()
        self.join()


def generator_command(nodes, load, tx_bytes, seconds, warmup=1, keys=None, niceness=0):
    command = ["nice", "-n", str(niceness)] if niceness else []
    command += [PROGRAM, "bench", "--json", "--tx-bytes", str(tx_bytes),
                "--seconds", str(seconds), "--warmup", str(warmup)]
    if load["loop"] == "open":
        command += ["--rate", str(load["rate"])]
    else:
        command += ["--clients", str(load["clients"]), "--outstanding", str(load["outstanding"])]
    if keys is not None:
        command += ["--keys", str(keys)]
    for node in nodes:
        command += ["--node", node.url]
    return command


class Generator:
    """`ingot bench` on nodes that run. It begins with the machine's limits, about two seconds; then
    comes the load."""

    def __init__(self, *arguments, **options):
        self.command = generator_command(*arguments, **options)
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()

    def result(self):
        """Waits for its end."""
        output, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise Failure(f"{' '.join(self.command)}: exit status {self.process.returncode}\n"
                          f"{errors.decode()}")
        return json.loads(output)


def until_drained(network):
    """Nothing waits for a block any more, and what waits for the disk has gone there."""
    def is_empty():
        try:
            return all(int(node.status()["ingot"]["mempool_txs"]) == 0
                       for node in network.running())
        except (OSError, http.client.HTTPException):
            return False

    network.until("the mempools are empty", is_empty, seconds=120, interval_s=0.1)
    os.sync()


def measure(network, load, tx_bytes, seconds, nodes=None, **options):
    """One run of the generator on nodes of a network (all that run): what clients saw, with what
    the validators used beside it. Throughput and latency are of the measured interval, what was
    used is of the whole load with its warm-up."""
    until_drained(network)
    running = network.running()
    memory = Memory(running)
    before = Counts(running)
    try:
        with Generator(nodes or running, load, tx_bytes, seconds, **options) as generator:
            result = generator.result()
    finally:
        memory.stop()
    after = Counts(running)
    network.check_alive()
    # What `ingot bench` says of nodes that it started itself, it cannot say of these.
    for absent in ("node_cpu_us_per_tx", "rss_anon_bytes"):
        result.pop(absent, None)
    result["index_tx"] = "index_tx = no" not in network.settings
    result["load"] = load
    result["generator_niceness"] = options.get("niceness", 0)
    result["rss_anon_bytes"] = memory.largest
    result["rss_anon_over_time"] = memory.samples
    result["usage"] = usage(after.since(before))
    return result

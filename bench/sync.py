#!/usr/bin/env python3
"""How fast an empty node catches up with a long chain, and what that costs those who serve it.

usage: sync.py INGOT [BLOCKS [ROUNDS [FOLDER]]]

With FOLDER the empty node keeps its data there, on another disk than those who serve it: /dev/shm.
What the figures mean, and how they are measured, is in docs/performance.md.
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time

if __name__ == "__main__":
    if len(sys.argv) < 2 or len(sys.argv) > 5:
        sys.exit(__doc__)
    os.environ["INGOT_PROGRAM"] = sys.argv[1]
    os.environ.setdefault("INGOT_BUILD_DIR", os.path.dirname(os.path.abspath(sys.argv[1])))

from cluster import cpu_by_niceness  # noqa: E402
from ed25519 import Ed25519, rates  # noqa: E402
from network import BUILD_FOLDER, PROGRAM, Network  # noqa: E402

TRANSACTIONS = "10x128"
VOTE_BYTES = 128  # signed, about
CORE_SIGNATURES = 3  # of a certificate, with four validators
LOAD_RATE = 50  # transactions a second


def make_chain(network, blocks):
    tool = os.path.join(BUILD_FOLDER, "make_chain")
    first = network.nodes[0]
    subprocess.run([tool, network.homes, str(blocks), TRANSACTIONS, "0"], check=True,
                   stdout=subprocess.DEVNULL)
    for node in network.nodes[1:]:
        shutil.rmtree(node.data, ignore_errors=True)
        shutil.copytree(first.data, node.data)
    # Or the disk would still be writing these while the first round is measured.
    os.sync()


def written_bytes(process):
    """What a process has made the kernel write to the disk."""
    with open(f"/proc/{process.pid}/io") as file:
        return int(dict(line.split(": ") for line in file)["write_bytes"])


def start_load(nodes, seconds):
    command = [PROGRAM, "bench", "--json", "--rate", str(LOAD_RATE), "--seconds", str(max(5, round(seconds)))]
    for node in nodes:
        command += ["--node", node.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end_load(load):
    output, errors = load.communicate()
    if load.returncode != 0:
        sys.exit(f"ingot bench: exit status {load.returncode}\n{errors.decode()}")
    return json.loads(output)["latency_ms"]


def move_home(node, folder):
    """To another disk, so that its writes do not hold up the syncs of those who serve it."""
    place = os.path.join(folder, f"ingot-bench-{os.getpid()}")
    shutil.move(node.home, place)
    os.symlink(place, node.home)
    return place


def one_sync(network, blocks, load_seconds, folder):
    """An empty observer until it has the chain: seconds, its processor time by niceness, bytes
    received and written, memory, latencies."""
    load = start_load(network.nodes[:4], load_seconds) if load_seconds else None
    if load:
        time.sleep(1.5)  # the load's own warm-up
    node, line = network.init_home()
    home = move_home(node, folder) if folder else None
    for other in network.nodes[:4]:
        other.write_peer(line)
    network.reload_peers(*network.nodes[:4])
    network.nodes.append(node)
    node.start()
    began = time.monotonic()
    network.until("the observer answers", lambda: node.height() >= 0, interval_s=0.01)
    network.until("it has caught up", lambda: node.height() >= blocks, seconds=1200,
                  interval_s=0.05)
    took = time.monotonic() - began
    used = cpu_by_niceness(node.process)
    written = written_bytes(node.process)
    received = node.metrics()["ingot_peer_bytes_received_total"]
    memory = node.rss_anon_kib()
    latencies = end_load(load) if load else None
    node.stop()
    network.remove_peer(node)
    network.nodes.remove(node)
    if home:
        os.unlink(node.home)
    shutil.rmtree(home or node.home)
    return took, used, received, written, memory, latencies


BURN = """
import sys, time
share, seconds = float(sys.argv[1]), float(sys.argv[2])
end = time.monotonic() + seconds
while time.monotonic() < end:
    begin, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.02 * share:
        pass
    time.sleep(max(0, 0.02 - (time.monotonic() - begin)))
"""


def one_control(network, used, seconds):
    """The same load beside processes that only burn as much processor time, as nice as the
    observer's threads were."""
    load = start_load(network.nodes[:4], seconds)
    time.sleep(1.5)
    burners = []
    for niceness, burnt in used.items():
        share = burnt / seconds
        count = math.ceil(share)
        burners += [subprocess.Popen(["nice", "-n", str(niceness), sys.executable, "-c", BURN,
                                      str(share / count), str(seconds)]) for _ in range(count)]
    latencies = end_load(load)
    for burner in burners:
        burner.kill()
        burner.wait()
    return latencies


def bound():
    """What the signatures of its certificates set: blocks a second, and microseconds of processor
    time for a block."""
    by_clock, by_processor = rates(Ed25519(VOTE_BYTES).verify)
    return by_clock / CORE_SIGNATURES, 1e6 * CORE_SIGNATURES / by_processor


def main():
    blocks = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    folder = sys.argv[4] if len(sys.argv) > 4 else None
    with Network() as network:
        make_chain(network, blocks)
        network.start()
        network.until("a block is committed", lambda: network.nodes[0].height() > blocks)
        print(f"{blocks} blocks of {TRANSACTIONS} bytes of kv transactions, 4 validators, durable"
              + (f"; the newcomer's data in {folder}" if folder else ""))
        print(f"{'':8} {'blocks/s':>8} {'MB/s':>5} {'bound':>6} {'share':>5}"
              f"  {'us/block':>8} {'bound':>6} {'share':>5}  {'CPU':>4} {'MiB':>4}"
              f" {'disk B/block':>12}"
              f"   commit latency p50 p99 ms", flush=True)
        ratios = []
        for number in range(rounds + 1):
            bound_rate, bound_us = bound()
            seconds = 0 if number == 0 else took
            took, threads, received, written, memory, latencies = one_sync(network, blocks, seconds,
                                                                           folder)
            used = sum(threads.values())
            rate, block_us = blocks / took, 1e6 * used / blocks
            row = (f"{rate:8.0f} {received / took / 1e6:5.1f} {bound_rate:6.0f} {rate / bound_rate:5.2f}"
                   f"  {block_us:8.0f} {bound_us:6.0f} {bound_us / block_us:5.2f}"
                   f"  {used / took:4.2f} {memory / 1024:4.0f} {written / blocks:12.0f}")
            if latencies is None:
                print(f"{'alone':8} {row}", flush=True)
                continue
            print(f"{'loaded':8} {row}   {latencies['p50']:8.1f} {latencies['p99']:8.1f}")
            control = one_control(network, threads, took)
            ratios.append(latencies["p99"] / control["p99"])
            print(f"{'control':8} {'':74}   {control['p50']:8.1f} {control['p99']:8.1f}"
                  f"   p99 ratio {ratios[-1]:.2f}", flush=True)
        if ratios:
            print(f"median p99 ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()

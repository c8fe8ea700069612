"""Aims that something goes wrong for: the leader is killed, or far more is offered than fits."""

import bisect
import http.client
import threading
import time

from aims_load import OUTSTANDING_MAX, SIZE_SMALL, brief
from cluster import Generator, closed, load_name, measure, new_network, open_loop
from network import Failure

POLL_INTERVAL_S = 0.01
BEFORE_S = 4  # of load, measured before the kill
DEAD_S = 10  # without the killed one
BACK_S = 10  # with it again
WINDOW_S = 1  # over which throughput counts as being back
SHARE = 0.9
LOAD = closed(48, 64)


class Progress(threading.Thread):
    """How many transactions a node has committed, over time."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.points = []  # (when, committed)
        self.stopping = threading.Event()
        self.start()

    def run(self):
        client = self.node.client()
        while not self.stopping.wait(POLL_INTERVAL_S):
            try:
                committed = int(client.call("status")["ingot"]["committed_txs"])
            except (OSError, http.client.HTTPException, KeyError, ValueError):
                continue
            self.points.append((time.monotonic(), committed))
        client.close()

    def stop(self):
        self.stopping.set()
        self.join(30)


def committed_at(points, when):
    """Between two looks: in proportion. Before the first and after the last: as they say."""
    place = bisect.bisect_left(points, (when, -1))
    if place == 0 or place == len(points):
        return points[min(place, len(points) - 1)][1]
    (earlier, before), (later, after) = points[place - 1 : place + 1]
    return before + (when - earlier) / (later - earlier) * (after - before)


def mean_rate(points, begin, end):
    return (committed_at(points, end) - committed_at(points, begin)) / (end - begin)


def longest_silence(points, begin, end):
    """The longest time between two moments at which more was seen to be committed, the part of it
    after `begin`. What never ended counts up to the end."""
    longest, last_rise, last = 0.0, begin, committed_at(points, begin)
    for at, committed in points:
        if begin < at <= end and committed > last:
            longest = max(longest, at - last_rise)
            last_rise, last = at, committed
    return max(longest, end - last_rise)


def time_until(points, begin, end, rate):
    """From `begin` to the first window with that rate, or None."""
    at = begin
    while at + WINDOW_S <= end:
        if mean_rate(points, at, at + WINDOW_S) >= rate:
            return at - begin
        at += POLL_INTERVAL_S
    return None


def kill_when_leading(network, victim):
    """SIGKILL at a moment at which it says that it leads."""
    client = victim.client()
    try:
        network.until(f"{victim} leads",
                      lambda: client.call("status")["ingot"]["is_leader"], interval_s=0)
    finally:
        client.close()
    killed_at = time.monotonic()
    victim.kill()
    return killed_at


def one_kill(options, network, victim):
    """Clients of the three others, so that the load is the same before and after."""
    survivors = [node for node in network.nodes if node is not victim]
    seconds = BEFORE_S + DEAD_S + BACK_S
    with Generator(survivors, LOAD, SIZE_SMALL, seconds + 15, warmup=1) as generator:
        progress = [Progress(node) for node in survivors]
        try:
            first = progress[0]
            network.until("the load commits", lambda: all(p.points for p in progress) and (
                first.points[-1][1] > first.points[0][1] + 1000))
            time.sleep(1 + BEFORE_S)
            killed_at = kill_when_leading(network, victim)
            time.sleep(DEAD_S)
            returned_at = time.monotonic()
            victim.start()
            network.ready(victim)
            time.sleep(max(0, BACK_S - (time.monotonic() - returned_at)))
        finally:
            for each in progress:
                each.stop()
        ended_at = time.monotonic()
        generator.process.terminate()
        generator.process.communicate()
    before = min(mean_rate(p.points, killed_at - BEFORE_S, killed_at) for p in progress)
    dead_until = killed_at + DEAD_S
    times = [time_until(p.points, killed_at, dead_until, SHARE * before) for p in progress]
    network.until(f"{victim} has caught up", lambda: victim.height() >= survivors[0].height() - 2)
    return {
        "victim": str(victim),
        "tx_per_s_before": round(before),
        "tx_per_s_without_it": round(min(mean_rate(p.points, killed_at + 3, dead_until)
                                         for p in progress)),
        "tx_per_s_after_its_return": round(min(mean_rate(p.points, returned_at + 3, ended_at)
                                               for p in progress)),
        "gap_s": round(max(longest_silence(p.points, killed_at, dead_until) for p in progress), 3),
        "gap_at_return_s": round(max(longest_silence(p.points, returned_at, ended_at)
                                     for p in progress), 3),
        "until_90_percent_s": None if None in times else round(max(times), 3),
    }


def leader_killed(bench):
    options = bench.options
    with new_network("null", 4, options.index) as network:
        network.start()
        kills = []
        for number in range(options.kills):
            kills.append(one_kill(options, network, network.nodes[-1 - number % 4]))
            options.say(str(kills[-1]))
    gap = max(kill["gap_s"] for kill in kills)
    times = [kill["until_90_percent_s"] for kill in kills]
    back = None if None in times else max(times)
    back_text = f"not within {DEAD_S} s" if back is None else f"after {back:.1f} s"
    notes = [f"{kill['tx_per_s_before']:,} tx/s before, {kill['tx_per_s_without_it']:,} without it, "
             f"{kill['tx_per_s_after_its_return']:,} after its return (longest silence then "
             f"{1000 * kill['gap_at_return_s']:.0f} ms)" for kill in kills]
    notes.append(f"three survivors bear {load_name(LOAD)}; looked at every {1000 * POLL_INTERVAL_S:.0f} ms")
    is_met = gap < 1 and back is not None and back <= 3
    return gap, f"{1000 * gap:.0f} ms at most, 90 % back {back_text}", is_met, notes, kills


NICENESS = 19


def overload(bench):
    """The peak first, with the same generator at the same niceness; then more than fits."""
    options = bench.options
    with new_network("null", 4, options.index) as network:
        network.start()
        runs = []
        for load in (closed(64, OUTSTANDING_MAX // 2), closed(64, OUTSTANDING_MAX)):
            runs.append(measure(network, load, SIZE_SMALL, options.seconds, warmup=options.warmup,
                                niceness=NICENESS))
            options.say(f"{load_name(load)}: {brief(runs[-1])}")
        peak = max(run["committed_tx_per_s"] for run in runs)
        overloads = []
        for factor in (2, 4):
            result = measure(network, open_loop(factor * peak), SIZE_SMALL, options.overload_seconds,
                             warmup=options.warmup, niceness=NICENESS)
            overloads.append((factor, result))
            options.say(f"{factor} x the peak: {brief(result)}")
    shares = [result["committed_tx_per_s"] / peak for _, result in overloads]
    notes = [f"peak beside this generator {peak:,.0f} tx/s, which used "
             f"{max(runs, key=lambda run: run['committed_tx_per_s'])['generator_processors']:.2f} processors"]
    is_flat = True
    for factor, result in overloads:
        text, flat = overload_note(factor, result)
        notes.append(text)
        is_flat = is_flat and flat
    is_met = min(shares) >= 0.9 and is_flat
    figure = ", ".join(f"{factor} x: {share:.2f} of the peak"
                       for (factor, _), share in zip(overloads, shares))
    return min(shares), figure, is_met, notes, runs + [result for _, result in overloads]


def overload_note(factor, result):
    """What clients were told and what memory did; and whether it stayed flat."""
    errors = {name: count for name, count in result["errors"].items() if count > 0}
    offered = result["offered_tx_per_s"]
    over_time = result["rss_anon_over_time"]
    if len(over_time) < 3:
        raise Failure("the run was too short to see what memory does")
    third = len(over_time) // 3
    mib = [max(size for _, size in over_time[part * third : (part + 1) * third]) / 2**20
           for part in range(3)]
    told = ", ".join(f"{name} {count:,}" for name, count in errors.items()) or "nothing refused"
    text = (f"{factor} x: {offered:,.0f} tx/s offered; clients were told: {told}; generator "
            f"{result['generator_processors']:.2f} processors; RssAnon by thirds of the run "
            f"{mib[0]:.0f}, {mib[1]:.0f}, {mib[2]:.0f} MiB")
    return text, mib[2] <= 1.1 * mib[1] + 4

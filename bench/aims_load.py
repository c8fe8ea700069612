"""Aims under load that all validators bear: peaks, low load, signatures, syncs, bytes, memory.

A *peak* is looked for once for each App and size, and several aims read their figure off it.
"""

import hashlib

from cluster import Failure, closed, load_name, measure, new_network, open_loop, until_drained

P99_LIMIT_MS = 100
CLIENTS = 64
OUTSTANDING_MAX = 256  # of a client; more are more clients
TOTAL_FIRST, TOTAL_MAX = 1024, 128 * 1024
KEYS = 1_000_000
OPEN_FRACTIONS = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6)
OPEN_COMMITTED_MIN = 0.98  # of what was due, or it is no steady state
SIZE_SMALL, SIZE_BIG, SIZE_KV = 32, 512, 128
# Of each the App, the size of a transaction, the keys, and whether an open loop is wanted too.
PEAKS = {
    "small": ("null", SIZE_SMALL, None, True),
    "big": ("null", SIZE_BIG, None, False),
    "kv": ("kv", SIZE_KV, KEYS, False),
}


def load_of(total):
    """So many transactions outstanding in all."""
    if total <= CLIENTS * OUTSTANDING_MAX:
        return closed(CLIENTS, max(1, total // CLIENTS))
    return closed(total // OUTSTANDING_MAX, OUTSTANDING_MAX)


def is_below(result):
    return result["latency_ms"]["p99"] < P99_LIMIT_MS


def brief(result):
    """A run in half a line, for the notes."""
    latency = result["latency_ms"]
    return (f"{result['committed_tx_per_s']:,.0f} tx/s at p50 {latency['p50']:.1f} ms, "
            f"p99 {latency['p99']:.1f} ms")


class Search:
    """Closed loops on one network, more and more outstanding, until throughput does not rise any
    more; then between the last that stayed below the limit and the first that did not."""

    def __init__(self, options, network, size, keys):
        self.options, self.network, self.size, self.keys = options, network, size, keys
        self.runs = []

    def run(self, load, seconds):
        result = measure(self.network, load, self.size, seconds, warmup=self.options.warmup,
                         keys=self.keys)
        self.runs.append(result)
        self.options.say(f"{load_name(load)}: {brief(result)}")
        return result

    def climb(self):
        """(outstanding, result) of each step. One step that gains nothing may be a hiccup; two are
        the end."""
        steps, best, idle, total = [], 0, 0, TOTAL_FIRST
        while total <= TOTAL_MAX and idle < 2:
            result = self.run(load_of(total), self.options.probe_seconds)
            steps.append((total, result))
            has_gained = result["committed_tx_per_s"] > 1.03 * best or is_below(result)
            idle = 0 if has_gained else idle + 1
            best = max(best, result["committed_tx_per_s"])
            total *= 2
        return steps

    def refine(self, steps):
        """Outstanding transactions, most first, of the runs below the limit."""
        good = [total for total, result in steps if is_below(result)]
        bad = [total for total, result in steps if not is_below(result)]
        if good and bad and min(bad) > max(good):
            low, high = max(good), min(bad)
            for _ in range(2):
                middle = (low + high) // 2 // CLIENTS * CLIENTS
                result = self.run(load_of(middle), self.options.probe_seconds)
                if is_below(result):
                    good.append(middle)
                    low = middle
                else:
                    high = middle
        return sorted(good, reverse=True)

    def confirm(self, totals):
        """The heaviest of them that stays below the limit in a long run too, or None."""
        for total in totals:
            result = self.run(load_of(total), self.options.seconds)
            if is_below(result):
                return result
        return None

    def best_open(self, throughput):
        """The highest rate that is committed as it comes, below the limit; or None."""
        for fraction in OPEN_FRACTIONS:
            result = self.run(open_loop(throughput * fraction), self.options.seconds)
            if is_below(result) and (result["committed_tx_per_s"] >=
                                     OPEN_COMMITTED_MIN * result["load"]["rate"]):
                return result
        return None


def find_peak(options, name):
    """Closed loop below the limit and without a limit, open loop below it; for kv whether all
    validators have one state at the end."""
    app, size, keys, with_open = PEAKS[name]
    with new_network(app, 4, options.index) as network:
        network.start()
        search = Search(options, network, size, keys)
        steps = search.climb()
        below = search.confirm(search.refine(steps))
        top = max(search.runs, key=lambda run: run["committed_tx_per_s"])
        opened = search.best_open(below["committed_tx_per_s"]) if below and with_open else None
        return {"below": below, "top": top, "open": opened, "runs": search.runs,
                "state": equal_state(network) if app == "kv" else None}


def state_digest(node):
    """A digest of all that the kv App answers to a range over its whole state, page after page, and
    how many keys there are."""
    keys, digest = 0, hashlib.blake2b(digest_size=32)
    for _, page, items in node.state_pages():
        digest.update(page)
        keys += len(items)
    return digest.hexdigest(), keys


def equal_state(network):
    """All validators agree on the block, and so on the updates hash, at the height that all have;
    and their states are the same byte for byte. A difference is a failure."""
    until_drained(network)  # what has left a mempool is committed there
    height = max(node.height() for node in network.nodes)
    network.until("all have the last transactions",
                  lambda: all(node.height() >= height for node in network.nodes))
    blocks = {node.block_hash(height) for node in network.nodes}
    states = {state_digest(node) for node in network.nodes}
    if len(blocks) != 1 or len(states) != 1:
        raise Failure(f"the validators differ at height {height}: blocks {blocks}, states {states}")
    digest, keys = states.pop()
    return {"height": height, "block": blocks.pop(), "state_digest": digest, "keys": keys}


# --- The aims. ---


def small_null(bench):
    peak = bench.peak("small")
    below, opened = peak["below"], peak["open"]
    notes = [f"without the limit: {brief(peak['top'])}"]
    notes.append(f"open loop: {brief(opened)}" if opened else "open loop: no rate stayed below it")
    if below is None:
        return None, "p99 never below 100 ms", False, notes
    figure = below["committed_tx_per_s"]
    return figure, brief(below), figure >= 250_000, notes


def big_null(bench):
    peak = bench.peak("big")
    return throughput(peak, 80_000)


def kv(bench):
    peak = bench.peak("kv")
    figure, text, is_met, notes = throughput(peak, 80_000)
    state = peak["state"]
    notes.append(f"states equal at height {state['height']}: {state['keys']:,} keys, digest "
                 f"{state['state_digest'][:16]}")
    return figure, text, is_met, notes


def throughput(peak, aim):
    """The aim names no latency: the highest throughput counts, that below 100 ms stands beside."""
    top, below = peak["top"], peak["below"]
    notes = [f"with p99 below {P99_LIMIT_MS} ms: {brief(below) if below else 'nothing'}"]
    figure = top["committed_tx_per_s"]
    return figure, brief(top), figure >= aim, notes


def low_load(bench):
    result = bench.low_load()
    sync, use = bench.machine["fdatasync_ms"], result["usage"]
    figure = result["latency_ms"]["p50"]
    notes = [f"fdatasync of 4 KiB alone {sync['p50']:.2f} ms p50, {sync['p99']:.2f} ms p99; a validator's "
             f"durable commit meanwhile {use['sync_ms_mean']:.2f} ms on average"]
    return figure, f"p50 {figure:.2f} ms, p99 {result['latency_ms']['p99']:.2f} ms", figure <= 4, notes


def measure_low_load(options):
    with new_network("null", 4, options.index) as network:
        network.start()
        return measure(network, closed(1, 1), SIZE_SMALL, options.seconds, warmup=options.warmup)


def per_view(bench, name, digits):
    """At low load, and at the peak of small transactions."""
    peak = bench.peak("small")
    busy = (peak["below"] or peak["top"])["usage"][name]
    idle = bench.low_load()["usage"][name]
    return max(busy, idle), f"{idle:.{digits}f} at low load, {busy:.{digits}f} at the peak"


def verifications(bench):
    figure, text = per_view(bench, "verifications_per_view", 1)
    return figure, text, figure <= 11, ["views given up and late votes included"]


def syncs(bench):
    figure, text = per_view(bench, "syncs_per_view_and_node", 2)
    return figure, text, figure <= 1.05, []


def wire_bytes(bench):
    peak = bench.peak("big")
    run = peak["below"] or peak["top"]
    figure = run["usage"]["peer_bytes_per_tx"]
    ratio = figure / (3 * SIZE_BIG)
    return figure, f"{figure:,.0f} bytes = {ratio:.2f} x 3 x 512", ratio <= 1.15, [
        "frames between validators; TLS adds 22 bytes to a record of up to 16 KiB"]


def memory(bench):
    largest = {}
    for name, (app, size, _, _) in PEAKS.items():
        runs = bench.peak(name)["runs"]
        largest[f"{app} {size}"] = max(max(run["rss_anon_bytes"]) for run in runs) / 2**20
    figure = max(largest.values())
    text = ", ".join(f"{name} {mib:.0f}" for name, mib in largest.items())
    return figure, f"{text} MiB", figure <= 128, ["RssAnon of the largest validator in any of these runs"]

#!/usr/bin/env python3
"""Throughput and latency over a matrix of Apps, transaction sizes, validators and loads, from one
client that waits to saturation: a table, and the same as JSON and as a plot.

Each configuration is one network of real validators, which gets the closed loops from the lightest
to the heaviest, then open loops at fractions of the best of them. What the columns mean, and how they
are measured, is in docs/performance.md.
"""

import argparse
import sys

from cluster import (Failure, closed, end_tidily, load_name, measure, new_network, open_loop, version,
                     write_json)
from machine import limits, limits_text
from options import numbers, words
from plot import write_plot
from table import Table

SIZES = [32, 128, 512]
KV_BYTES_MIN = 26  # a key and a value that is the transaction's own

COLUMNS = [
    ("app", -5, ""), ("n", 2, "d"), ("bytes", 5, "d"), ("load", -16, ""), ("tx/s", 8, ",.0f"),
    ("p50", 8, ".1f"), ("p90", 8, ".1f"), ("p99", 8, ".1f"), ("p99.9", 8, ".1f"),
    ("tx/block", 8, ".1f"), ("cpu", 7, ".1f"), ("MiB", 5, ".0f"), ("gen", 5, ".2f"),
    ("refused", 8, ",d"), ("failed", 7, ",d"), ("verify/s", 8, ",.0f"), ("sync/s", 7, ",.0f"),
    ("loop/s", 8, ",.0f"),
]

LEGEND = """\
{durable}; the index of transactions by hash is {index}; latency in ms from the time of sending
(closed loop: clients x transactions outstanding of each) or from the time at which it was due (open loop)
cpu: us a transaction, all validators together; MiB: RssAnon of the largest; gen: processors that the
generator used; refused: mempool full, told to retry; at the right what the machine did just before"""


def loops(text):
    """"1x1,16x16" -> loads of a closed loop."""
    try:
        return [closed(*map(int, word.split("x"))) for word in words(text)]
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(
            f"expected CLIENTSxOUTSTANDING, e.g. 64x64, found {text!r}") from None


def fractions(text):
    try:
        return [float(word) for word in words(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected fractions, e.g. 0.5,0.9, found {text!r}") from None


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=words, metavar="LIST", help="null,kv")
    parser.add_argument("--sizes", type=numbers, metavar="LIST", help="of a transaction: 32,128,512")
    parser.add_argument("--validators", type=numbers, metavar="LIST",
                        help="4, and 7 with 128 bytes")
    parser.add_argument("--closed", type=loops, metavar="LIST",
                        default=loops("1x1,16x16,64x64,64x256"), help="1x1,16x16,64x64,64x256")
    parser.add_argument("--open", type=fractions, metavar="LIST", default=[0.5, 0.9],
                        help="fractions of the best closed loop: 0.5,0.9")
    parser.add_argument("--rates", type=numbers, metavar="LIST", default=[1000],
                        help="open loops at these rates: 1000")
    parser.add_argument("--seconds", type=int, default=4, help="measured in each run (4)")
    parser.add_argument("--warmup", type=int, default=1, help="before each run (1)")
    parser.add_argument("--no-index", action="store_true", help="[rpc] index_tx = no")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    parser.add_argument("--svg", metavar="FILE", help="plot latency against throughput there")
    return parser.parse_args(arguments)


def configurations(options):
    """(App, bytes, validators): the product of what is named, or what is worth seeing."""
    apps = options.apps or ["null", "kv"]
    sizes = options.sizes or SIZES
    validators = options.validators or [4]
    found = [(app, size, count) for count in validators for app in apps for size in sizes
             if app != "kv" or size >= KV_BYTES_MIN]
    if options.sizes is None and options.validators is None:
        found += [(app, 128, 7) for app in apps]
    return found


def show(table, result):
    latency, errors, machine = result["latency_ms"], result["errors"], result["machine"]
    use = result["usage"]
    print(table.row(
        result["app"], result["validators"], result["tx_bytes"], load_name(result["load"]),
        result["committed_tx_per_s"], latency["p50"], latency["p90"], latency["p99"],
        latency["p999"], use["transactions_per_block"], use["cpu_us_per_tx"],
        max(result["rss_anon_bytes"]) / 2**20, result["generator_processors"],
        errors["mempool_full"], sum(errors.values()) - errors["mempool_full"],
        machine["ed25519_verifies_per_s"], machine["synced_commits_per_s"],
        machine["loopback"]["round_trips_per_s"]), flush=True)


def run_configuration(options, app, size, validators, take):
    """All loads of one network; each result goes to `take`."""
    with new_network(app, validators, not options.no_index) as network:
        network.start()
        best = 0

        def run(load):
            result = measure(network, load, size, options.seconds, warmup=options.warmup)
            take(result)
            return result["committed_tx_per_s"]

        for load in options.closed:
            best = max(best, run(load))
        rates = options.rates + [best * fraction for fraction in options.open]
        for rate in sorted(rate for rate in rates if rate >= 1):
            run(open_loop(rate))


def main():
    options = parse()
    end_tidily()
    machine = limits()
    results = []
    table = Table(COLUMNS)
    print(limits_text(machine))
    print(LEGEND.format(durable="every vote and block is synced to the disk before it counts",
                        index="off" if options.no_index else "on"))
    print(table.head(), flush=True)

    def take(result):
        results.append(result)
        if not result["durable"]:
            raise Failure("the nodes say that they are not durable: these figures are worth nothing")
        show(table, result)

    try:
        for configuration in configurations(options):
            run_configuration(options, *configuration, take)
    finally:
        # A run that fails does not take the figures of those before it away.
        document = {"version": version(), "machine": machine, "runs": results}
        if options.json:
            write_json(document, options.json)
        if options.svg and results:
            write_plot(document, options.svg)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"./dev bench: {failure}")

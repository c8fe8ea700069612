#!/usr/bin/env python3
"""One measurement for each of Ingot's aims: what was aimed at and what this machine gives, side by
side. How each is measured is in docs/performance.md; all of them take about twenty minutes.
"""

import argparse
import sys
import textwrap

import aims_faults
import aims_load
import aims_size
from cluster import Failure, end_tidily, version, write_json
from machine import limits, limits_text
from options import numbers

# Name, what it is about, the aim, how it is measured.
AIMS = [
    ("small", "null app, 32-byte transactions, p99 below 100 ms", "250,000 tx/s",
     aims_load.small_null),
    ("big", "null app, 512-byte transactions", "80,000 tx/s", aims_load.big_null),
    ("kv", "kv app, 128-byte transactions, a million keys, states equal at the end", "80,000 tx/s",
     aims_load.kv),
    ("low-load", "one client, one transaction at a time", "4 ms or less at the median",
     aims_load.low_load),
    ("leader", "the leader is killed under load", "under 1 s without commits, 90 % back within 3 s",
     aims_faults.leader_killed),
    ("overload", "2 and 4 times the peak offered, generator at nice 19",
     "within 10 % of the peak, memory flat, clients told", aims_faults.overload),
    ("verifications", "ed25519 verifications a view, the whole network of 4", "11 or fewer",
     aims_load.verifications),
    ("syncs", "synced commits for each view and validator", "1", aims_load.syncs),
    ("bytes", "bytes between validators for a committed 512-byte transaction",
     "1.15 x 3 x 512 or less", aims_load.wire_bytes),
    ("memory", "anonymous resident memory of a validator at the peaks", "128 MiB or less",
     aims_load.memory),
    ("validators", "16 and 31 validators on this machine", "it works; messages grow linearly",
     aims_size.more_validators),
    ("sync", "an empty node catches up", "at the bound of verification", aims_size.empty_node),
]


class Bench:
    """What the aims are measured with. Measurements that several of them read are made once."""

    def __init__(self, options, machine):
        self.options, self.machine = options, machine
        self.peaks = {}
        self.low_load_run = None

    def peak(self, name):
        if name not in self.peaks:
            self.options.say(f"looking for the peak: {name}")
            self.peaks[name] = aims_load.find_peak(self.options, name)
        return self.peaks[name]

    def low_load(self):
        if self.low_load_run is None:
            self.low_load_run = aims_load.measure_low_load(self.options)
        return self.low_load_run


def say(text):
    """What is going on, for those who wait; not part of the result."""
    print(f"    {text}", file=sys.stderr, flush=True)


def names(text):
    known = [name for name, *_ in AIMS]
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(known)}, found {name!r}")
    return chosen


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        prog="./dev bench aims", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, metavar="LIST",
                        help="of " + ",".join(name for name, *_ in AIMS))
    parser.add_argument("--seconds", type=int, default=10, help="of a run that counts (10)")
    parser.add_argument("--probe-seconds", type=int, default=3, help="of one that looks for a peak (3)")
    parser.add_argument("--warmup", type=int, default=2, help="before each run (2)")
    parser.add_argument("--overload-seconds", type=int, default=60, help="of each overload (60)")
    parser.add_argument("--kills", type=int, default=3, help="of a leader (3)")
    parser.add_argument("--validators", type=numbers, metavar="LIST", default=[4, 7, 16, 31],
                        help="how many, for what grows with them (4,7,16,31)")
    parser.add_argument("--sync-blocks", type=int, default=100_000, help="for the empty node (100000)")
    parser.add_argument("--index", action="store_true",
                        help="with the index of transactions by hash, which is off otherwise")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    options.say = say
    return options


def show(number, what, aim, text, is_met, notes):
    print(f"\n{number:2}. {what}\n    aim     {aim}\n    figure  {text}\n"
          f"    met     {'yes' if is_met else 'NO'}")
    for note in notes:
        # Tables keep their lines; sentences are wrapped.
        is_table = "  " in note
        lines = [note] if is_table else textwrap.wrap(note, 100)
        for line in lines:
            print(f"            {line}")
    sys.stdout.flush()


def measure_all(options, document):
    """Each aim's row goes into the document as soon as it is there. True if none failed."""
    bench = Bench(options, document["machine"])
    is_good = True
    for number, (name, what, aim, function) in enumerate(AIMS, 1):
        if options.only and name not in options.only:
            continue
        say(what)
        try:
            figure, text, is_met, notes, *details = function(bench)
        except Failure as failure:
            # The others are worth measuring all the same.
            figure, text, is_met, notes, details = None, f"failed: {failure}", False, [], []
            is_good = False
        show(number, what, aim, text, is_met, notes)
        document["aims"].append({"name": name, "what": what, "aim": aim, "figure": figure,
                                 "text": text, "is_met": is_met, "notes": notes,
                                 "details": details[0] if details else None})
    document["peaks"], document["low_load"] = bench.peaks, bench.low_load_run
    return is_good


def main():
    options = parse()
    end_tidily()
    machine = limits()
    document = {"version": version(), "machine": machine, "index_tx": options.index, "aims": []}
    print(limits_text(machine))
    print(f"version {document['version']}; every vote and block is synced to the disk before it counts; "
          f"the index of transactions by hash is {'on' if options.index else 'off'}", flush=True)
    try:
        is_good = measure_all(options, document)
    finally:
        if options.json:
            write_json(document, options.json)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()

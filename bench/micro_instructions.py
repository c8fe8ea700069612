#!/usr/bin/env python3
"""How many instructions each building block of a validator takes: the rows of bench_micro, a fixed
number of times each, counted by valgrind's callgrind. The figures hardly depend on what else the
machine does, so versions of the code can be compared by them.

valgrind offers the program neither AVX-512 nor SHA instructions: hashes and signatures take other ways
through the libraries than outside of it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

from cluster import ROOT, version, write_json
from table import Table

PROGRAM = os.environ.get("INGOT_BENCH_MICRO", os.path.join(ROOT, "build/release/bench_micro"))
# Whatever is called between its entry and its end counts, and nothing else.
MEASURED = "micro_measured"
# What it costs is the kernel's work, and under valgrind there is no room for LMDB's map.
NOT_COUNTED = ["store-lmdb", "store-journal"]
COLUMNS = [("row", -16, ""), ("what", -58, ""), ("instructions", 14, ",.0f")]


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog="./dev bench micro --instructions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="these alone; --list says which there are")
    parser.add_argument("--list", action="store_true", help="the rows, and no more")
    parser.add_argument("--steps", type=int, default=2, help="how often each is done (2)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def all_rows():
    """(name, operations in a step, what it is) of each row that can be counted."""
    listed = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    return [(name, int(operations), text) for name, operations, text in rows
            if name not in NOT_COUNTED]


def collected(errors):
    """What callgrind says at its end: "Collected : 123"."""
    found = re.search(r"Collected\s*:\s*(\d+)", errors)
    if found is None or int(found.group(1)) == 0:
        sys.exit(f"callgrind counted nothing in {MEASURED}:\n{errors}")
    return int(found.group(1))


def instructions(name, steps):
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={MEASURED}",
               "--callgrind-out-file=/dev/null", PROGRAM, "--steps", str(steps), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return collected(done.stderr)


def main():
    options = parse()
    rows = all_rows()
    unknown = set(options.rows) - {name for name, _, _ in rows}
    if unknown:
        sys.exit(f"no row {', '.join(sorted(unknown))}; --list says which there are")
    chosen = [row for row in rows if not options.rows or row[0] in options.rows]
    if options.list:
        for name, _, text in chosen:
            print(f"{name:16} {text}")
        return
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed: ./dev setup")
    table, figures = Table(COLUMNS), []
    print(f"instructions for one operation; version {version()}\n{table.head()}", flush=True)
    for name, operations, text in chosen:
        count = instructions(name, options.steps) / (options.steps * operations)
        figures.append({"row": name, "text": text, "instructions": round(count, 1)})
        print(table.row(name, text, count), flush=True)
    if options.json:
        write_json({"version": version(), "rows": figures}, options.json)


if __name__ == "__main__":
    main()

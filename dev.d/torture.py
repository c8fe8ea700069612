#!/usr/bin/env python3
"""Hours of everything that looks for mistakes, over all processors, and what it amounted to.

usage: ./dev torture [--hours H] [--only PART[,PART]] [--list] [--record] [--ledger] [--check]

  --hours H    how long (default 2): the amounts of each part are in proportion
  --only PART  these parts alone, in the amounts of the whole
  --list       what would be run, and how much of it
  --record     afterwards the run is added to docs/torture.jsonl and to the table in docs/testing.md,
               with what it found, unless a part did not come to its end
  --ledger     only writes that table anew from docs/torture.jsonl
  --check      only says whether that table is what docs/torture.jsonl makes it

Each part is a program that says at its end what it did, in a line of JSON (`"torture": PART`), and
fails if anything was violated. Seeds go on where the last recorded run has ended. Called by
`./dev torture` after a build.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORD = os.path.join(ROOT, "docs/torture.jsonl")
TESTING = os.path.join(ROOT, "docs/testing.md")
TABLE_BEGINS = "<!-- runs: written by ./dev torture --ledger -->\n"
TABLE_ENDS = "<!-- end of runs -->\n"

# These start something with each input. What they decode has a target of its own besides.
STATEFUL_TARGETS = {"replicas_fuzz", "ledger_store_fuzz"}

# What a part's line counts, as it is called in the table; with the aim of all runs together.
COUNTS = {
    "views": ("simulated views", 100_000_000),
    "seeds": ("seeds", None),
    "byzantine_seeds": ("of which with liars", None),
    "executions": ("executions of the decoder that ran least", 100_000_000),
    "scripts": ("stateful scripts", 1_000_000),
    "kills": ("kills", 1_000),
    "cluster_kills": ("kills of all at once", None),
    "operations": ("linearizable operations", None),
    "images": ("images of power loss", None),
    "scenarios": ("scenarios with twins", None),
    "killed": ("mutants killed", None),
    "violations": ("violations found", None),
}


class Part:
    """One part: `amount` in two hours, in so many pieces that run one by one."""

    def __init__(self, name, amount, pieces, command):
        self.name = name
        self.amount = amount
        self.pieces = pieces
        self.command = command

    def jobs(self, share, offset):
        """Commands, for this share of the amount, numbered on from `offset`."""
        amount = max(1, round(self.amount * share))
        pieces = max(1, min(self.pieces, amount))
        first = offset + 1
        for piece in range(pieces):
            count = amount * (piece + 1) // pieces - amount * piece // pieces
            yield Job(self.name, self.command(first, count))
            first += count


class Job:
    def __init__(self, part, command):
        self.part = part
        self.command = command
        self.report = None
        self.complaint = None

    def run(self, deadline):
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(self.command, cwd=ROOT, stdout=output,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            try:
                status = process.wait(timeout=max(1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
                status = "the hours were over"
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
        for line in reversed(lines):
            if line.startswith('{"torture":'):
                self.report = json.loads(line)
                break
        if status != 0 or self.report is None or self.report.get("violations", 0) != 0:
            self.complaint = "\n".join([f"status {status}", *telling(lines)])


def telling(lines):
    """Of a long output: what is said of each violation, wherever it is, and the end."""
    last = max(0, len(lines) - 30)
    near = set()
    for number, line in enumerate(lines[:last]):
        if "VIOLATED" in line:
            near.update(range(number, min(last, number + 5)))
    return [lines[number] for number in sorted(near)] + lines[last:]


def simulator(*arguments):
    return lambda first, count: ["build/release/ingot_sim", "--json", "--seeds",
                                 f"{first}..{first + count - 1}", *arguments]


def fuzz_targets():
    listed = subprocess.run(["./dev", "fuzz", "--list"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]


def fuzz(target):
    return lambda first, count: ["./dev", "fuzz", target, "--executions", str(count)]


def parts():
    found = [
        Part("processes", 100_000, 1, lambda first, count: [
            "python3", "tests/process/torture.py", "--operations", str(count), "--kills",
            str(max(1, count // 500)), "--cluster-kills", str(max(1, count // 4000)), "--seed",
            str(first), "--clients", "40", "--pause", "0.02"]),
        Part("mutants", 40, 1, lambda first, count: [
            "python3", "tests/mutants/search.py", "--jobs", "1", "--first", str(first), "--seeds",
            str(count)]),
        Part("twins", 1_000_000, 4, lambda first, count: [
            "build/release/ingot_twins", "--random", str(count), "--views-min", "6",
            "--views-max", "8", "--seed", str(first)]),
        Part("power", 24_000, 4, lambda first, count: [
            "build/release/power_loss", "--images", str(count), "--seed", str(first)]),
        Part("changes", 4_000, 4, simulator("--changes")),
        Part("sim", 145_000, 29, simulator()),
        Part("stores", 2_000_000, 1, fuzz("ledger_store_fuzz")),
        Part("replicas", 102_000, 2, fuzz("replicas_fuzz")),
    ]
    for target in fuzz_targets():
        if target not in STATEFUL_TARGETS:
            found.append(Part(target, 10_100_000, 1, fuzz(target)))
    return found


def recorded_runs():
    if not os.path.exists(RECORD):
        return []
    with open(RECORD) as file:
        return [json.loads(line) for line in file]


def sum_up(jobs):
    """Of each part: the sums of what its pieces have counted."""
    sums = {}
    for job in jobs:
        if job.report is None:
            continue
        part = sums.setdefault(job.part, {})
        for key, value in job.report.items():
            if key == "marks":
                marks = part.setdefault("marks", {})
                for mark, hits in value.items():
                    marks[mark] = marks.get(mark, 0) + hits
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                part[key] = round(part.get(key, 0) + value, 1)
    return sums


def totals(sums):
    """A run in the words of the table."""
    row = {}
    for part, counts in sums.items():
        for key in COUNTS:
            # Twins have views too, but no network, clocks or disks.
            if key not in counts or (key == "views" and part == "twins"):
                continue
            if key == "executions":
                if part == "replicas":
                    row["scripts"] = counts[key]
                elif part != "stores":
                    row[key] = min(row.get(key, counts[key]), counts[key])
            else:
                row[key] = row.get(key, 0) + counts[key]
        if "crashes" in counts:
            row["violations"] = row.get("violations", 0) + counts["crashes"]
    return row


def together(runs, key):
    """What all runs have of one count. Runs of some parts alone add to those decoders alone."""
    if key != "executions":
        return sum(run["totals"].get(key, 0) for run in runs)
    decoders = {part.name for part in parts() if part.name.endswith("_fuzz")}
    return min(sum(run["parts"].get(decoder, {}).get(key, 0) for run in runs)
               for decoder in decoders)


def unhit_marks(sums):
    hits = {}
    for counts in sums.values():
        for mark, count in counts.get("marks", {}).items():
            hits[mark] = hits.get(mark, 0) + count
    return sorted(mark for mark, count in hits.items() if count == 0)


def ledger_table(runs):
    """The runs that are recorded, a line each, and what they amount to."""
    keys = list(COUNTS)
    rows = [["run", "hours", *(COUNTS[key][0] for key in keys)],
            ["---", "---:", *("---:" for _ in keys)]]
    for run in runs:
        rows.append([f"{run['date']} {run['commit']}", f"{run['hours']:g}",
                     *(f"{run['totals'].get(key, 0):,.0f}" for key in keys)])
    rows.append(["together", f"{sum(run['hours'] for run in runs):g}",
                 *(f"{together(runs, key):,.0f}" for key in keys)])
    rows.append(["aim", "", *("" if aim is None else f"{aim:,}" for _, aim in COUNTS.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_ledger(text):
    """docs/testing.md with the table as it should be."""
    begin = text.index(TABLE_BEGINS) + len(TABLE_BEGINS)
    return text[:begin] + ledger_table(recorded_runs()) + text[text.index(TABLE_ENDS):]


def ledger(only_check):
    with open(TESTING) as file:
        text = file.read()
    right = with_ledger(text)
    if only_check:
        if text != right:
            print("docs/testing.md: the table of runs is not that of docs/torture.jsonl: "
                  "./dev torture --ledger writes it", file=sys.stderr)
        return 0 if text == right else 1
    with open(TESTING, "w") as file:
        file.write(right)
    return 0


def commit_name():
    git = ["git", "-C", ROOT]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], check=True,
                             stdout=subprocess.PIPE).stdout
    return f"{commit} changed" if changed else commit


def record(arguments, commit, sums):
    run = {"date": datetime.date.today().isoformat(), "commit": commit,
           "hours": arguments.hours, "processors": os.cpu_count(),
           "command": " ".join(["./dev torture", *sys.argv[1:]]), "totals": totals(sums),
           "parts": sums}
    with open(RECORD, "a") as file:
        file.write(json.dumps(run) + "\n")
    ledger(only_check=False)


def offset_of(part, runs):
    """How far the recorded runs have come in this part's seeds."""
    return sum(run["parts"].get(part.name, {}).get("seeds", 0) for run in runs) \
        if part.name in ("sim", "changes") else len(runs) * part.amount


class Run:
    def __init__(self, jobs, hours):
        self.waiting = list(jobs)
        self.ended = []
        self.began = time.monotonic()
        # A little over, as the amounts are only thought to fit, and a start takes its time.
        self.deadline = self.began + hours * 3600 * 1.25 + 600
        self.lock = threading.Lock()

    def lane(self):
        while True:
            with self.lock:
                if not self.waiting:
                    return
                job = self.waiting.pop(0)
            began = time.monotonic()
            job.run(self.deadline)
            with self.lock:
                self.ended.append(job)
                took = time.monotonic() - began
                print(f"[{(time.monotonic() - self.began) / 60:6.1f} min, {len(self.waiting)} wait] "
                      f"{' '.join(job.command)}: {took:.0f} s: "
                      f"{json.dumps(job.report) if job.report else 'no report'}", flush=True)
                if job.complaint:
                    print(f"FAILED: {job.complaint}", flush=True)

    def all(self):
        lanes = [threading.Thread(target=self.lane) for _ in range(os.cpu_count())]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        return self.ended


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--ledger", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.ledger or arguments.check:
        return ledger(only_check=arguments.check)
    chosen = parts()
    names = [name for name in arguments.only.split(",") if name]
    unknown = set(names) - {part.name for part in chosen}
    if unknown or arguments.hours <= 0:
        what = f"no part is called {', '.join(sorted(unknown))}" if unknown else "no time"
        print(f"torture: {what}; there are {', '.join(part.name for part in chosen)}",
              file=sys.stderr)
        return 2
    runs = recorded_runs()
    jobs = [job for part in chosen if not names or part.name in names
            for job in part.jobs(arguments.hours / 2, offset_of(part, runs))]
    if arguments.list:
        for job in jobs:
            print(f"{job.part}: {' '.join(job.command)}")
        return 0
    commit = commit_name()
    ended = Run(jobs, arguments.hours).all()
    sums = sum_up(ended)
    failed = [job for job in ended if job.complaint]
    marks = unhit_marks(sums)
    row = totals(sums)
    print()
    for key, (name, _) in COUNTS.items():
        if key in row:
            print(f"{name:42} {row[key]:15,.0f}")
    if row.get("seeds"):
        seconds = sum(sums[part]["seconds"] for part in ("sim", "changes") if part in sums)
        print(f"{'share of seeds with liars':42} {row['byzantine_seeds'] / row['seeds']:15.2f}")
        print(f"{'views a second of one processor':42} {row['views'] / max(seconds, 1):15,.0f}")
    print(f"{'marks that were never hit':42} {', '.join(marks) or 'none':>15}")
    print(f"{len(ended)} pieces, {len(failed)} failed")
    if arguments.record and all(job.report is not None for job in ended):
        record(arguments, commit, sums)
    return 1 if failed or (marks and not names) else 0


if __name__ == "__main__":
    sys.exit(main())

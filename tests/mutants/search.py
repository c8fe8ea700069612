"""All mutants against all unit and scenario tests and against the simulator: who kills what.

usage: search.py [--build BUILD] [--mutants A,B] [--only tests|sim] [--jobs N]
                 [--slow SECONDS] [--seeds N] [--first N]

Every program runs once without a mutant, which tells how long it takes and which mutants' places
it reaches: no other mutant can make a difference to it. Then each runs with each mutant that it
reaches. Programs that take longer than --slow seconds run only against mutants that no other has
killed. The simulator runs N seeds with four validators and N with sets that change, from --first
on; a checker that has not killed anything by then judges alone: others are always first to notice
what it is about. A run that takes far longer than without a mutant is a kill.

Needs the target mutants_all. Prints the matrix, the checkers that kill none, and a line of JSON;
exits 1 if a mutant survives.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import sys
import tempfile
import time

import mutants

SIM_OPTIONS = (["--validators", "4"], ["--changes"])
# A seed takes less than a second.
SEED_TIMEOUT_S = 40
# How long a mutant is looked for that a checker notices by itself, and in how many seeds of each.
ALONE_S = 120
ALONE_SEEDS = 3


class Search:
    def __init__(self, arguments):
        self.build = arguments.build
        self.slow = arguments.slow
        self.seeds = range(arguments.first, arguments.first + arguments.seeds)
        self.checks = mutants.read_checks()
        self.table = mutants.read_table()
        self.numbers = {mutant.name: 1 + i for i, mutant in enumerate(self.table)}
        if arguments.mutants:
            chosen = arguments.mutants.split(",")
            self.table = [mutant for mutant in self.table if mutant.name in chosen]
        self.took = {}
        self.reached = {}
        self.killers = {mutant.name: [] for mutant in self.table}
        self.by_check = {check: set() for check in self.checks}
        self.pool = concurrent.futures.ThreadPoolExecutor(arguments.jobs)

    def all_of(self, function, items):
        """Calls the function with each of the items, several at a time, and says how far it is."""
        said = time.monotonic()
        calls = [self.pool.submit(function, *item) for item in items]
        for done, call in enumerate(concurrent.futures.as_completed(calls), 1):
            call.result()
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print("%s: %d of %d" % (function.__name__, done, len(calls)), file=sys.stderr)

    # --- Tests. ---

    def programs(self):
        paths = glob.glob(os.path.join(self.build, "mutants", "*_test"))
        return sorted(os.path.basename(path) for path in paths)

    def learn(self, program):
        """How long it takes without a mutant, and what it reaches."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "reached")
            begin = time.monotonic()
            outcome = mutants.run(self.build, program, reached=path, timeout=600)
            self.took[program] = time.monotonic() - begin
            if outcome.has_failed:
                raise mutants.Unusable("%s fails without a mutant:\n%s" % (program, outcome.output))
            with open(path, "rb") as file:
                self.reached[program] = file.read()

    def is_reached(self, program, mutant):
        return self.reached[program][self.numbers[mutant.name]] != 0

    def try_test(self, program, mutant):
        outcome = mutants.run(self.build, program, mutant=mutant.name,
                              timeout=20 + 8 * self.took[program])
        if outcome.has_failed:
            failed = sorted(set(re.findall(r"(?m)^\[  FAILED  \] ([a-z]\w*)", outcome.output)))
            begun = re.findall(r"\[ RUN      \] (\w+)", outcome.output)
            if outcome.is_hung or outcome.status < 0:
                failed += begun[-1:]
            self.killers[mutant.name].append((program, failed))

    def search_tests(self):
        programs = self.programs()
        # The slowest first, so that they do not run alone in the end.
        self.all_of(self.learn, [(program,) for program in programs])
        programs.sort(key=lambda program: -self.took[program])
        for is_slow in (False, True):
            self.all_of(self.try_test,
                        [(program, mutant) for program in programs for mutant in self.table
                         if (self.took[program] > self.slow) == is_slow and
                         self.is_reached(program, mutant) and
                         not (is_slow and self.killers[mutant.name])])

    # --- The simulator. ---

    def simulate(self, mutant, options, seed, alone=None):
        outcome = mutants.run(self.build, "ingot_sim", [*options, "--seed", str(seed)],
                              mutant=mutant.name, alone=alone, timeout=SEED_TIMEOUT_S)
        return mutants.violated_check(outcome, self.checks)

    def try_seeds(self, mutant, options):
        found = {}
        for seed in self.seeds:
            check = self.simulate(mutant, options, seed)
            if check is not None:
                found[check] = found.get(check, 0) + 1
            if check == mutants.HANGS:
                break
        if found:
            self.killers[mutant.name].append(("sim " + " ".join(options), sorted(found)))
            print("%s: %s" % (mutant.name, " ".join(sorted(found))), file=sys.stderr)
            for check in found:
                self.by_check.get(check, set()).add(mutant.name)

    def search_sim(self):
        self.learn_sim()
        self.all_of(self.try_seeds, [(mutant, options) for mutant in self.table
                                     for options in SIM_OPTIONS
                                     if self.is_reached("ingot_sim", mutant)])

    def learn_sim(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "reached")
            for options in SIM_OPTIONS:
                outcome = mutants.run(self.build, "ingot_sim", [*options, "--seeds", "1..10"],
                                      reached=path, timeout=mutants.SIM_TIMEOUT_S)
                if outcome.has_failed:
                    raise mutants.Unusable("the simulator fails: " + outcome.output)
            with open(path, "rb") as file:
                self.reached["ingot_sim"] = file.read()

    def try_alone(self, check):
        """A checker that others are always ahead of, by itself."""
        hunted = [mutant for mutant in self.table
                  if any(program.startswith("sim") for program, _ in self.killers[mutant.name])]
        deadline = time.monotonic() + ALONE_S
        for mutant in hunted:
            for options in SIM_OPTIONS:
                for seed in self.seeds[:ALONE_SEEDS]:
                    if time.monotonic() > deadline:
                        return
                    if self.simulate(mutant, options, seed, alone=check) == check:
                        self.by_check[check].add(mutant.name)
                        self.killers[mutant.name].append(("sim %s alone" % " ".join(options),
                                                          [check]))
                        return

    def search_alone(self):
        idle = [check for check in self.checks if not self.by_check[check]]
        self.all_of(self.try_alone, [(check,) for check in idle])

    # --- The report. ---

    def report(self, seconds):
        for mutant in self.table:
            print("%s: %s" % (mutant.name, mutant.fault))
            if not self.killers[mutant.name]:
                print("    SURVIVES")
            for program, tests in sorted(self.killers[mutant.name]):
                print("    %s: %s" % (program, " ".join(tests)))
        for check, killed in self.by_check.items():
            print("checker %s kills %d: %s" % (check, len(killed), " ".join(sorted(killed))))
        survivors = [name for name, killers in self.killers.items() if not killers]
        idle = [check for check, killed in self.by_check.items() if not killed]
        print("checkers that kill none: %s" % (", ".join(idle) or "there is none"))
        print("mutants that survive: %s" % (", ".join(survivors) or "there is none"))
        print(json.dumps({"torture": "mutants", "mutants": len(self.table),
                          "killed": len(self.table) - len(survivors),
                          "checkers": len(self.checks), "checkers_that_kill_none": idle,
                          "seconds": round(seconds, 1), "violations": len(survivors)},
                         separators=(",", ":")))
        return 1 if survivors else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--build", default=os.path.join(mutants.SOURCE, "build/release"))
    parser.add_argument("--mutants", default="")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--only", choices=("tests", "sim"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--slow", type=float, default=4)
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)
    begin = time.monotonic()
    search = Search(arguments)
    if arguments.only != "sim":
        search.search_tests()
    if arguments.only != "tests":
        search.search_sim()
        search.search_alone()
    return search.report(time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())

"""Twins must find deliberate faults of the core: each of these, and by a rule that is about it.

The faults are those of src/base/mutant.h. With --forks nothing counts but that two instances have
committed different blocks: a search that finds real forks does not owe it to rules that were
written with the fault in mind.

usage: mutants_test.py INGOT_TWINS_WITH_MUTANTS
"""

import os
import re
import subprocess
import sys

ALL_OF_THREE = ["--views", "3"]
RANDOM = ["--random", "20000"]
HIDDEN = ["--random", "20000", "--views-min", "12", "--views-max", "12", "--forks"]

AGREEMENT = "committed chains are prefixes of one another"
VOTE_RULE = "every vote satisfies the vote rule"
REAL_QUORUM = "a certificate holds votes of a quorum that were cast"
COMMIT_CHAIN = "every commit has its gap-free certified chain"
DURABLE = "whatever is sent was durable first"
LIVENESS = "a whole network commits within the bound"
LOCK = "the lock is at least what the highest certificate gives"

KILLERS = [
    ("NO_DURABLE_VOTE", ALL_OF_THREE, [DURABLE]),
    ("LOCK_LOWERED", ALL_OF_THREE, ["positions on disk never decrease", LOCK]),
    ("GAP_ALLOWED", ALL_OF_THREE, [COMMIT_CHAIN]),
    ("GAP_ALLOWED", HIDDEN, [AGREEMENT]),
    ("SMALL_QUORUM", ALL_OF_THREE, [REAL_QUORUM]),
    ("SMALL_QUORUM", ALL_OF_THREE + ["--forks"], [AGREEMENT]),
    ("DUPLICATE_SIGNER", ALL_OF_THREE, [REAL_QUORUM]),
    ("TWO_VOTES", ALL_OF_THREE, ["one vote of an instance for each view"]),
    ("TC_WITHOUT_HIGH_QC", ALL_OF_THREE,
     ["a timeout certificate carries the highest QC that was claimed", VOTE_RULE]),
    ("VIEWS_ALONE", RANDOM, [COMMIT_CHAIN, VOTE_RULE, LOCK]),
    ("COMMIT_AT_OWN_VIEW", RANDOM, [VOTE_RULE, LOCK]),
    ("OLD_TC_MOVES", RANDOM, [VOTE_RULE]),
    ("COMMIT_WITHOUT_PRECOMMIT", RANDOM, [VOTE_RULE, COMMIT_CHAIN]),
    ("NO_PRECOMMIT_LOCK", RANDOM, [LOCK]),
    ("CHILD_OF_UNCOMMITTED", RANDOM, [VOTE_RULE]),
    ("VOTE_AFTER_TIMEOUT", RANDOM, [DURABLE]),
    ("TIMEOUT_NOT_DURABLE", RANDOM, [DURABLE]),
    ("TC_TO_NEXT_VIEW", RANDOM, [VOTE_RULE]),
    ("LEADERS_IN_TURN", RANDOM, [VOTE_RULE]),
    ("OBSERVER_SIGNS", RANDOM, [VOTE_RULE]),
    ("ANCESTORS_NOT_COMMITTED", RANDOM, [COMMIT_CHAIN]),
    ("EVIDENCE_OF_NOTHING", RANDOM, ["nobody stops, and only the twins are accused"]),
    ("TIMEOUT_SAID_ONCE", RANDOM, [LIVENESS]),
    ("NOT_ADVERTISED", RANDOM, [LIVENESS]),
    ("UNKNOWN_QC_DROPPED", RANDOM, [LIVENESS]),
    ("JUSTIFY_NOT_APPLIED", RANDOM, [LIVENESS]),
]


def play(program, mutant, options):
    environment = dict(os.environ, INGOT_MUTANT=mutant) if mutant else os.environ
    done = subprocess.run([program, *options, "--jobs", "1"], env=environment, timeout=600,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"^violated: (.*?): (.*)$", done.stdout, re.MULTILINE)
    scenario = re.search(r"--scenario (\S+)", done.stdout)
    return (done.returncode, found and found.group(1), found and found.group(2),
            scenario and scenario.group(1), done.stdout)


def check(program, mutant, options, rules):
    status, rule, what, scenario, output = play(program, mutant, options)
    if status != 1 or rule not in rules:
        return "%s with %s: expected a violation of %s, got %s\n%s" % (
            mutant, " ".join(options), " or ".join(rules), rule, output)
    print("%-26s %s: %s (%s)" % (mutant, rule, what, scenario), flush=True)
    # The scenario alone shows the same again, and nothing without the mutant.
    replay = ["--scenario", scenario] + [option for option in options if option == "--forks"]
    if play(program, mutant, replay)[:3] != (1, rule, what):
        return "%s: --scenario %s does not show it again" % (mutant, scenario)
    if play(program, None, replay)[0] != 0:
        return "--scenario %s fails without a mutant" % scenario
    return None


def main():
    failures = [failure for mutant, options, rules in KILLERS
                for failure in [check(sys.argv[1], mutant, options, rules)] if failure]
    for failure in failures:
        print("FAILED: " + failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

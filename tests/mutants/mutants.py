"""Mutants, their killers, and running one against the other: what the scripts here share.

Programs are those of the build with mutants, build/<preset>/mutants/; chosen.c is what makes them
take a mutant.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(SOURCE, "tests/mutants/killers.txt")

SIM_SEEDS_MAX = 300
SIM_TIMEOUT_S = 300
TEST_TIMEOUT_S = 60
# chosen.c ends with this where it cannot do what it is asked for.
STATUS_UNUSABLE = 97
# How else the simulator ends, beside the checkers: a replica notices its own fault; no time passes.
ASSERTION = "ASSERTION"
HANGS = "HANGS"


class Unusable(Exception):
    """The table, or the build, is not what it should be."""


@dataclass
class Killer:
    program: str
    test: str = ""  # of a test program
    options: list = field(default_factory=list)  # of the simulator
    is_alone: bool = False  # the one checker judges, and no other
    checks: list = field(default_factory=list)  # one of which it has to find

    @property
    def is_sim(self):
        return self.program == "sim"

    def __str__(self):
        if self.is_sim:
            alone = " alone" if self.is_alone else ""
            return "sim %s%s: %s" % (" ".join(self.options), alone, " ".join(self.checks))
        return "%s: %s" % (self.program, self.test)


@dataclass
class Mutant:
    name: str
    fault: str
    rule: str = ""
    killers: list = field(default_factory=list)


def _list_of(path, macro):
    """The names and texts of an X(NAME, "text") list in a header, in its order."""
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        text = file.read()
    body = text[text.index("#define %s(X)" % macro):]
    lines = []
    for line in body.split("\n"):
        lines.append(line.rstrip("\\"))
        if not line.endswith("\\"):
            break
    items = re.findall(r'X\((\w+),((?:\s*"[^"]*")+)\)', "\n".join(lines[1:]))
    return {name: "".join(re.findall(r'"([^"]*)"', texts)) for name, texts in items}


def read_checks():
    """The checkers of the simulator by name, with their texts."""
    checks = _list_of("tests/lib/checks.h", "CHECK_LIST")
    del checks["NONE"]
    return checks


def _read_killer(words, tail, checks):
    if words[0] != "sim":
        if len(words) != 1 or not tail:
            raise Unusable("expected 'program: test', found %s" % (words + tail))
        return Killer(words[0], test=" ".join(tail))
    for check in tail:
        if check not in checks and check != ASSERTION:
            raise Unusable("tests/lib/checks.h has no checker %s" % check)
    options = [word for word in words[1:] if word != "alone"]
    return Killer("sim", options=options, is_alone="alone" in words, checks=tail)


def read_table():
    """All mutants of the header, in its order, with their rules and killers."""
    checks = read_checks()
    mutants = {name: Mutant(name, fault)
               for name, fault in _list_of("src/base/mutant.h", "MUTANT_LIST").items()}
    mutant = None
    with open(TABLE, encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line.startswith("#"):
                continue
            head, _, tail = line.strip().partition(":")
            if line.startswith(" ") and mutant is not None:
                mutant.killers.append(_read_killer(head.split(), tail.split(), checks))
                continue
            mutant = mutants.get(head)
            if mutant is None or mutant.rule:
                raise Unusable("killers.txt: %s is no mutant, or twice there" % head)
            mutant.rule = tail.strip()
    for mutant in mutants.values():
        if not mutant.rule or not mutant.killers:
            raise Unusable("killers.txt: the rule or the killer of %s is missing" % mutant.name)
    return list(mutants.values())


@dataclass
class Run:
    status: int
    output: str
    is_hung: bool = False

    @property
    def has_failed(self):
        return self.is_hung or self.status != 0


def run(build, program, arguments=(), mutant=None, test=None, alone=None, reached=None,
        timeout=TEST_TIMEOUT_S):
    """Runs a program of the build with mutants, in a folder for its files that goes with it."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    for name, value in (("INGOT_MUTANT", mutant), ("INGOT_MUTANT_TEST", test),
                        ("INGOT_MUTANT_REACHED", reached), ("INGOT_CHECK_ALONE", alone)):
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    folder = tempfile.mkdtemp(prefix="ingot-mutants-")
    environment["TMPDIR"] = folder
    path = os.path.join(os.path.abspath(build), "mutants", program)
    # A group of its own, so that a test that hangs goes with all that it has started.
    process = subprocess.Popen([path, *arguments], env=environment, cwd=folder, text=True,
                               errors="replace", stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    is_hung = False
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        is_hung = True
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if process.returncode == STATUS_UNUSABLE:
        raise Unusable("%s: %s" % (path, output.strip()))
    return Run(process.returncode, output, is_hung)


def violated_check(outcome, checks):
    """The name of the checker that ended a run of the simulator; None: nothing was found."""
    if not outcome.has_failed:
        return None
    found = re.search(r"VIOLATED: (.*)", outcome.output)
    if found is None:
        return HANGS if outcome.is_hung else ASSERTION
    for name, text in checks.items():
        if text == found.group(1).strip():
            return name
    raise Unusable("an unknown checker: %s" % found.group(1))


def is_known_good(build, killer):
    """Whether the test passes without a mutant; it has to be there for that."""
    outcome = run(build, killer.program, test=killer.test)
    return not outcome.has_failed and "[       OK ] %s\n" % killer.test in outcome.output


def kill(build, mutant, killer, checks):
    """Lets a killer try; returns whether the mutant is dead, and what was seen of it."""
    if not killer.is_sim:
        outcome = run(build, killer.program, mutant=mutant.name, test=killer.test)
        return outcome.has_failed, "hangs" if outcome.is_hung else "status %d" % outcome.status
    outcome = run(build, "ingot_sim", [*killer.options, "--seeds", "1..%d" % SIM_SEEDS_MAX,
                                      "--failures", "1"],
                  mutant=mutant.name, alone=killer.checks[0] if killer.is_alone else None,
                  timeout=SIM_TIMEOUT_S)
    check = violated_check(outcome, checks)
    seed = re.search(r"seed (\d+): VIOLATED", outcome.output)
    return check in killer.checks, "seed %s: %s" % (seed.group(1) if seed else "?", check)

"""Every mutant must die of each of its killers in killers.txt, and every killer be quiet without it.

usage: everyday.py BUILD tests|sim [MUTANT ...]

`tests` are the killers that are tests, `sim` those that are the simulator; the latter also says
which checkers no mutant dies of.
"""

import sys
import time

import mutants


def without_fault(build, killers, failures):
    for killer in {str(killer): killer for _, killer in killers}.values():
        if not mutants.is_known_good(build, killer):
            failures.append("%s is missing, or fails without a mutant" % killer)


def sim_without_fault(build, failures):
    for options in (["--validators", "4"], ["--changes"]):
        outcome = mutants.run(build, "ingot_sim", [*options, "--seeds", "1..20"],
                              timeout=mutants.SIM_TIMEOUT_S)
        if outcome.has_failed:
            failures.append("the simulator fails without a mutant:\n" + outcome.output)


def report_checks(seen, checks):
    idle = [check for check in checks if check not in seen]
    print("checkers that no mutant died of: " + (", ".join(idle) or "there is none"))


def main():
    build, kind, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    table = mutants.read_table()
    checks = mutants.read_checks()
    killers = [(mutant, killer) for mutant in table for killer in mutant.killers
               if killer.is_sim == (kind == "sim") and (not names or mutant.name in names)]
    failures = []
    if kind == "sim":
        sim_without_fault(build, failures)
    else:
        without_fault(build, killers, failures)
    seen = set()
    for mutant, killer in killers:
        begin = time.monotonic()
        is_dead, said = mutants.kill(build, mutant, killer, checks)
        took = time.monotonic() - begin
        print("%-28s %-8s %s (%s, %.2f s)" %
              (mutant.name, "dies" if is_dead else "SURVIVES", killer, said, took), flush=True)
        seen.add(said.split()[-1])
        if not is_dead:
            failures.append("%s survives %s: %s" % (mutant.name, killer, said))
    if kind == "sim" and not names:
        report_checks(seen, checks)
    print("%d killers of %d mutants tried" % (len(killers), len({m.name for m, _ in killers})))
    for failure in failures:
        print("FAILED: " + failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""docs/mutants.md, as killers.txt and the header say it.

usage: document.py            prints it
       document.py --check    fails if the file is another
"""

import os
import sys

import mutants

HEAD = """# Mutants

What each deliberate fault of `src/base/mutant.h` breaks, and what notices it every day. One build has
all of them and takes the one that its environment names:

    INGOT_MUTANT=LOCK_LOWERED build/release/mutants/locks_test

"""


def killer_text(killer):
    if killer.is_sim:
        alone = " alone" if killer.is_alone else ""
        return "simulator `%s`: %s%s" % (" ".join(killer.options), ", ".join(killer.checks), alone)
    return "`%s: %s`" % (killer.program, killer.test)


def document():
    table = mutants.read_table()
    lines = [HEAD, "| mutant | what is wrong | the rule | dies of |", "|---|---|---|---|"]
    for mutant in table:
        killers = "<br>".join(killer_text(killer) for killer in mutant.killers)
        lines.append("| `%s` | %s | %s | %s |" % (mutant.name, mutant.fault, mutant.rule, killers))
    return lines[0] + "\n".join(lines[1:]) + "\n"


def main():
    text = document()
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(text)
        return 0
    with open(os.path.join(mutants.SOURCE, "docs/mutants.md"), encoding="utf-8") as file:
        if file.read() == text:
            return 0
    print("docs/mutants.md is old: python3 tests/mutants/document.py > docs/mutants.md")
    return 1


if __name__ == "__main__":
    sys.exit(main())

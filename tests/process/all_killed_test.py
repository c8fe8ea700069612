"""Nothing is lost when all validators are killed at once: a few rounds. See all_killed.py."""

from all_killed import run
from network import SANITIZED, main


def killing_all_at_once_loses_nothing():
    run(rounds=2 if SANITIZED else 3, seed=1)


main(killing_all_at_once_loses_nothing)

"""Nothing is lost when all validators are killed at once: fifty rounds. See all_killed.py."""

from all_killed import run
from network import main


def killing_all_at_once_fifty_times_loses_nothing():
    run(rounds=50, seed=2)


main(killing_all_at_once_fifty_times_loses_nothing)

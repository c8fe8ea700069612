"""A long series of changes of the validator set, and a kill in the middle of each. See
set_change_faults.py."""

from network import main
from set_change_faults import killed_in_the_middle


def sixty_changes_come_into_force_whoever_is_killed_meanwhile():
    killed_in_the_middle(changes=60, seed=22)


main(sixty_changes_come_into_force_whoever_is_killed_meanwhile)

"""A long series of random changes of the validator set while clients write without an error. See
membership.py."""

from membership import random_changes
from network import main


def members_come_and_go_a_hundred_times():
    random_changes(changes=100, seed=7)


main(members_come_and_go_a_hundred_times)

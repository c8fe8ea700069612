"""A node killed a hundred times while it catches up. See sync_kill.py."""

from network import main
from sync_kill import run


def a_node_that_is_killed_a_hundred_times_while_it_catches_up_ends_with_equal_state():
    run(kills=100, blocks=30000, change_every=100, seed=12)


main(a_node_that_is_killed_a_hundred_times_while_it_catches_up_ends_with_equal_state)

"""A node killed ten times while it catches up. See sync_kill.py."""

from network import SANITIZED, main
from sync_kill import run


def a_node_that_is_killed_while_it_catches_up_goes_on_from_where_it_was():
    run(kills=10, blocks=3000 if SANITIZED else 5000, change_every=40, seed=11)


main(a_node_that_is_killed_while_it_catches_up_goes_on_from_where_it_was)

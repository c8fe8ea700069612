"""A chain of some length starts to vote soon, and its validators stay small under load. See
long_chain.py."""

import long_chain
from network import SANITIZED, main


def a_chain_of_two_thousand_blocks_votes_soon_after_a_start():
    long_chain.run(blocks=300 if SANITIZED else 2000, load_seconds=2 if SANITIZED else 4)


main(a_chain_of_two_thousand_blocks_votes_soon_after_a_start)

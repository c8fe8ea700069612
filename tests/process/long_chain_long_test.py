"""A chain of 100,000 blocks starts to vote as soon as a short one. See long_chain.py."""

import long_chain
from network import main


def a_chain_of_a_hundred_thousand_blocks_votes_soon_after_a_start():
    long_chain.run(blocks=100000, load_seconds=60)


main(a_chain_of_a_hundred_thousand_blocks_votes_soon_after_a_start)

"""The same through a long chain: the memory that it takes must not grow with it. See lying_sync.py."""

import lying_sync
from network import main

BLOCKS = 20000


def wrong_blocks_missing_ends_and_invented_heights():
    lying_sync.lies_about_blocks(BLOCKS)


def silence_single_bytes_and_huge_frames():
    lying_sync.waste_of_time_and_memory(BLOCKS)


def an_honest_peer_is_not_blamed():
    lying_sync.nobody_lies(BLOCKS)


main(wrong_blocks_missing_ends_and_invented_heights, silence_single_bytes_and_huge_frames,
     an_honest_peer_is_not_blamed)

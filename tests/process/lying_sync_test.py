"""An empty node catches up from one honest peer beside three that lie. See lying_sync.py."""

import lying_sync
from network import SANITIZED, main

BLOCKS = 800 if SANITIZED else 2000


def wrong_blocks_missing_ends_and_invented_heights():
    lying_sync.lies_about_blocks(BLOCKS)


def silence_single_bytes_and_huge_frames():
    lying_sync.waste_of_time_and_memory(BLOCKS)


def an_honest_peer_is_not_blamed():
    lying_sync.nobody_lies(BLOCKS)


main(wrong_blocks_missing_ends_and_invented_heights, silence_single_bytes_and_huge_frames,
     an_honest_peer_is_not_blamed)

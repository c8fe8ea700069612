"""The same through a long chain: the memory that it takes must not grow with it. See lying_sync.py."""

import lying_sync
from network import main

main(*lying_sync.tests(blocks=20000))

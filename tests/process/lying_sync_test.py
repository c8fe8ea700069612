"""An empty node catches up from one honest peer beside three that lie. See lying_sync.py."""

import lying_sync
from network import SANITIZED, main

main(*lying_sync.tests(blocks=800 if SANITIZED else 2000))

"""A validator whose state is not that of the others, as after a fault that no checksum sees: as soon
as a quorum has certified a block that it executes to something else, it ends with status 6 and
says what differs; the others go on without it."""

import os
import re
import subprocess

from network import BUILD_FOLDER, Failure, Network, main, tail

# Together much more than the state may lag behind the chain: 24 MiB.
BLOCKS = 400
BLOCK_BYTES = 100_000


def a_node_that_executes_a_certified_block_differently_ends_with_status_6():
    with Network() as network:
        network.start()
        odd, *others = network.nodes
        others[0].commit(b"wanted=here")
        for number in range(BLOCKS):
            others[number % 3].commit(b"filler%d=%s" % (number, b"x" * BLOCK_BYTES))
        goal = max(node.height() for node in others)
        network.until("all have that", lambda: odd.height() >= goal)
        odd.stop()
        # Of all keys it is the last in the order of their bytes.
        spoil = os.path.join(BUILD_FOLDER, "spoil_ledger")
        subprocess.run([spoil, odd.data, "state", "last", "remove"], check=True)
        odd.start()
        network.ready(odd)

        program = os.path.join(BUILD_FOLDER, "ingot")
        url = others[0].url
        subprocess.run([program, "kv", "delete", "wanted", "--node", url], check=True)

        status = odd.wait()
        said = tail(odd.log)
        if status != 6 or not re.search("certified=[0-9a-f]{64} ours=[0-9a-f]{64}", said):
            raise Failure(f"expected status 6 and the difference, found {status}:\n{said}")
        others[1].commit(b"after=all")


if __name__ == "__main__":
    main(a_node_that_executes_a_certified_block_differently_ends_with_status_6)

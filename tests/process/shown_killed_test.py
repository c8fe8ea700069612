"""What a node shows of where it stands outlives its death.

Method: a client waits for a commit at one node. The others, where nobody waits, are asked for their
status at once and killed, within the time in which their sync may wait; each is then started alone,
so that nobody can tell it again, and asked once more.
"""

from network import SANITIZED, Failure, Network, main, say

ROUNDS = 2 if SANITIZED else 5
SHOWN = ("epoch", "view", "high_qc_view", "locked_view")


def place(status):
    """By name what must not fall."""
    found = {name: int(status["ingot"][name]) for name in SHOWN}
    found["height"] = int(status["sync_info"]["latest_block_height"])
    return found


def what_a_node_shows_outlives_its_death():
    with Network() as network:
        first, others = network.nodes[0], network.nodes[1:]
        for number in range(ROUNDS):
            network.start()
            clients = [node.client() for node in others]
            for client in clients:
                client.call("status")  # so that it is connected
            height, why = first.commit(f"key={number}".encode())
            if height is None:
                raise Failure(f"not committed: {why}")
            shown = []
            for node, client in zip(others, clients):
                shown.append(place(client.call("status")))
                node.kill()
                client.close()
            first.kill()
            for node, before in zip(others, shown):
                network.start(node)
                after = place(node.status())
                node.kill()
                fallen = [name for name in before if after[name] < before[name]]
                if fallen:
                    raise Failure(f"{node} showed {before}, and after its death {after}")
            say(f"round {number}: height {height}, shown {shown}")


main(what_a_node_shows_outlives_its_death)

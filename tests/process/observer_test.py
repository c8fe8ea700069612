"""A node joins a running network as an observer and leaves it again, without a restart of anybody.

`ingot init` makes its home from the network's genesis and a peers file; the others read their peers
files again on SIGHUP. It follows the chain, answers clients and passes their transactions on. A
peers file with a mistake changes nothing.
"""

import re
import time

from checks import check_equal, check_no_evidence
from load import Load
from network import Failure, Network, main

REFUSED = "the peers file is not used, the peers stay as they are"


def expect(condition, what):
    if not condition:
        raise Failure(what)


def follows(network, node, others):
    goal = max(other.height() for other in others)
    network.until(f"{node} has reached {goal}", lambda: node.height() >= goal)


def ages_s(node):
    """How long its connections have lasted, in seconds."""
    peers = node.call("net_info")["peers"]
    return [int(peer["connection_status"]["Duration"]) / 1e9 for peer in peers]


def is_an_observer(network, node, peers):
    status = node.status()
    expect(not status["ingot"]["is_member"], f"{node} says that it is a member: {status}")
    expect(status["validator_info"]["voting_power"] == "0", f"{node} claims power: {status}")
    expect(int(status["ingot"]["peers"]) == peers, f"{node} has not {peers} peers: {status}")
    for peer in node.call("net_info")["peers"]:
        expect("validator_address" in peer["ingot"], f"a peer's validator key is missing: {peer}")
    network.until("connections grow older", lambda: min(ages_s(node)) > 0.05)
    lasted = time.monotonic() - node.started_at
    expect(max(ages_s(node)) <= lasted + 1, f"connections older than the process: {ages_s(node)}")


def an_observer_joins_follows_and_leaves():
    with Network() as network:
        network.start()
        validators = network.nodes[:]
        with Load(validators, clients_per_node=1) as load:
            network.until("the load commits", lambda: load.count() >= 20)
            observer = network.add_observer()
            follows(network, observer, validators)
            is_an_observer(network, observer, peers=4)

            # A transaction that only the observer is given, and a read from the observer.
            height, why = observer.commit(b"through=observer")
            expect(height is not None, f"the observer does not pass a transaction on: {why}")
            expect(observer.get("through") == b"observer", "the observer does not have the key")
            network.until("a validator has it",
                          lambda: validators[0].get("through") == b"observer")

            # Its own restart costs nothing, and neither do reloads that change nothing.
            observer.kill()
            network.start(observer)
            network.until_connected(observer, *validators)
            network.reload_peers()
            expect("added=0 removed=0 changed=0" in last_line(validators[0], "read again"),
                   "a reload of the same file was not without changes")
            follows(network, observer, validators)
        expect(not load.failures, f"clients saw failures: {load.failures[:3]}")
        check_equal(network)

        network.remove_peer(observer)
        expect(observer.connected_keys() == set(), "the observer is still connected to somebody")
        stays_behind(network, observer, validators)

        # Back again: its line, and nothing else, is what lets it in.
        line = f"{observer.transport_key} 127.0.0.1:{observer.peer_port} {observer.public_key}"
        for node in validators:
            node.write_peer(line)
        network.reload_peers(*validators)
        network.until_connected(observer, *validators)
        follows(network, observer, validators)
        check_equal(network)
        check_no_evidence(network.nodes)


def stays_behind(network, observer, validators):
    """It dials, as the others are in its own peers file, and is refused."""
    before = observer.height()
    refused = 'ingot_peer_refused_total{reason="key_unknown"}'
    network.until("it is refused", lambda: any(v.metrics().get(refused, 0) for v in validators))
    key = f"transport_key={observer.transport_key}"
    network.until("the log says whose line is missing", lambda: any(
        key in last_line(validator, "connection refused reason=key_unknown")
        for validator in validators))
    for number in range(5):
        validators[number % 4].commit(b"without%d=it" % number)
    expect(observer.height() == before, "the observer follows without a connection")


def last_line(node, text):
    with open(node.log) as file:
        lines = [line for line in file if text in line]
    return lines[-1] if lines else ""


def one_observer_takes_the_place_of_another():
    """Everybody gives the newcomer the number that the one before it had."""
    with Network(validators=1) as network:
        network.start()
        validator = network.nodes[0]
        first = network.add_observer()
        number = re.search("peer=[0-9]+", last_line(validator, "peer added")).group()
        second = network.add_observer()
        network.remove_peer(first)
        first.stop()
        third = network.add_observer()
        expect(number + " " in last_line(validator, "peer added"),
               f"expected {number} in {last_line(validator, 'peer added')}")
        height, why = third.commit(b"through=third")
        expect(height is not None, f"the third one does not pass a transaction on: {why}")
        follows(network, second, [third])
        check_equal(network)


def a_peers_file_with_a_mistake_changes_nothing():
    with Network() as network:
        network.start()
        node, *others = network.nodes
        network.until_connected(node, *others)
        with open(node.peers) as file:
            good = file.read()
        mistakes = {
            "peers:6: expected the peer's transport key": good + "no line of a peers file\n",
            "peers:2: expected host:port": good.replace("127.0.0.1:", "127.0.0.1 ", 1),
            "peers:6: expected each validator key once": good + good.splitlines()[2] + "\n",
            "peers:2: expected another node's validator key":
                good.replace(node.transport_key, node.public_key),
            "peers: expected at least one line": "",
            "found none (a file with the node's own line": "# nobody\n\n",
        }
        for complaint, text in mistakes.items():
            with open(node.peers, "w") as file:
                file.write(text)
            node.reload()
            network.until(f"the log says: {complaint}",
                          lambda complaint=complaint: complaint in last_line(node, REFUSED))
            keys = {other.transport_key for other in others}
            expect(node.connected_keys() == keys, "connections have changed")
            height, why = node.commit(b"after=" + complaint.encode())
            expect(height is not None, f"{node} does not commit any more: {why}")
        # Without its own line a file is as good as with it.
        with open(node.peers, "w") as file:
            file.write(good)
        node.erase_peer(node.transport_key)
        network.reload_peers(node)
        expect("added=0 removed=0 changed=0" in last_line(node, "read again"),
               "a node's own line made a difference")
        network.until_connected(node, *others)
        check_equal(network)


if __name__ == "__main__":
    main(an_observer_joins_follows_and_leaves, one_observer_takes_the_place_of_another,
         a_peers_file_with_a_mistake_changes_nothing)

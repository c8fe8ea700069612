"""Nodes without a chain: `[node] protocol = quorum-broadcast` and `gossip`.

Goal: a payload is delivered once at every node that lives, whatever is in it; its attestation is
one that `ingot verify` accepts, is on disk before anybody is told, and is never made twice; what
cannot be delivered is refused with a reason or times out.
Method: networks of 3 and 4 real processes, `ingot broadcast` as the client, kill -9.
"""

import base64
import http.client
import json
import os
import re
import subprocess
import threading
import time

from network import DEADLINE_S, PROGRAM, Failure, Network, main, say

DELIVERED, REFUSED, USAGE, TIMED_OUT = 0, 1, 2, 7


def expect(condition, what):
    if not condition:
        raise Failure(what)


def broadcast(node, payload, *arguments, timeout_s=DEADLINE_S):
    """(exit status, standard output, standard error)"""
    asked = subprocess.run(
        [PROGRAM, "broadcast", "--payload", "-", "--node", node.url, "--timeout", str(timeout_s),
         *arguments], input=payload, capture_output=True)
    return asked.returncode, asked.stdout.decode(), asked.stderr.decode()


def deliver(node, payload, id):
    """The attestation, as text."""
    status, output, errors = broadcast(node, payload, "--id", id)
    expect(status == DELIVERED, f"{node} did not deliver {id}: {status} {errors}")
    return output


def verify(network, payload, attestation):
    """(exit status, what `ingot verify` prints)"""
    files = {"payload": payload, "attestation": attestation.encode()}
    for name, content in files.items():
        with open(os.path.join(network.folder, name), "wb") as file:
            file.write(content)
    document, certificate = (os.path.join(network.folder, name) for name in files)
    asked = subprocess.run(
        [PROGRAM, "verify", document, certificate, "--genesis",
         os.path.join(network.nodes[0].home, "genesis.json")], capture_output=True, text=True)
    return asked.returncode, asked.stdout + asked.stderr


def check_verifies(network, payload, attestation, signers):
    status, output = verify(network, payload, attestation)
    expect(status == 0, f"ingot verify: {status} {output}")
    found = int(re.search(r"verified: (\d+) of", output).group(1))
    expect(found >= signers, f"{found} have signed, expected {signers} at least: {output}")
    status, output = verify(network, payload + b"?", attestation)
    expect(status != 0, f"ingot verify accepts another payload: {output}")


def records(node):
    with open(os.path.join(node.data, "attestations.jsonl"), "rb") as file:
        content = file.read()
    expect(content == b"" or content.endswith(b"\n"), f"{node} has a torn record: {content[-200:]}")
    return [json.loads(line) for line in content.splitlines()]


def names(node):
    return sorted((bytes.fromhex(r["id"]).decode(), r["digest"]) for r in records(node))


def check_records(network, count, nodes=None):
    """All nodes have the same records, so many, and each once."""
    nodes = nodes or network.running()
    network.until(f"all have {count} records", lambda: all(len(names(n)) >= count for n in nodes))
    for node in nodes:
        found = names(node)
        expect(len(found) == count, f"{node} has {len(found)} records, expected {count}")
        expect(len(set(found)) == count, f"{node} has a record twice")
        expect(found == names(nodes[0]), f"{node} and {nodes[0]} have other records")


def until_mesh(network, nodes=None):
    nodes = nodes or network.running()
    for node in nodes:
        network.until_connected(node, *[other for other in nodes if other is not node])


AWKWARD = b'first line\n{"type":"ingot/attestation/1"}\n"quoted", \\ and \xff\x00 bytes\r\n\n'


def what_is_submitted_is_delivered_once_and_attested():
    for count, quorum in ((3, 3), (4, 3)):
        with Network(validators=count, protocol="quorum-broadcast") as network:
            network.start()
            until_mesh(network)
            payloads = [b"", b"one", AWKWARD, os.urandom(65536)]
            for index, payload in enumerate(payloads):
                node = network.nodes[index % count]
                check_verifies(network, payload, deliver(node, payload, f"id {index}"), quorum)
            check_records(network, len(payloads))
            for node in network.nodes:
                network.until(f"{node} counts the deliveries", lambda node=node: int(
                    node.status()["ingot"]["deliveries"]) == len(payloads))
            refusals(network)
            the_same_again(network, payloads)
            clients_ask_later(network)
            check_records(network, len(payloads))
            nobody_takes_an_id_from_another(network, quorum)
            check_records(network, len(payloads) + 1)


def refusals(network):
    first, second, *_ = network.nodes
    status, output, errors = broadcast(second, b"other", "--id", "id 1")  # which started it
    expect(status == REFUSED and "another payload" in errors,
           f"another payload for an id: {status} {output} {errors}")
    for size, complaint in ((65537, "at most 65536 bytes"), (262145, "at most 262144 bytes")):
        status, output, errors = broadcast(first, bytes(size))
        expect(status == REFUSED and complaint in errors, f"{size} bytes: {status} {errors}")
    status, output, errors = broadcast(first, b"x", "--id", "i" * 65)
    expect(status == USAGE and "1 to 64 bytes" in errors, f"a long id: {status} {errors}")


def nobody_takes_an_id_from_another(network, quorum):
    """An id is its originator's: what one node delivered under it keeps no other from using it."""
    other = network.nodes[0]
    check_verifies(network, b"mine", deliver(other, b"mine", "id 1"), quorum)


def the_same_again(network, payloads):
    for node in network.nodes:
        again = json.loads(deliver(node, payloads[1], "id 1"))
        expect(bytes.fromhex(again["id"]) == b"id 1", f"{node} answers with {again}")


def clients_ask_later(network):
    node = network.nodes[1]
    found = node.call("broadcast_get", id='"id 1"')
    expect(found["state"] == "delivered", f"broadcast_get: {found}")
    expect(found["attestation"]["height"] == "0", f"broadcast_get: {found}")
    expect("error" in node.call("broadcast_get", id='"nothing"'), "an unknown id was found")
    refused = node.call("block", height=1)
    expect("quorum-broadcast" in refused["error"]["data"], f"block: {refused}")
    asked = subprocess.run([PROGRAM, "status", "--node", node.url], capture_output=True, text=True)
    expect("protocol     quorum-broadcast" in asked.stdout, f"ingot status: {asked}")
    expect(int(node.call("validators")["total"]) == len(network.nodes), "validators")


def gossip_reaches_everybody():
    for count in (3, 4):
        with Network(validators=count, protocol="gossip") as network:
            network.start()
            until_mesh(network)
            for index, payload in enumerate((b"", AWKWARD, os.urandom(262144))):
                status, output, errors = broadcast(network.nodes[index], payload, "--id",
                                                   f"id {index}")
                expect(status == DELIVERED, f"gossip: {status} {output} {errors}")
            status, output, errors = broadcast(network.nodes[0], b"other", "--id", "id 0")
            expect(status == REFUSED, f"another payload for an id: {status} {output} {errors}")
            for node in network.nodes:
                network.until(f"{node} has all", lambda node=node: int(
                    node.status()["ingot"]["deliveries"]) == 3)
                found = node.call("broadcast_get", id='"id 1"')
                expect(found["state"] == "delivered" and found["attestation"] is None,
                       f"{node}: {found}")
                expect(node.log_count(" delivered id=") > 0, f"{node} has logged no delivery")


def the_dead_and_the_restarted():
    with Network(validators=4, protocol="quorum-broadcast") as network:
        network.start()
        until_mesh(network)
        first, second, third, fourth = network.nodes
        deliver(first, b"with all", "a")
        fourth.kill()
        check_verifies(network, b"with three", deliver(second, b"with three", "b"), 3)
        check_records(network, 2)

        say("two of four are no quorum")
        third.kill()
        status, output, errors = broadcast(first, b"with two", "--id", "c", timeout_s=2)
        expect(status == TIMED_OUT and "timed out" in errors, f"no quorum: {status} {errors}")
        check_records(network, 2)
        third.start()
        network.ready(third)
        check_verifies(network, b"with two", deliver(first, b"with two", "c"), 3)
        check_records(network, 3)

        say("all are killed and come back; one has a torn record")
        for node in (first, second, third):
            node.kill()
        with open(os.path.join(second.data, "attestations.jsonl"), "ab") as file:
            file.write(b'{"type":"ingot/attestation/1","chain')
        network.start(first, second, third)
        until_mesh(network)
        check_records(network, 3)
        deliver(second, b"with two", "c")
        status, output, errors = broadcast(first, b"another", "--id", "c")  # which started it
        expect(status == REFUSED and "another payload" in errors,
               f"another payload after a restart: {status} {errors}")
        deliver(third, b"afterwards", "d")
        check_records(network, 4)

        say("one that comes back hears of the last rounds again, and one comes late")
        third.kill()
        network.start(third, fourth)
        network.until("it has heard again of a round that it has a record of",
                      lambda: int(third.status()["ingot"]["deliveries"]) > 0)
        deliver(fourth, b"by the late one", "e")
        network.until("all have the last record",
                      lambda: all("e" in dict(names(node)) for node in network.nodes))
        check_records(network, 5, network.nodes[:3])
        a_folder_serves_one_process(first)


def a_folder_serves_one_process(node):
    second = subprocess.run([PROGRAM, "node", "--home", node.home], capture_output=True, text=True,
                            timeout=DEADLINE_S)
    expect(second.returncode == 4 and "in use by process" in second.stderr,
           f"a second process: {second.returncode} {second.stderr}")


class Submitter(threading.Thread):
    """Submits one payload after another, each until it is known to be delivered."""

    def __init__(self, network, number):
        super().__init__()
        self.network, self.number = network, number
        self.delivered = []  # (node, (id, digest))
        self.attestations = []
        self.refusals = []
        self.is_over = False

    def run(self):
        count = 0
        while not self.is_over:
            id, payload = f"{self.number}/{count}", os.urandom(50)
            node = self.network.nodes[(self.number + count) % len(self.network.nodes)]
            self.submit(node, id, payload)
            count += 1

    def submit(self, node, id, payload):
        call = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_submit", "params": {
            "id": id.encode().hex(), "payload": base64.b64encode(payload).decode()}}
        while not self.is_over:
            client = node.client()
            try:
                _, body = client.request("POST", "/", json.dumps(call))
                result = json.loads(body)["result"]
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)
                continue
            finally:
                client.close()
            if result["state"] == "delivered":
                self.delivered.append((node, (id, result["digest"])))
                self.attestations.append((payload, json.dumps(result["attestation"])))
                return
            if result["state"] == "rejected":
                self.refusals.append(result["why"])
                return


def killed_while_clients_submit():
    """One after another, and all at once. Whoever was told of a delivery was told the truth."""
    with Network(validators=4, protocol="quorum-broadcast",
                 settings="\n[rpc]\ncommit_timeout_ms = 1000\n") as network:
        network.start()
        until_mesh(network)
        submitters = [Submitter(network, number) for number in range(8)]
        for submitter in submitters:
            submitter.start()
        try:
            for victims in ([0], [1], [2, 3], [0, 1, 2, 3], [3], [0, 1, 2, 3]):
                before = sum(len(s.delivered) for s in submitters)
                network.until("clients get on", lambda before=before: sum(
                    len(s.delivered) for s in submitters) > before + 20)
                for victim in victims:
                    network.nodes[victim].kill()
                network.start(*[network.nodes[victim] for victim in victims])
            until_mesh(network)
            before = sum(len(s.delivered) for s in submitters)
            network.until("clients get on", lambda: sum(
                len(s.delivered) for s in submitters) > before + 20)
        finally:
            for submitter in submitters:
                submitter.is_over = True
            for submitter in submitters:
                submitter.join()
        told = [each for s in submitters for each in s.delivered]
        refusals = [why for s in submitters for why in s.refusals]
        expect(not refusals, f"clients were refused: {refusals[:3]}")
        say(f"{len(told)} deliveries were reported")
        found = [names(node) for node in network.nodes]
        for node, records_of_node in zip(network.nodes, found):
            expect(len(set(records_of_node)) == len(records_of_node), f"{node} has a record twice")
            ids = [id for id, _ in records_of_node]
            expect(len(set(ids)) == len(ids), f"{node} has two payloads for an id")
            lost = {name for teller, name in told if teller is node} - set(records_of_node)
            expect(not lost, f"{node} has no record of what it reported: {sorted(lost)[:3]}")
        for submitter in submitters:
            for payload, attestation in submitter.attestations[-2:]:
                check_verifies(network, payload, attestation, 3)


def peers_come_and_go():
    with Network(validators=3, protocol="quorum-broadcast") as network:
        network.start()
        until_mesh(network)
        observer = network.add_observer()
        attestation = deliver(network.nodes[1], b"seen by all", "a")
        check_records(network, 1)
        check_verifies(network, b"seen by all", attestation, 3)
        expect(not observer.is_member(), "an observer counts as a member")
        status, output, errors = broadcast(observer, b"of an observer")
        expect(status == REFUSED and "no validator" in errors, f"observer: {status} {errors}")
        network.remove_peer(observer)
        deliver(network.nodes[0], b"seen by three", "b")
        check_records(network, 2, network.nodes[:3])
        expect(len(names(observer)) == 1, "a removed observer hears of deliveries")


def other_protocols_do_not_mix():
    """Three validators of a chain, and one that is set to broadcast: each counts what it cannot use
    of the other, and goes on."""
    with Network(validators=4, settings="\n[consensus]\nempty_block_interval_ms = 100\n") as network:
        *chain, stranger = network.nodes
        with open(os.path.join(stranger.home, "config.ini"), "a") as file:
            file.write("\n[node]\nprotocol = quorum-broadcast\n")
        network.start()
        until_mesh(network)
        status, _, errors = broadcast(stranger, b"to nobody", "--id", "a", timeout_s=2)
        expect(status == TIMED_OUT, f"a broadcast among strangers: {status} {errors}")
        for number in range(5):
            height, why = chain[number % 3].commit(b"key%d=value" % number)
            expect(height is not None, f"the chain has stopped: {why}")
        counted = 'ingot_rejects_total{reason="other_protocol"}'
        network.until("the broadcaster counts the chain's frames",
                      lambda: stranger.metrics()[counted] > 0)
        for node in chain:
            network.until(f"{node} counts the broadcaster's frames", lambda node=node: sum(
                value for name, value in node.metrics().items()
                if name.startswith("ingot_rejects_total")) > 0)
        stranger.stop()


if __name__ == "__main__":
    main(what_is_submitted_is_delivered_once_and_attested, gossip_reaches_everybody,
         the_dead_and_the_restarted, killed_while_clients_submit, peers_come_and_go, other_protocols_do_not_mix)

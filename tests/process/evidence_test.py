"""A validator that votes twice in every view is named by all that see it, for good.

Method: three honest validators under load, and in place of the fourth hostile_peer.c, which signs a
second vote in each view. What `ingot evidence` lists must name the bad one alone, be bounded, be
verifiable with nothing but what the node shows (openssl does it), have reached the App, and be
there still after kill -9 of all.
"""

import base64
import http.server
import json
import os
import subprocess
import tempfile
import threading

from hostile import run_hostile
from load import Load
from network import PROGRAM, Failure, Network, main, say

SECONDS = 3
ROUNDS_MAX = 20
KEPT_MAX = 64  # of each validator
PHASES = ["generic", "prepare", "precommit", "commit"]
ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, before the 32 bytes of a key


def evidence(node, *arguments):
    """What `ingot evidence` prints."""
    asked = subprocess.run([PROGRAM, "evidence", "--node", node.url, *arguments],
                           capture_output=True, text=True)
    if asked.returncode != 0:
        raise Failure(f"evidence of {node}: {asked.returncode}\n{asked.stderr}")
    return asked.stdout


def handed_over(node):
    """What the App of a node has been handed since its start."""
    answer = node.call("abci_query", path='"/evidence"')["response"]
    return int(base64.b64decode(answer["value"]))


def preimage(item, vote, chain):
    """What the vote's signature covers; docs/wire.md, "Vote"."""
    return (b"ingot/vote/1".ljust(24, b"\0") + bytes.fromhex(chain) +
            bytes.fromhex(item["validators_hash"]) + int(item["view"]).to_bytes(8, "little") +
            bytes.fromhex(vote["block_hash"]) + bytes([PHASES.index(vote["phase"])]))


def check_proof(item, chain):
    """Both signatures, by somebody who has never heard of Ingot."""
    first, second = item["votes"]
    if (first["phase"], first["block_hash"]) == (second["phase"], second["block_hash"]):
        raise Failure(f"two votes for the same: {item}")
    with tempfile.TemporaryDirectory() as folder:
        def write(name, content):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(content)
            return path

        key = write("key", ED25519_DER + base64.b64decode(item["pub_key"]["value"]))
        for vote in item["votes"]:
            verified = subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key,
                 "-rawin", "-in", write("preimage", preimage(item, vote, chain)),
                 "-sigfile", write("signature", base64.b64decode(vote["signature"]))],
                capture_output=True, text=True)
            if verified.returncode != 0:
                raise Failure(f"not signed: {vote} of {item}: {verified.stdout}{verified.stderr}")


def check_listed(node, bad):
    """The lines: all against the bad one, as many as the node says that it keeps."""
    lines = evidence(node).splitlines()
    for line in lines:
        kind, key, *rest = line.split()
        if key != bad.public_key or kind not in ("leader", "voter") or len(rest) != 12:
            raise Failure(f"{node} lists: {line}")
    kept = node.metrics()["ingot_evidence_kept"]
    said = int(node.status()["ingot"]["evidence"])
    if not len(lines) == kept == said or len(lines) > KEPT_MAX:
        raise Failure(f"{node} lists {len(lines)}, and says that it keeps {kept} and {said}")
    return lines


def misbehave(network, honest, bad):
    """How often it votes twice until all have evidence. It does so in each view of the others', of
    which there may be none for as long as a disk stands still."""
    double_votes = 0
    for _ in range(ROUNDS_MAX):
        double_votes += run_hostile(network, bad.home, SECONDS, 1)["double_votes"]
        if all(evidence(node) for node in honest):
            return double_votes
    raise Failure(f"{double_votes} double votes, and not all have evidence")


def a_validator_that_votes_twice_is_named_for_good():
    with Network() as network:
        *honest, bad = network.nodes
        network.start(*honest)
        for node in honest:
            if evidence(node) or evidence(node, "--json").strip() != "[]":
                raise Failure(f"{node} has evidence before anything was done")
        with Load(honest, clients_per_node=2) as load:
            double_votes = misbehave(network, honest, bad)
            network.until("the Apps have been handed what there is",
                          lambda: all(handed_over(node) == len(evidence(node).splitlines())
                                      for node in honest))
        if load.failures:
            raise Failure(f"clients saw {len(load.failures)} failures: {load.failures[:3]}")
        listed = {node: check_listed(node, bad) for node in honest}
        for node in honest:
            items = json.loads(evidence(node, "--json"))
            chain = node.call("evidence")["genesis_hash"]
            if len(items) != len(listed[node]):
                raise Failure(f"{node} lists {len(listed[node])} lines and {len(items)} objects")
            for item in items[:3]:
                check_proof(item, chain)
            seen = node.metrics()["ingot_evidence_total"]
            if seen < len(items):
                raise Failure(f"{node} counted {seen} and keeps {len(items)}")
        for node in honest:
            node.kill()
        network.start(*honest)
        for node in honest:
            if check_listed(node, bad) != listed[node]:
                raise Failure(f"{node} had\n{listed[node]}\nand has after kill -9\n{evidence(node)}")
        network.until("it goes on", lambda: all(node.commit(b"k%d=v" % node.index)[0]
                                                for node in honest))
        if any(handed_over(node) for node in honest):
            raise Failure("the App was handed again what it has had")
        say(f"{double_votes} double votes; kept: "
            f"{[len(lines) for lines in listed.values()]}")


class EndlessEvidence(http.server.BaseHTTPRequestHandler):
    """What says that there is more, however often it is asked."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        result = {"evidence": [{}] * 8192, "total": str(2**63)}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def evidence_without_an_end_is_not_read_for_ever():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EndlessEvidence) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            asked = subprocess.run([PROGRAM, "evidence", "--node", url], capture_output=True,
                                   text=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise Failure("after a minute it still reads") from None
        finally:
            server.shutdown()
    if asked.returncode != 1 or "not understood" not in asked.stderr:
        raise Failure(f"{asked.returncode}: {asked.stderr}")


if __name__ == "__main__":
    main(a_validator_that_votes_twice_is_named_for_good,
         evidence_without_an_end_is_not_read_for_ever)

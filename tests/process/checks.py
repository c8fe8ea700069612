"""What must hold of a network whatever was done to it, for the tests of whole programs."""

import json
import os
import subprocess

from network import BUILD_FOLDER, Failure


def check_equal(network, nodes=None):
    """All nodes have one state, and agree on the hash of every block of a sample up to the lowest
    height. Returns (height, state). Reading a large state takes longer than an idle chain takes
    for its next empty block, so the heights may differ; at equal heights the states must not."""
    nodes = nodes or network.running()

    def equal():
        answers = [node.state() for node in nodes]
        if None in answers:
            return None
        seen = {}
        for node, (height, state) in zip(nodes, answers):
            if seen.setdefault(height, state) != state:
                different = sorted(set(state.items()) ^ set(seen[height].items()))[:5]
                raise Failure(f"the states at height {height} differ ({node}): {different}")
        return answers if all(state == answers[0][1] for _, state in answers) else None

    answers = network.until("all nodes have one state", equal)
    height = min(height for height, _ in answers)
    state = answers[0][1]
    for at in sorted({height} | set(range(height, 0, -max(1, height // 50)))):
        hashes = {str(node): node.block_hash(at) for node in nodes}
        if len(set(hashes.values())) > 1:
            raise Failure(f"the blocks at height {at} differ: {hashes}")
    return height, state


def check_acknowledged(load, state):
    """Nothing that a client was told is committed is missing."""
    for key, (value, height) in load.acknowledged.items():
        if state.get(key) != value:
            raise Failure(f"{key} was acknowledged at height {height} with {value}, "
                          f"but the state has {state.get(key)}")


def check_once(load, node):
    """Each acknowledged transaction is in the chain exactly once, where its client was told."""
    found = {}
    for height in range(1, node.height() + 1):
        for transaction in node.transactions(height):
            if found.setdefault(transaction, height) != height:
                raise Failure(f"{transaction} is in the blocks at {found[transaction]} and {height}")
    for key, (value, height) in load.acknowledged.items():
        if found.get(key + b"=" + value) != height:
            raise Failure(f"{key} was acknowledged at height {height}, but it is in the block at "
                          f"{found.get(key + b'=' + value)}")


def check_one_set(network, nodes, members):
    """`ingot validator list` says the same of every node, and the set has exactly these members."""
    network.until("all nodes list one set",
                  lambda: len({node.validators() for node in nodes}) == 1)
    listed = nodes[0].validators()
    for node in network.nodes:
        if (node.public_key in listed) != (node in members):
            raise Failure(f"expected the validators {[str(m) for m in members]}, found\n{listed}")


def check_no_evidence(nodes):
    """Nobody has seen two votes of one validator in one view."""
    for node in nodes:
        count = node.metrics()["ingot_evidence_total"]
        if count != 0:
            raise Failure(f"{node} has evidence of {count} double votes")


def read_ledger(node, lowest=0):
    """What is on the disk of a node that does not run (see print_ledger.c)."""
    tool = os.path.join(BUILD_FOLDER, "print_ledger")
    result = subprocess.run([tool, node.home, str(lowest)], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"print_ledger {node}: {result.stderr}")
    return json.loads(result.stdout)


class Votes:
    """Everything that is known of who voted for what, over any number of kills: from the safety
    records on the disks and from all certificates there. All of it was durable before it was sent,
    so at the moment of a kill no certificate may hold a signature that its signer's disk does not
    know of."""

    def __init__(self):
        self.choices = {}  # (validator, epoch, view) -> (block and phase, where it was seen)
        self.last = {}  # validator -> record of the kill before

    def note(self, validator, vote, where):
        """`vote` may be a certificate that the validator signed."""
        choice = (vote["block"], vote["phase"])
        held = self.choices.setdefault((validator, vote["epoch"], vote["view"]), (choice, where))
        if held[0] != choice:
            raise Failure(f"validator {validator} voted twice in view {vote['view']} of epoch "
                          f"{vote['epoch']}: for {held[0]} ({held[1]}) and for {choice} ({where})")

    def note_record(self, node):
        """Reads the disk of one node that does not run, whatever the others do; of its committed
        blocks those that it did not have the last time."""
        validator = node.public_key
        before = self.last.get(validator)
        record = read_ledger(node, before["committed"] if before is not None else 0)
        for what in ("committed", "current", "last_voted", "locked"):
            if before is not None and record[what] < before[what]:
                raise Failure(f"{what} of {validator} fell from {before[what]} to {record[what]}")
        if record["vote"] is not None:
            self.note(validator, record["vote"], "its disk")
        for qc in record["qcs"]:
            for signer in qc["signers"]:
                self.note(signer, qc, f"a QC of {validator}")
        self.last[validator] = record
        return record

    def note_records(self, nodes):
        """Reads the disks of all nodes; none may be running."""
        records = {node.public_key: self.note_record(node) for node in nodes}
        for record in records.values():
            for qc in record["qcs"]:
                for signer in qc["signers"]:
                    self.known(records, signer, qc, "vote for")
            if record["high_tc"] is not None:
                for signer in record["high_tc"]["signers"]:
                    self.known(records, signer, record["high_tc"], "timeout of")
        return records

    @staticmethod
    def known(records, signer, certificate, what):
        position = [certificate["epoch"], certificate["view"]]
        if signer in records and records[signer]["last_voted"] < position:
            raise Failure(f"a {what} {position} by {signer} was sent, but its disk ends at "
                          f"{records[signer]['last_voted']}")

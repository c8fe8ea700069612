"""Clients that have documents signed all the time, and remember what they were handed."""

import random
import time

from attestations import signing_transaction, transaction_id
from load import Load

# What would break a record that is put together carelessly.
AWKWARD = [b'"', b"\n", b"\r\n", b"\0", b"\\", b'\n{"type":"ingot/attestation/1","id":"', b"]}\n",
           b"\xff\xfe", "\u2028".encode()]


def awkward_document():
    parts = random.choices(AWKWARD, k=random.randrange(1, 12))
    return random.randbytes(random.randrange(1, 200)) + b"".join(parts)


class Signers(Load):
    """Each submits a document, half of them attached, with broadcast_tx_attest, and waits for the
    attestation. What was not acknowledged is sometimes submitted again by the same client, as it
    was: it may have been committed, and then must not be signed twice.

    `acknowledged` is id -> (node, document, whether it was attached, attestation).
    """

    def __init__(self, nodes, clients_per_node=5):
        self.unanswered = {}  # by client: what it may submit again
        super().__init__(nodes, clients_per_node)

    def submit(self, node, client, number, sequence):
        again = self.unanswered.pop(number, None)
        document, attached, transaction = again or self.make()
        self.unanswered[number] = (document, attached, transaction)
        attestation, why = client.attest(transaction)
        if attestation is not None:
            del self.unanswered[number]
            with self.lock:
                self.acknowledged[transaction_id(transaction)] = (node, document, attached,
                                                                  attestation)
                self.times.append((time.monotonic(), int(attestation["height"])))
        elif again or random.random() < 0.5:
            del self.unanswered[number]
        return why

    @staticmethod
    def make():
        document, attached = awkward_document(), random.random() < 0.5
        return document, attached, signing_transaction(document, attached, random.randbytes(16))

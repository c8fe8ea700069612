"""`ingot sign` and `ingot verify` on real networks of the signing App.

Method: what a network signs is verified offline with its genesis file and nothing else: by digest
and whole, with a validator down, with the set of a later epoch, after everybody was killed. What a
node's own policy refuses, and what too many decline, has no attestation.
"""

import json
import os
import subprocess

from membership import change
from network import PROGRAM, Failure, Network, main, say


class Signer:
    """Runs the commands in a network's folder, with its genesis file."""

    def __init__(self, network):
        self.folder = network.folder
        self.genesis = os.path.join(network.nodes[0].home, "genesis.json")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def run(self, *arguments, wants=0, text="", stdin=b""):
        """What it printed, once it has ended with this status and said this."""
        done = subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, timeout=120)
        output = done.stdout.decode() + done.stderr.decode()
        if done.returncode != wants or text not in output:
            raise Failure(f"ingot {' '.join(arguments)}: expected status {wants} and '{text}', "
                          f"found {done.returncode}:\n{output}")
        return done.stdout.decode()

    def sign(self, node, document, *arguments, **wanted):
        """The attestation as JSON, once the file has been verified."""
        output = self.path("attestation")
        if os.path.exists(output):
            os.remove(output)
        self.run("sign", document, *arguments, "--node", node.url, "-o", output,
                 "--genesis", self.genesis, **wanted)
        if wanted.get("wants", 0) != 0:
            if os.path.exists(output):
                raise Failure(f"it failed and has written {output}")
            return None
        self.verify(document, output)
        with open(output) as file:
            lines = file.read().splitlines()
        if len(lines) != 1:
            raise Failure(f"the attestation has {len(lines)} lines")
        return json.loads(lines[0])

    def verify(self, document, attestation, *arguments, **wanted):
        wanted.setdefault("text", "verified: ")
        return self.run("verify", document, attestation, "--genesis", self.genesis, *arguments,
                        **wanted)


def expect(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: expected {wanted}, found {found}")


def signers(attestation):
    return {signer["key"] for signer in attestation["signers"]}


def keys(*nodes):
    return {node.public_key for node in nodes}


def attestation_of_all(signer, node, document):
    attestation = signer.sign(node, document)
    return attestation if len(signers(attestation)) == 4 else None


def documents_are_signed_by_digest_and_whole():
    with Network(app="signing") as network:
        network.start()
        signer = Signer(network)
        n0, n1, n2, n3 = network.nodes
        document = signer.write("document", os.urandom(300000))
        first = signer.sign(n0, document)
        expect("the epoch", first["epoch"], "0")
        if "payload" in first and first["payload"] is not None or "set_changes" in first:
            raise Failure(f"the attestation has more than was asked for: {first.keys()}")

        # The same again, from another node and from standard input, is the attestation from then.
        again = signer.sign(n3, document)
        expect("the id of the same again", again["id"], first["id"])
        expect("its height", again["height"], first["height"])
        with open(document, "rb") as file:
            printed = signer.run("sign", "-", "--wait", "--node", n1.url, stdin=file.read())
        expect("the id printed by --wait", json.loads(printed)["id"], first["id"])
        expect("the id of a submission that does not wait",
               signer.run("sign", document, "--node", n2.url).strip(), first["id"])
        anew = signer.sign(n2, document, "--again")
        expect("the digest of what is signed anew", anew["digest"], first["digest"])
        if anew["id"] == first["id"] or int(anew["height"]) <= int(first["height"]):
            raise Failure("--again has not signed it anew")

        # Whole, with bytes of all kinds, up to the largest.
        nasty = signer.write("nasty", b'{"id":"x"}\n\r\0\x7f\xff"\\' + bytes(range(256)))
        attached = signer.sign(n1, nasty, "--attach")
        expect("the size of the payload", attached["payload_bytes"], str(os.path.getsize(nasty)))
        largest = signer.write("largest", os.urandom(65536))
        signer.sign(n2, largest, "--attach")
        signer.run("sign", document, "--attach", "--node", n0.url, wants=2,
                   text="expected 1 to 65536 bytes for --attach, found 300000")

        # Submitted first, fetched later.
        later = signer.write("later", b"later\n")
        printed = signer.run("sign", later, "--node", n0.url).strip()
        expect("the id of what is fetched later", signer.sign(n1, later)["id"], printed)

        # Nothing else is verified with it.
        attestation = signer.path("attestation")
        signer.verify(document, attestation, wants=1, text="it is not what was signed")
        other = Network(validators=1, app="signing")
        with other:
            genesis = os.path.join(other.nodes[0].home, "genesis.json")
            signer.run("verify", later, attestation, "--genesis", genesis, wants=1, text="refused:")
            other.start()
            signer.sign(other.nodes[0], later, wants=1, text="whose genesis differs")
        if not os.path.getsize(os.path.join(n0.data, "attestations.jsonl")):
            raise Failure("the signatures file is empty")


def a_validator_that_is_down_is_not_needed_and_adds_its_signature_later():
    with Network(app="signing") as network:
        network.start()
        signer = Signer(network)
        n0, n1, n2, n3 = network.nodes
        n3.kill()
        document = signer.write("document", b"signed by three\n")
        expect("who signed", signers(signer.sign(n0, document)), keys(n0, n1, n2))

        # Without a quorum the document waits, and the command says so.
        n2.kill()
        alone = signer.write("alone", b"nobody signs this yet\n")
        signer.sign(n0, alone, "--timeout", "2", wants=1,
                    text="no attestation after 2 s: the node has it, and no block does yet")
        signer.run("sign", alone, "-o", alone, "--node", n0.url, wants=2,
                   text="expected another file than the document")
        n2.start()
        signer.sign(n1, alone)

        n3.start()
        network.ready(n2, n3)
        for name in (document, alone):
            network.until(f"everybody has signed {name}",
                          lambda name=name: attestation_of_all(signer, n1, name))


def what_a_nodes_policy_refuses_it_neither_takes_nor_signs():
    with Network(app="signing") as network:
        signer = Signer(network)
        n0, n1, n2, n3 = network.nodes
        for name in ("ours", "theirs"):
            signer.run("keygen", "--kind", "submitter", "--output", signer.path(name))
        with open(signer.path("ours")) as file:
            ours = file.read().split()[3]
        for node, lines in ((n0, f"submitters = {ours}"), (n1, f"submitters = {ours}"),
                            (n3, "payload_bytes_max = 4")):
            with open(os.path.join(node.home, "config.ini"), "a") as file:
                file.write(f"[signing]\n{lines}\n")
        network.start()

        # Whom two of four want to see cannot be left out, whoever takes the transaction.
        document = signer.write("document", b"four and more")
        signer.sign(n0, document, wants=1, text="takes transactions of certain submitters only")
        signer.sign(n0, document, "--submitter", signer.path("theirs"), wants=1,
                    text="does not take transactions of submitter ")
        signer.sign(n2, document, wants=1, text="declined by 2, so there is no attestation")
        signer.sign(n2, document, "--timeout", "20", wants=1,
                    text="declined by 2, so there is no attestation")
        signer.sign(n2, document, "--submitter", signer.path("theirs"), wants=1, text="declined")
        signed = signer.sign(n0, document, "--submitter", signer.path("ours"))
        network.until("all four have signed", lambda: signers(signer.sign(
            n2, document, "--submitter", signer.path("ours"))) == keys(n0, n1, n2, n3))
        expect("the digest", signed["digest"],
               signer.sign(n0, document, "--submitter", signer.path("ours"))["digest"])

        # One alone can be left out: it declines, and the others are a quorum.
        arguments = ["--attach", "--submitter", signer.path("ours")]
        signer.sign(n3, document, *arguments, wants=1,
                    text="takes payloads of at most 4 bytes, found 13")
        expect("who signed the payload", signers(signer.sign(n2, document, *arguments)),
               keys(n0, n1, n2))


def attestations_of_every_epoch_are_verified_with_genesis_alone():
    with Network(app="signing") as network:
        network.start()
        signer = Signer(network)
        n0, n1, n2, n3 = network.nodes
        old = signer.write("old", b"of the first set\n")
        kept = signer.path("old.attestation")
        signer.sign(n0, old)
        os.rename(signer.path("attestation"), kept)

        change(network, (n3, 0), (n0, 2))
        newcomer = network.add_observer()
        network.until(f"{newcomer} has caught up", lambda: newcomer.epoch() == 1)
        change(network, (newcomer, 1), (n2, 0))
        new = signer.write("new", b"of the third set\n")
        signed = signer.sign(newcomer, new)
        expect("the epoch", signed["epoch"], "2")
        expect("the changes that lead to it", len(signed["set_changes"]), 2)
        if not signers(signed) <= keys(n0, n1, newcomer):
            raise Failure("somebody signed who is not in the set")

        # Without the changes it is nothing, until they come from elsewhere.
        del signed["set_changes"]
        bare = signer.write("bare.attestation", json.dumps(signed).encode())
        signer.verify(new, bare, wants=1, text="refused:")
        proof = signer.path("proof")
        signer.run("validator", "proof", "-o", proof, "--node", n1.url, text="of epochs 0 to 2")
        signer.verify(new, bare, "--validator-sets", proof)

        # What the first set signed holds as it did, and is given by those who came later.
        signer.verify(old, kept)
        again = signer.sign(newcomer, old)
        expect("the epoch of what was signed before", again["epoch"], "0")
        with open(kept) as file:
            expect("its id", again["id"], json.load(file)["id"])


def everybody_is_killed_and_what_was_signed_stays():
    with Network(app="signing") as network:
        network.start()
        signer = Signer(network)
        documents = [signer.write(f"document{i}", f"number {i}\n".encode()) for i in range(8)]
        before = [signer.sign(network.nodes[i % 4], name) for i, name in enumerate(documents)]
        for node in network.nodes:
            node.kill()
        network.start()
        for i, (name, was) in enumerate(zip(documents, before)):
            # Another node may have another quorum of them, and all in the end.
            if not signers(was) <= signers(signer.sign(network.nodes[i % 4], name)):
                raise Failure(f"signatures under {name} were lost")
            now = network.until(f"all have signed {name}", lambda: attestation_of_all(
                signer, network.nodes[(i + 1) % 4], name))
            for member in ("id", "digest", "height", "time"):
                expect(f"the {member} of {name}", now[member], was[member])
        signer.sign(network.nodes[0], signer.write("next", b"and on it goes\n"))
        say(f"{len(documents)} attestations are there again")


def what_has_left_the_replay_window_is_still_signed_once():
    with Network(validators=1, app="signing",
                 settings="[consensus]\nempty_block_interval_ms = 10\n") as network:
        node = network.nodes[0]
        genesis = os.path.join(node.home, "genesis.json")
        with open(genesis) as file:
            content = json.load(file)
        content["parameters"]["replay_window_blocks"] = 1
        with open(genesis, "w") as file:
            json.dump(content, file)
        network.start()
        signer = Signer(network)
        document = signer.write("document", b"once and for all\n")
        first = signer.sign(node, document)
        network.until("it has left the window", lambda: node.height() > int(first["height"]) + 5)
        client = node.client()
        attestation, why = client.attest(b"\x0a\x20" + bytes.fromhex(first["digest"]))
        client.close()
        text = f"tx_result: code 5 signed already: at height {first['height']}"
        expect("what comes of the same transaction", (attestation, why), (None, text))
        expect("what is given", signer.sign(node, document), first)


def a_chain_of_another_app_signs_nothing():
    with Network(validators=1, app="kv") as network:
        network.start()
        signer = Signer(network)
        document = signer.write("document", b"=x\n")
        signer.run("sign", document, "--node", network.nodes[0].url, wants=1,
                   text="runs the App kv, which signs nothing; expected signing")


if __name__ == "__main__":
    main(documents_are_signed_by_digest_and_whole,
         a_validator_that_is_down_is_not_needed_and_adds_its_signature_later,
         what_a_nodes_policy_refuses_it_neither_takes_nor_signs,
         attestations_of_every_epoch_are_verified_with_genesis_alone,
         everybody_is_killed_and_what_was_signed_stays,
         what_has_left_the_replay_window_is_still_signed_once,
         a_chain_of_another_app_signs_nothing)

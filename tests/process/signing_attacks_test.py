"""What a bad member, or a full disk, does to attestations: nothing that lasts.

Method: three honest validators, which are just a quorum, sign for clients all the time. In place of
the fourth hostile_signer.c sends forged shares, and those of strangers, of other chains, epochs and
heights, garbage, and thousands of well-signed messages about blocks that do not exist. Each kind
must be counted under its reason, memory must not grow with it, and the honest validators must have
signed exactly what was committed. Everything that they recorded is verified by attestations.py.
"""

import http.client
import json
import os
import subprocess

from attestations import Records, Verifier, asked_for, check_acknowledged, settle
from network import BUILD_FOLDER, SANITIZED, Failure, Network, main, say
from signers import Signers

GROWTH_KIB_MAX = 24 * 1024
JUNK = 3000 if SANITIZED else 10000
SECONDS = 5
# What each kind of forgery is refused for, by all that see it.
REASONS = ["malformed", "unknown_epoch", "stranger", "signature", "repeated", "far_ahead", "quota",
           "mismatch", "statement", "too_often"]
FILL_BYTES = 1024 * 1024


def rejects(node):
    prefix = 'ingot_attest_rejects_total{reason="'
    return {name[len(prefix):-2]: int(value) for name, value in node.metrics().items()
            if name.startswith(prefix)}


def attack(home, seconds, junk):
    tool = os.path.join(BUILD_FOLDER, "hostile_signer")
    result = subprocess.run([tool, home, str(seconds), str(junk)], capture_output=True, text=True,
                            timeout=240)
    if result.returncode != 0:
        raise Failure(f"hostile_signer: {result.returncode}\n{result.stderr[-4000:]}")
    return json.loads(result.stdout)


def a_bad_member_forges_no_attestation_and_prevents_none():
    with Network(app="signing") as network:
        bad, *honest = network.nodes
        network.start(*honest)
        verifier = Verifier(network)
        with Signers(honest, clients_per_node=2) as load:
            network.until("the clients get attestations", lambda: load.count() >= 50)
            before = max(node.rss_anon_kib() for node in honest)
            done = attack(bad.home, SECONDS, JUNK)
            growth = max(node.rss_anon_kib() for node in honest) - before
            network.until("more are attested afterwards",
                          lambda n=load.count(): load.count() >= n + 50)
        if load.failures:
            raise Failure(f"clients saw {len(load.failures)} failures: {load.failures[:3]}")
        height = settle(network, honest)
        records = Records(honest, verifier)
        check_acknowledged(load.acknowledged, records.check(height), verifier)
        asked = asked_for(honest[0], 1, height)
        for node in honest:
            signed = node.metrics()["ingot_attest_signatures_total"]
            blocks = len({height for _, height in asked.values()})
            if signed != len(asked) + blocks:
                raise Failure(f"{node} made {signed:.0f} signatures, for {len(asked)} statements "
                              f"that were committed, and messages about {blocks} blocks")
            counted = rejects(node)
            missing = [reason for reason in REASONS if counted.get(reason, 0) == 0]
            if missing:
                raise Failure(f"{node} counted nothing as {missing}: {counted}; sent: {done}")
        if done["junk"] != JUNK or 0 in done["sent"].values():
            raise Failure(f"not all was sent: {done}")
        if growth > GROWTH_KIB_MAX and not SANITIZED:
            raise Failure(f"memory grew by {growth} KiB")
        # The bad one gets better: it has the same in the end, and what it signs then counts.
        bad.start()
        network.ready(bad)
        settle(network, network.nodes)
        Records(network.nodes, verifier).check(settle(network, network.nodes))
        say(f"{len(asked)} attestations, {done['junk']} junk messages and {done['sent']}; memory "
            f"grew by {growth} KiB; {honest[0]} refused {rejects(honest[0])}")


def fill(folder):
    """Takes all room that is left on a small file system; the file to remove for more."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as file:
        size = FILL_BYTES
        while size >= 1:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    return path


def a_full_disk_loses_and_doubles_no_record():
    with Network(app="signing") as network:
        full = network.nodes[0]
        os.mkdir(full.data, 0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs",
                                  full.data], capture_output=True)
        if mounted.returncode != 0:
            say("skipped: no small file system can be mounted here (it takes root)")
            return
        try:
            network.start()
            fill_up_and_recover(network, full)
        finally:
            full.kill()
            subprocess.run(["umount", "-l", full.data], check=False)


def fill_up_and_recover(network, full):
    verifier, nodes, others = Verifier(network), network.nodes, network.nodes[1:]
    with Signers(nodes, clients_per_node=2) as load:
        def gives_more(node):
            heard = sum(each is node for each, *_ in list(load.acknowledged.values()))
            network.until(f"{node} gives attestations", lambda: sum(
                each is node for each, *_ in list(load.acknowledged.values())) >= heard + 20, 120)

        gives_more(full)
        filler = fill(full.data)
        network.nodes = others  # it may end now, and that is no failure
        # Its store may have room of its own left, or not: it waits, or it stops.
        network.until(f"{full} runs into the limit", lambda: is_stuck(full), 120)
        for node in others:
            gives_more(node)
        ended = full.process.poll()
        if ended is not None:
            full.process = None
            if ended != 5:
                raise Failure(f"{full} ended with {ended}")
        os.remove(filler)
        network.nodes = nodes
        if ended is not None:
            full.start()
            network.ready(full)
        gives_more(full)
    stores = Records(nodes, verifier).check(settle(network, nodes))
    check_acknowledged(load.acknowledged, stores, verifier)
    say(f"{full} {'waited' if ended is None else 'stopped with 5'}; {len(stores[full])} attestations")


def is_stuck(node):
    if node.process.poll() is not None:
        return True
    try:
        return node.metrics()["ingot_attest_file_retries_total"] > 0
    except (OSError, http.client.HTTPException):
        return False


main(a_bad_member_forges_no_attestation_and_prevents_none, a_full_disk_loses_and_doubles_no_record)

#!/usr/bin/env python3
"""How many attestations a second four validators make, and how long one takes, beside the floor that
their signatures set.

usage: attest.py INGOT [SECONDS]

What the columns mean, and how they are measured, is in docs/performance.md.
"""

from ed25519 import Ed25519, rates
from runs import arguments, measure

STATEMENT_BYTES = 201
VALIDATORS = 4
QUORUM = 3
LOADS = [
    ("one client, one at a time", ["--clients", "1", "--outstanding", "1"]),
    ("open loop, 200 a second", ["--rate", "200"]),
    ("16 clients of 4", ["--clients", "16", "--outstanding", "4"]),
    ("16 clients of 16", ["--clients", "16", "--outstanding", "16"]),
    ("64 clients of 16", ["--clients", "64", "--outstanding", "16"]),
]


def signature_us():
    """Processor time of a signature under a statement, and of its verification."""
    statement = Ed25519(STATEMENT_BYTES)
    return tuple(1e6 / rates(operation)[1] for operation in (statement.sign, statement.verify))


def show(name, signatures, result):
    latency, machine = result["latency_ms"], result["machine"]
    sign_us, verify_us = signatures
    used = result["node_cpu_us_per_tx"] / VALIDATORS
    least, all_of_them = (sign_us + count * verify_us for count in (QUORUM - 1, VALIDATORS - 1))
    bound = 1e6 * machine["processors"] / (VALIDATORS * all_of_them)
    rate = result["committed_tx_per_s"]
    print(
        f"{name:26} {rate:7.0f} {latency['p50']:8.1f} {latency['p99']:8.1f}"
        f" {result['transactions_per_block']:9.1f} {used:8.0f} {least:6.0f} {all_of_them:6.0f}"
        f" {bound:7.0f} {rate / bound:6.2f}"
        f" {max(result['rss_anon_bytes']) / 2**20:5.0f} {sum(result['errors'].values()):7d}"
        f" {verify_us:9.1f} {sign_us:7.1f} {machine['synced_commits_per_s']:7.0f}"
        f"{'' if result['durable'] else '  NOT DURABLE'}",
        flush=True,
    )


def main():
    ingot, seconds = arguments(__doc__)
    print("4 validators, digests; latency in ms; cpu: us that one validator uses for each;")
    print("floor: what one signature and 2 or 3 verifications take; bound: attestations a second if")
    print("the processors did nothing else, with 3; at the right what the machine did just before")
    print(
        f"{'load':26} {'per s':>7} {'p50':>8} {'p99':>8} {'per block':>9}"
        f" {'cpu':>8} {'floor2':>6} {'floor3':>6} {'bound':>7} {'share':>6} {'MiB':>5} {'errors':>7}"
        f" {'verify us':>9} {'sign us':>7} {'sync/s':>7}"
    )
    for name, load in LOADS:
        show(name, signature_us(), measure(ingot, seconds, "signing", ["--attest", *load]))


main()

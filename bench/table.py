#!/usr/bin/env python3
"""Runs `ingot bench` over a small matrix of loads and prints one table.

usage: table.py INGOT [SECONDS]

What the columns mean, and how they are measured, is in docs/performance.md.
"""

from runs import arguments, measure

LOADS = [
    ("one client, one at a time", ["--clients", "1", "--outstanding", "1"]),
    ("open loop, 1,000 tx/s", ["--rate", "1000"]),
    ("16 clients of 16", ["--clients", "16", "--outstanding", "16"]),
    ("64 clients of 64", ["--clients", "64", "--outstanding", "64"]),
    ("64 clients of 256", ["--clients", "64", "--outstanding", "256"]),
]


def show(app, name, result):
    latency = result["latency_ms"]
    quantiles = " ".join(f"{latency[q]:8.1f}" for q in ("p50", "p90", "p99", "p999"))
    memory = max(result["rss_anon_bytes"]) / 2**20
    machine = result["machine"]
    errors = sum(result["errors"].values())
    print(
        f"{app:5} {name:26} {result['committed_tx_per_s']:8.0f} {quantiles}"
        f" {result['transactions_per_block']:8.1f} {result['node_cpu_us_per_tx']:7.1f}"
        f" {memory:6.0f} {errors:7d} {machine['ed25519_verifies_per_s']:9.0f}"
        f" {machine['synced_commits_per_s']:8.0f}"
        f"{'' if result['durable'] else '  NOT DURABLE'}",
        flush=True,
    )


def main():
    ingot, seconds = arguments(__doc__)
    print("4 validators, 128-byte transactions; latency in ms; cpu: us a transaction, all nodes")
    print("together; MiB: RssAnon of the largest; at the right what the machine did just before")
    print(
        f"{'app':5} {'load':26} {'tx/s':>8} {'p50':>8} {'p90':>8} {'p99':>8} {'p99.9':>8}"
        f" {'tx/block':>8} {'cpu':>7} {'MiB':>6} {'errors':>7} {'verify/s':>9} {'sync/s':>8}"
    )
    for app in ("null", "kv"):
        for name, load in LOADS:
            show(app, name, measure(ingot, seconds, app, load))


main()

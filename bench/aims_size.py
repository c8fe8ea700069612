"""Aims about more validators, and about one that has nothing yet."""

import sync
from aims_load import brief
from cluster import closed, measure, new_network
from network import Network
from table import Table

LOAD = closed(64, 64)
TX_BYTES = 128

COLUMNS = [
    ("n", 3, "d"), ("tx/s", 8, ",.0f"), ("p50 ms", 8, ".1f"), ("p99 ms", 8, ".1f"),
    ("cpu us/tx", 10, ".1f"), ("/n", 6, ".2f"), ("bytes/tx", 9, ",.0f"), ("/(n-1)", 8, ",.0f"),
    ("frames/view", 12, ".1f"), ("alone", 7, ".1f"), ("/(n-1)", 7, ".2f"), ("verif./view", 12, ".1f"),
    ("/n", 6, ".2f"),
]


def more_validators(bench):
    """The same load on networks of growing size, and one transaction at a time, which shows the
    messages of consensus nearly alone."""
    options = bench.options
    table, lines, runs = Table(COLUMNS), [], []
    for count in options.validators:
        with new_network("null", count, options.index) as network:
            network.start()
            alone = measure(network, closed(1, 1), TX_BYTES, options.seconds, warmup=options.warmup)
            run = measure(network, LOAD, TX_BYTES, options.seconds, warmup=options.warmup)
        options.say(f"{count} validators: {brief(run)}")
        use, few = run["usage"], alone["usage"]["peer_frames_per_view"]
        lines.append(table.row(
            count, run["committed_tx_per_s"], run["latency_ms"]["p50"], run["latency_ms"]["p99"],
            use["cpu_us_per_tx"], use["cpu_us_per_tx"] / count, use["peer_bytes_per_tx"],
            use["peer_bytes_per_tx"] / (count - 1), use["peer_frames_per_view"], few,
            few / (count - 1), use["verifications_per_view"], use["verifications_per_view"] / count))
        runs += [alone, run]
    notes = [table.head(), *lines,
             "cpu and bytes: of all validators together, for a transaction; frames: sent in a view by all "
             "of them, mempools' batches included, which each sends to all others; alone: with one "
             "transaction at a time, which leaves the messages of consensus: /(n-1) stays level where "
             "they are linear (what each tells all others once a second is in it). Each validator verifies "
             "a quorum of signatures a view"]
    text = "; ".join(f"n = {run['validators']}: {brief(run)}" for run in runs[1::2][-2:])
    return runs[-1]["committed_tx_per_s"], text, True, notes, runs


def empty_node(bench):
    """Its blocks a second beside what verifying their certificates alone would allow."""
    options = bench.options
    with Network() as network:
        sync.make_chain(network, options.sync_blocks)
        network.start()
        network.until("a block is committed",
                      lambda: network.nodes[0].height() > options.sync_blocks)
        bound, bound_us = sync.bound()
        took, threads, _, written, memory, _ = sync.one_sync(network, options.sync_blocks, 0, None)
        used = sum(threads.values())
    rate, block_us = options.sync_blocks / took, 1e6 * used / options.sync_blocks
    text = (f"{rate:,.0f} blocks/s = {rate / bound:.2f} of the bound; in processor time "
            f"{block_us:.0f} us a block, {bound_us / block_us:.2f} of the bound")
    notes = [f"{options.sync_blocks:,} blocks of {sync.TRANSACTIONS} bytes; bound {bound:,.0f} blocks/s "
             f"= {bound_us:.0f} us; {memory / 1024:.0f} MiB; {written / options.sync_blocks:,.0f} bytes "
             "written for a block; all on one disk"]
    return rate, text, rate >= 0.9 * bound, notes, {
        "blocks_per_s": rate, "bound_blocks_per_s": bound, "cpu_us_per_block": block_us,
        "bound_us_per_block": bound_us, "rss_anon_bytes": 1024 * memory,
        "written_bytes_per_block": written / options.sync_blocks}

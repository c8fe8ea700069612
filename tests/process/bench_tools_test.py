#!/usr/bin/env python3
"""What is around `ingot bench`: the matrix, its table and its plot, and how aims are judged.

Goal: a figure in the docs is what the runs gave. Method: the tools' parts get results that were made
up, and the matrix runs once in its smallest form on a real network. Nothing here judges a speed.
"""

import base64
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench")
sys.path.insert(1, BENCH)

import aims_faults  # noqa: E402
import aims_load  # noqa: E402
import micro_instructions  # noqa: E402
import plot  # noqa: E402
from cluster import usage  # noqa: E402
from network import Failure, Node, main, protobuf_fields, varint  # noqa: E402
from table import Table  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"processors": 2, "ed25519_verifies_per_s": 20000, "fdatasync_ms": {"p50": 0.3, "p99": 1.5}}


def expect(condition, what):
    if not condition:
        raise Failure(what)


def run_of(app, size, validators, load, throughput, p50, p99):
    return {"app": app, "tx_bytes": size, "validators": validators, "load": load,
            "committed_tx_per_s": throughput, "latency_ms": {"p50": p50, "p99": p99}, "index_tx": True}


def canned():
    """Two configurations; the second has an open loop too, not in the order of its rates."""
    closed = {"loop": "closed", "clients": 1, "outstanding": 1}
    runs = [run_of("null", 32, 4, closed, 100, 4.0, 8.0), run_of("null", 32, 4, closed, 90000, 30.0, 70.0),
            run_of("kv", 128, 7, closed, 80, 5.0, 9.0), run_of("kv", 128, 7, closed, 40000, 60.0, 300.0)]
    runs += [run_of("kv", 128, 7, {"loop": "open", "rate": rate}, rate, p50, 3 * p50)
             for rate, p50 in ((36000, 40.0), (1000, 6.0), (20000, 12.0))]
    return {"version": "v1 <&>", "machine": MACHINE, "runs": runs}


def a_plot_has_a_line_for_each_configuration_loop_and_quantile():
    root = xml.etree.ElementTree.fromstring(plot.picture(canned()))
    lines = root.findall(f"{SVG}polyline")
    expect(len(lines) == 6, f"{len(lines)} lines, expected three of each of two quantiles")
    for line in lines:
        points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        expect(points == sorted(points), f"more throughput is not to the right: {points}")
        heights = [y for _, y in points]
        expect(heights == sorted(heights, reverse=True), f"more latency is not higher: {heights}")
        for x, y in points:
            expect(70 <= x <= 970 and 64 <= y <= 394, f"a point is outside of the axes: {x}, {y}")
    texts = " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    for word in ("latency, ms", "committed transactions a second", "null, 32 bytes, 4 validators",
                 "kv, 128 bytes, 7 validators", "fdatasync 0.30 ms", "v1 <&>"):
        expect(word in texts, f"the picture does not say {word!r}: {texts}")
    expect("prefers-color-scheme: dark" in root.find(f"{SVG}style").text, "no colours for dark ground")


def equal_distances_on_the_latency_axis_are_equal_factors():
    panel = plot.Panel(70, "p50", "", [0, 1000], [1, 10, 100])
    expect(abs((panel.y(1) - panel.y(10)) - (panel.y(10) - panel.y(100))) < 1e-6, "it is not logarithmic")
    expect(plot.latency_ticks(3.9, 120) == [2, 5, 10, 20, 50, 100, 200], plot.latency_ticks(3.9, 120))
    expect(plot.throughput_ticks(230000) == [0, 50000, 100000, 150000, 200000, 250000],
           plot.throughput_ticks(230000))


def a_table_keeps_figures_below_their_titles():
    table = Table([("what", -8, ""), ("tx/s", 9, ",.0f"), ("ms", 6, ".1f")])
    expect(table.head() == "what          tx/s     ms", repr(table.head()))
    expect(table.row("null", 123456.7, None) == "null       123,457      -",
           repr(table.row("null", 123456.7, None)))


def what_a_network_uses_is_divided_by_its_transactions_and_views():
    node = {"committed": 1000, "blocks": 10, "views": 20, "timeouts": 1, "signatures": 20,
            "verifications": 60, "syncs": 21, "sync_s": 0.042, "peer_bytes": 500_000, "peer_frames": 120,
            "cpu_s": 0.01}
    late = dict(node, committed=990, views=19)
    used = usage([node, copy.copy(node), copy.copy(node), late])
    expected = {"committed": 1000, "views": 20, "cpu_us_per_tx": 40, "peer_bytes_per_tx": 2000,
                "verifications_per_view": 12, "peer_frames_per_view": 24, "sync_ms_mean": 2,
                "syncs_per_view_and_node": round(84 / 79, 3), "view_timeouts": 4}
    for name, value in expected.items():
        expect(used[name] == value, f"{name}: {used[name]}, expected {value}")
    idle = usage([dict.fromkeys(node, 0)] * 4)
    expect(idle["cpu_us_per_tx"] is None, "a figure for each of no transactions")


def a_gap_counts_until_it_ends_and_throughput_from_its_first_full_second():
    # 1,000 a second, then nothing from 10.0 to 10.7, then 500 a second until 12, then 1,000 again.
    points, committed = [], 0.0
    for step in range(2001):
        at = step / 100
        points.append((at, int(committed)))
        committed += 0 if 10 <= at < 10.7 else 5 if 10.7 <= at < 12 else 10
    gap = aims_faults.longest_silence(points, 9.995, 20)
    expect(0.69 <= gap <= 0.73, f"a gap of {gap} s, expected 0.7")
    expect(abs(aims_faults.mean_rate(points, 6, 10) - 1000) < 5, "the rate before is 1,000")
    back = aims_faults.time_until(points, 10, 20, 900)
    expect(1.7 <= back <= 2.1, f"back after {back} s, expected 1.8 to 2")
    expect(aims_faults.time_until(points, 10, 20, 2000) is None, "back at a rate that never came")
    stands = [(0.0, 5), (1.0, 10), (2.0, 10), (3.0, 10)]
    expect(aims_faults.longest_silence(stands, 0.5, 3.0) >= 1.9, "a silence without an end is none")


def memory_that_grows_to_the_end_is_not_flat():
    def result(sizes):
        return {"errors": {"mempool_full": 7, "lost": 0}, "offered_tx_per_s": 10.0,
                "generator_processors": 0.5,
                "rss_anon_over_time": [(i, size * 2**20) for i, size in enumerate(sizes)]}

    text, is_flat = aims_faults.overload_note(2, result([10, 40, 80, 81, 80, 82]))
    expect(is_flat and "mempool_full 7" in text and "lost" not in text, text)
    text, is_flat = aims_faults.overload_note(4, result([10, 40, 60, 80, 100, 120]))
    expect(not is_flat, f"it grows, and counts as flat: {text}")


def a_search_finds_the_most_that_stays_below_the_limit():
    """A machine that commits 200,000 a second, whose p99 is twice what waiting alone makes it."""

    class Options:
        probe_seconds, seconds, warmup, say = 1, 2, 0, staticmethod(lambda text: None)

    def fake(_, load, size, seconds, **__):
        if load["loop"] == "open":
            share = load["rate"] / 200_000
            return {"load": load, "committed_tx_per_s": min(load["rate"], 200_000.0),
                    "latency_ms": {"p50": 10, "p99": 20 if share < 0.9 else 500}}
        total = load["clients"] * load["outstanding"]
        rate = min(200_000.0, total / 0.005)
        return {"load": load, "committed_tx_per_s": rate,
                "latency_ms": {"p50": 1e3 * total / rate, "p99": 2e3 * total / rate}}

    real, aims_load.measure = aims_load.measure, fake
    try:
        search = aims_load.Search(Options, None, 32, None)
        best = search.confirm(search.refine(search.climb()))
        total = best["load"]["clients"] * best["load"]["outstanding"]
        expect(8192 <= total < 10_000, f"{total} outstanding, where 10,000 take 100 ms")
        expect(max(r["load"]["clients"] * r["load"]["outstanding"] for r in search.runs) <= 32768,
               "it goes on long after throughput has stopped to rise")
        opened = search.best_open(200_000)
        expect(opened["load"]["rate"] == 170_000, f"open loop at {opened['load']['rate']}")
    finally:
        aims_load.measure = real


class FakeKv:
    """A node whose kv App has this state and answers two keys at a time."""

    state_pages = Node.state_pages

    def __init__(self, state):
        self.state = state

    def client(self):
        return self

    def close(self):
        pass

    def call(self, _, path, data):
        asked = dict(protobuf_fields(bytes.fromhex(data[2:])))
        keys = sorted(key for key in self.state if key >= asked.get(1, b""))
        page = b"".join(field(field(key, 1) + field(self.state[key], 2), 1) for key in keys[:2])
        page += b"\x10\x01" if len(keys) > 2 else b""
        expect(path == '"/range"', path)
        return {"response": {"code": 0, "height": "9", "value": base64.b64encode(page).decode()}}


def field(data, number):
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def a_digest_of_a_state_covers_all_its_pages():
    state = {b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4", b"e": b"5"}
    digest, keys = aims_load.state_digest(FakeKv(state))
    expect(keys == 5, f"{keys} keys, expected five on three pages")
    expect(aims_load.state_digest(FakeKv(dict(state))) == (digest, 5), "equal states, another digest")
    for key in state:
        other = {**state, key: b""}
        expect(aims_load.state_digest(FakeKv(other))[0] != digest, f"{key} does not count")
    expect(aims_load.state_digest(FakeKv({}))[1] == 0, "keys in an empty state")


def callgrinds_count_is_read_from_its_last_words():
    said = "==12== Events    : Ir\n==12== Collected : 123456\n==12==\n"
    expect(micro_instructions.collected(said) == 123456, "another number")
    try:
        micro_instructions.collected("==12== Collected : 0\n")
    except SystemExit:
        return
    raise Failure("nothing was counted, and nobody says so")


def tool(name, *arguments):
    return subprocess.run([sys.executable, os.path.join(BENCH, name), *arguments], capture_output=True,
                          text=True, check=False)


def options_that_make_no_sense_are_refused_with_what_was_expected():
    for name in ("matrix.py", "aims.py", "micro_instructions.py"):
        asked = tool(name, "--help")
        expect(asked.returncode == 0 and "--json" in asked.stdout, f"{name} --help: {asked}")
    for name, arguments, word in (("matrix.py", ["--closed", "64y64"], "expected CLIENTSxOUTSTANDING"),
                                  ("matrix.py", ["--sizes", "big"], "expected numbers"),
                                  ("aims.py", ["--only", "smal"], "expected some of small,")):
        asked = tool(name, *arguments)
        expect(asked.returncode == 2 and word in asked.stderr, f"{name} {arguments}: {asked}")


def the_smallest_matrix_gives_a_table_results_and_a_plot():
    with tempfile.TemporaryDirectory(prefix="ingot-bench-tools-") as folder:
        results, picture = os.path.join(folder, "results"), os.path.join(folder, "picture")
        done = tool("matrix.py", "--apps", "null", "--sizes", "32", "--validators", "4", "--closed", "1x4",
                    "--open", "", "--rates", "", "--seconds", "1", "--warmup", "1", "--no-index",
                    "--json", results, "--svg", picture)
        expect(done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        expect(re.search(r"^null +4 +32 1 x 4 ", done.stdout, re.MULTILINE), done.stdout)
        with open(results) as file:
            run, = json.load(file)["runs"]
        expect(run["durable"] and not run["index_tx"] and run["committed_tx_per_s"] > 0, f"{run}")
        expect(len(run["rss_anon_bytes"]) == 4 and min(run["rss_anon_bytes"]) > 0, f"{run}")
        for name in ("cpu_us_per_tx", "peer_bytes_per_tx", "verifications_per_view",
                     "syncs_per_view_and_node", "sync_ms_mean"):
            expect(run["usage"][name] > 0, f"{name}: {run['usage']}")
        xml.etree.ElementTree.parse(picture)


main(
    a_plot_has_a_line_for_each_configuration_loop_and_quantile,
    equal_distances_on_the_latency_axis_are_equal_factors,
    a_table_keeps_figures_below_their_titles,
    what_a_network_uses_is_divided_by_its_transactions_and_views,
    a_gap_counts_until_it_ends_and_throughput_from_its_first_full_second,
    memory_that_grows_to_the_end_is_not_flat,
    a_search_finds_the_most_that_stays_below_the_limit,
    a_digest_of_a_state_covers_all_its_pages,
    callgrinds_count_is_read_from_its_last_words,
    options_that_make_no_sense_are_refused_with_what_was_expected,
    the_smallest_matrix_gives_a_table_results_and_a_plot,
)

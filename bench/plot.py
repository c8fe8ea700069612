#!/usr/bin/env python3
"""Latency against throughput as an SVG picture: p50 at the left, p99 at the right, one line for each
configuration; readable on light and on dark ground.

usage: plot.py RESULTS.json PICTURE.svg       (RESULTS.json: ./dev bench --json)
"""

import json
import math
import sys
from xml.sax.saxutils import escape

WIDTH, PANEL_TOP, PANEL_HEIGHT = 1000, 64, 330
PANELS = [("p50", "median (p50)", 70), ("p99", "99th percentile (p99)", 555)]
PANEL_WIDTH = 415
LEGEND_COLUMNS, LEGEND_ROW = 3, 22

# Told apart by colour (App and number of validators) and by marker (size), also by those who see
# few colours: on light ground, on dark ground.
COLOURS = [("#0072b2", "#56b4e9"), ("#c2410c", "#fb923c"), ("#047857", "#34d399"),
           ("#9d3f80", "#e9a3d0"), ("#6b5b00", "#e3c94b"), ("#4b5563", "#b6bec9")]
MARKERS = ["circle", "square", "triangle", "diamond", "cross"]

STYLE_HEAD = """\
text { font-family: system-ui, sans-serif; font-size: 13px; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; } .small { font-size: 12px; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.ground { fill: #ffffff; } .grid { stroke: #d8dee4; } .axis { stroke: #59636e; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .open { stroke-dasharray: 5 4; }
.mark { stroke-width: 1.5; }
"""
STYLE_DARK = """\
text { fill: #e6edf3; } .ground { fill: #0d1117; } .grid { stroke: #30363d; }
.axis { stroke: #9198a1; }
"""


def style():
    light, dark = STYLE_HEAD, STYLE_DARK
    for number, colours in enumerate(COLOURS):
        for text, colour, ground in zip(("light", "dark"), colours, ("#ffffff", "#0d1117")):
            rules = (f".c{number} {{ stroke: {colour}; }} .mark.c{number} {{ fill: {colour}; }} "
                     f".mark.hollow.c{number} {{ fill: {ground}; }}\n")
            if text == "light":
                light += rules
            else:
                dark += rules
    return f"<style>\n{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n</style>"


def series(runs):
    """{(App, validators, bytes): {"closed" | "open": [run ...]}} in the order in which they ran; open
    loops by their rate."""
    found = {}
    for run in runs:
        key = (run["app"], run["validators"], run["tx_bytes"])
        found.setdefault(key, {}).setdefault(run["load"]["loop"], []).append(run)
    for loops in found.values():
        loops.get("open", []).sort(key=lambda run: run["load"]["rate"])
    return found


def nice_step(span, count):
    """1, 2 or 5 times a power of ten: about `count` of them make up the span."""
    raw = span / count
    power = 10 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)


def throughput_ticks(highest):
    step = nice_step(max(highest, 1), 5)
    return [step * i for i in range(math.ceil(max(highest, 1) / step * 0.999) + 1)]


def latency_ticks(lowest, highest):
    """1, 2, 5 and their tenfolds, from below the lowest to above the highest."""
    ticks = [digit * 10.0 ** power for power in range(-3, 7) for digit in (1, 2, 5)]
    first = max((i for i, tick in enumerate(ticks) if tick <= lowest), default=0)
    last = next((i for i, tick in enumerate(ticks) if tick >= highest), len(ticks) - 1)
    return ticks[first : max(last, first + 1) + 1]


def short(value):
    """50000 -> 50k, 0.5 -> 0.5."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def marker(shape, colour, hollow, x, y, title=""):
    kind = f'class="mark c{colour}{" hollow" if hollow else ""}"'
    inside = f"<title>{escape(title)}</title>" if title else ""
    if shape == "circle":
        return f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="4.5">{inside}</circle>'
    corners = {
        "square": [(-4, -4), (4, -4), (4, 4), (-4, 4)],
        "triangle": [(0, -5.5), (5, 4), (-5, 4)],
        "diamond": [(0, -6), (5, 0), (0, 6), (-5, 0)],
        "cross": [(-5, -2), (-2, -2), (-2, -5), (2, -5), (2, -2), (5, -2), (5, 2), (2, 2), (2, 5),
                  (-2, 5), (-2, 2), (-5, 2)],
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon {kind} points="{points}">{inside}</polygon>'


class Panel:
    """One pair of axes: throughput to the right, latency upwards on a logarithmic scale."""

    def __init__(self, left, quantile, title, x_ticks, y_ticks):
        self.left, self.quantile, self.title = left, quantile, title
        self.x_ticks, self.y_ticks = x_ticks, y_ticks
        self.bottom = PANEL_TOP + PANEL_HEIGHT

    def x(self, throughput):
        return self.left + PANEL_WIDTH * throughput / self.x_ticks[-1]

    def y(self, latency_ms):
        low, high = math.log(self.y_ticks[0]), math.log(self.y_ticks[-1])
        return self.bottom - PANEL_HEIGHT * (math.log(max(latency_ms, self.y_ticks[0])) - low) / (high - low)

    def axes(self):
        middle = self.left + PANEL_WIDTH / 2
        yield f'<text class="middle" x="{middle}" y="{PANEL_TOP - 12}">{self.title}</text>'
        for tick in self.y_ticks:
            y = self.y(tick)
            yield (f'<line class="grid" x1="{self.left}" x2="{self.left + PANEL_WIDTH}" '
                   f'y1="{y:.1f}" y2="{y:.1f}"/>')
            yield f'<text class="small end" x="{self.left - 7}" y="{y + 4:.1f}">{tick:g}</text>'
        for tick in self.x_ticks:
            x = self.x(tick)
            yield (f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{PANEL_TOP}" '
                   f'y2="{self.bottom}"/>')
            yield (f'<text class="small middle" x="{x:.1f}" y="{self.bottom + 18}">'
                   f'{short(tick)}</text>')
        yield (f'<path class="axis" d="M{self.left} {PANEL_TOP}V{self.bottom}'
               f'H{self.left + PANEL_WIDTH}"/>')
        yield (f'<text class="middle" x="{middle}" y="{self.bottom + 40}">'
               f'committed transactions a second</text>')
        yield (f'<text class="middle" transform="translate({self.left - 48} '
               f'{PANEL_TOP + PANEL_HEIGHT / 2}) rotate(-90)">latency, ms (logarithmic)</text>')

    def curve(self, runs, loop, colour, shape):
        places = [(self.x(run["committed_tx_per_s"]), self.y(run["latency_ms"][self.quantile]), run)
                  for run in runs]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        yield f'<polyline class="line c{colour} {loop}" points="{path}"/>'
        for x, y, run in places:
            title = (f"{run['app']}, {run['validators']} validators, {run['tx_bytes']} bytes, {loop} loop: "
                     f"{run['committed_tx_per_s']:,.0f} tx/s, {self.quantile} "
                     f"{run['latency_ms'][self.quantile]:.1f} ms")
            yield marker(shape, colour, loop == "open", x, y, title)


def legend(entries, top):
    for number, (text, colour, shape) in enumerate(entries):
        x = 70 + number % LEGEND_COLUMNS * 305
        y = top + number // LEGEND_COLUMNS * LEGEND_ROW
        yield f'<line class="line c{colour}" x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}"/>'
        yield marker(shape, colour, False, x + 15, y)
        yield f'<text x="{x + 38}" y="{y + 4.5}">{escape(text)}</text>'


def note_lines(document):
    """What has to be known of the figures, in small letters below."""
    runs, machine = document["runs"], document["machine"]
    sync = machine["fdatasync_ms"]
    index = "on" if all(run["index_tx"] for run in runs) else "off"
    return [
        "Filled, whole lines: closed loop, more and more transactions outstanding. Hollow, broken lines: "
        "open loop, from the time each was due.",
        f"Every vote durable; validators and load generator on one machine: {machine['processors']} "
        f"processors, on each {machine['ed25519_verifies_per_s']:,} ed25519 verifications/s;",
        f"fdatasync {sync['p50']:.2f} ms (p50), {sync['p99']:.2f} ms (p99). "
        f"Index of transactions by hash {index}. Version {document['version']}.",
    ]


def picture(document):
    """The SVG text of what `./dev bench --json` wrote."""
    runs = document["runs"]
    if not runs:
        raise ValueError("there are no runs to plot")
    found = series(runs)
    groups = list(dict.fromkeys((app, validators) for app, validators, _ in found))
    sizes = sorted({size for _, _, size in found})
    latencies = [run["latency_ms"][quantile] for run in runs for quantile, _, _ in PANELS]
    x_ticks = throughput_ticks(max(run["committed_tx_per_s"] for run in runs))
    y_ticks = latency_ticks(max(min(latencies), 1e-3), max(latencies))
    panels = [Panel(left, quantile, title, x_ticks, y_ticks) for quantile, title, left in PANELS]
    entries, parts = [], []
    for panel in panels:
        parts += panel.axes()
    for (app, validators, size), loops in found.items():
        colour = groups.index((app, validators)) % len(COLOURS)
        shape = MARKERS[sizes.index(size) % len(MARKERS)]
        entries.append((f"{app}, {size} bytes, {validators} validators", colour, shape))
        for loop, members in loops.items():
            for panel in panels:
                parts += panel.curve(members, loop, colour, shape)
    top = PANEL_TOP + PANEL_HEIGHT + 70
    parts += legend(entries, top)
    bottom = top + math.ceil(len(entries) / LEGEND_COLUMNS) * LEGEND_ROW + 8
    notes = note_lines(document)
    for number, line in enumerate(notes):
        parts.append(f'<text class="small" x="70" y="{bottom + 18 * number}">{escape(line)}</text>')
    height = bottom + 18 * len(notes) + 4
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Ingot: latency against throughput</title>", style(),
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="70" y="30">Latency against throughput</text>', *parts, "</svg>", ""])


def write_plot(document, path):
    with open(path, "w") as file:
        file.write(picture(document))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as results:
        write_plot(json.load(results), sys.argv[2])

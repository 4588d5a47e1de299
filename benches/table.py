#!/usr/bin/env python3
"""Prints the tables of README.md from the figures of the sets matcher, matcher-load, matcher-growth.

    benches/run.sh matcher matcher-load matcher-growth > FILE && benches/table.py FILE
"""

import json
import sys

FIGURES = {}
for line in open(sys.argv[1], encoding="utf-8"):
    read = json.loads(line)
    if "figure" in read:
        FIGURES[read["bench"], read["figure"]] = read


def ours(bench, figure):
    return FIGURES[bench, figure]["value"]


def peer(bench, figure):
    other = FIGURES[bench, figure]["peer"]
    return other and other["value"]


def row(label, bench, figure, scale=1):
    cells = [label]
    for rules in ("linux", "all"):
        one, other = (of(bench, f"{rules} rules, {figure}") for of in (ours, peer))
        cells += [short(one / scale), short(other / scale) if other else "", f"{other / one:.1f}×" if other else ""]
    print("| " + " | ".join(cells) + " |")


def short(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


print("| | Linux rules: ours | peer | ratio | all rules: ours | peer | ratio |")
print("|---|---|---|---|---|---|---|")
for label, figure in (
    ("decoded event to verdict, µs", "decoded event to verdict"),
    ("JSON text to verdict, µs", "JSON text to verdict"),
    ("decoded process_creation, µs", "decoded process_creation to verdict"),
    ("decoded auditd, µs", "decoded auditd to verdict"),
    ("decoded syslog, µs", "decoded syslog to verdict"),
):
    row(label, "matcher", figure, 1000)
row("rule texts to rule set, ms", "matcher-load", "texts to rule set")
row("image to rule set, ms", "matcher-load", "image to rule set")
row("memory kept, from texts, MB", "matcher-load", "memory kept, from texts")
row("memory kept, from an image, MB", "matcher-load", "memory kept, from an image")
print()
print("| rules, decoded event to verdict | 100 | 316 | 1,000 | 3,141 | growth |")
print("|---|---|---|---|---|---|")
for label, of in (("ours, µs", ours), ("peer, µs", peer)):
    times = [short(of("matcher-growth", f"{n} rules, decoded event to verdict") / 1000) for n in (100, 316, 1000, 3141)]
    growth = of("matcher-growth", "growth from 100 to 3141 rules")
    print("| " + " | ".join([label, *times, f"{growth:.1f}×"]) + " |")

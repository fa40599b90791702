#!/usr/bin/env python3
"""Holds what `ipc bench --json` printed against what is demanded of it, a line for each demand and figure.

    .build/release/ipc bench --json --peers | Benchmarks/check-bench.py

Exits with code 1 when a demand was missed, 2 when there is nothing to check. With --missed it prints only those.
"""

import json
import sys

KERNEL = {
    "pipe", "named-pipe", "socket-pair", "unix-socket", "posix-message-queue", "system-v-message-queue", "file",
}
PEERS = {"zeromq", "nng", "boost-message-queue", "python-pipe"}


def what(line):
    size = {64: "64 B", 8: "8 B", 1 << 12: "4 KiB", 1 << 16: "64 KiB", 1 << 20: "1 MiB"}[line["bytes"]]
    return f'{line["mechanism"]}, {line["measure"]} of {size}, {line["pinning"]}'


def checks(lines):
    """Yields, for each demand that applies: what, the figure, whether it is to be at most or at least, the limit."""
    by_key = {(line["mechanism"], line["measure"], line["bytes"], line["pinning"]): line for line in lines}

    def value(name, line):
        found = by_key.get((name, line["measure"], line["bytes"], line["pinning"]))
        return found and found["value"]

    for line in lines:
        name, measure, size = line["mechanism"], line["measure"], line["bytes"]
        is_round_trip = measure == "round-trip"
        if name in KERNEL and line["ratio"] is not None:
            if is_round_trip and size == 8:
                yield f"{what(line)} / C", line["ratio"], "at most", 1.1
            elif not is_round_trip and size >= 4096:
                yield f"{what(line)} / C", line["ratio"], "at least", 0.9
        if name != "ring":
            continue
        pipe = value("pipe", line)
        if pipe and is_round_trip and size == 8 and line["pinning"] == "same":
            yield f"{what(line)} / pipe's", line["value"] / pipe, "at most", 1.3
        if pipe and not is_round_trip and line["pinning"] == "different" and size != 4096:
            yield f"{what(line)} / pipe's", line["value"] / pipe, "at least", 20 if size == 64 else 4
        for peer in sorted(PEERS):
            other = value(peer, line)
            if other:
                yield f"{what(line)} / {peer}'s", line["value"] / other, "at most" if is_round_trip else "at least", 1


def main():
    arguments = sys.argv[1:]
    only_missed = "--missed" in arguments
    lines = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    missed = count = 0
    for name, figure, kind, limit in checks(lines):
        count += 1
        is_met = figure <= limit if kind == "at most" else figure >= limit
        missed += not is_met
        if not (only_missed and is_met):
            print(f'{name:<70} {figure:8.2f}   {kind} {limit:<5} {"ok" if is_met else "MISSED"}')
    if count == 0:
        print("check-bench.py: there is no measurement here of which anything is demanded", file=sys.stderr)
        return 2
    absent = PEERS - {line["mechanism"] for line in lines}
    if absent:
        print(f'not measured: {", ".join(sorted(absent))}')
    print(f"{count - missed} of {count} demands were met")
    return 1 if missed else 0


sys.exit(main())

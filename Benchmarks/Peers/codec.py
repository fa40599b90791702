#!/usr/bin/env python3
"""A thousand structs by cbor2: a line with the seconds of each encoding, and one with those of each decoding.

The argument says how many rounds. Only the compiled codec counts: what is slow in Python would flatter the other side.
"""

import sys
import time
import types

import cbor2

if not isinstance(cbor2.dumps, types.BuiltinFunctionType) or not isinstance(cbor2.loads, types.BuiltinFunctionType):
    raise SystemExit("codec.py: this cbor2 has no compiled codec")

ROUNDS = int(sys.argv[1])
POINTS = [
    {"id": i, "name": f"point {i}", "x": i / 3, "y": -float(i), "isVisible": i % 2 == 0} for i in range(1000)
]


def times(body):
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        body()
        taken.append(time.perf_counter() - start)
    return " ".join(map(str, taken))


ENCODED = cbor2.dumps(POINTS)
assert cbor2.loads(ENCODED) == POINTS
print(times(lambda: cbor2.dumps(POINTS)))
print(times(lambda: cbor2.loads(ENCODED)))

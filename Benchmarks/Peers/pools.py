#!/usr/bin/env python3
"""Calls of nothing in Python's own pools of two processes, and a large argument: a line for each, a tab, the figure."""

import array
import concurrent.futures
import multiprocessing
import time

CALLS = 20_000
MAPPED = 1_000_000


def nothing(value):
    return value


def first(numbers):
    return numbers[0]


def seconds(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def main():
    # The first one: it deadlocks where a pool of the other kind has left threads behind when it forks.
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        pool.submit(nothing, 1).result()
        taken = seconds(lambda: [f.result() for f in [pool.submit(nothing, 1) for _ in range(CALLS // 4)]])
        print(f"ProcessPoolExecutor, calls a second\t{CALLS / 4 / taken}", flush=True)
    with multiprocessing.Pool(2) as pool:
        pool.apply(nothing, (1,))
        taken = seconds(lambda: [result.get() for result in [pool.apply_async(nothing, (1,)) for _ in range(CALLS)]])
        print(f"mp.Pool, calls a second\t{CALLS / taken}", flush=True)
        taken = seconds(lambda: pool.map(nothing, range(MAPPED), chunksize=256))
        print(f"mp.Pool.map, chunks of 256\t{MAPPED / taken}", flush=True)
        times = [seconds(lambda: pool.apply(nothing, (1,))) for _ in range(2000)]
        print(f"mp.Pool, round trip, us\t{sorted(times)[1000] * 1e6}", flush=True)
        numbers = array.array("d", [1.0]) * (128 << 17)
        times = [seconds(lambda: pool.apply(first, (numbers,))) for _ in range(3)]
        print(f"mp.Pool, 128 MB argument, ms\t{min(times) * 1e3}", flush=True)


if __name__ == "__main__":
    main()

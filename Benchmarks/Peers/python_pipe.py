"""multiprocessing.Pipe, with send_bytes and recv_bytes: run and answering as peer.h says."""

import math
import multiprocessing
import os
import struct
import sys
import time

LEVELS = [1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
MOST = 1 << 18


def pin(pinning, is_first):
    cpus = sorted(os.sched_getaffinity(0))
    if pinning != "free":
        os.sched_setaffinity(0, {cpus[0 if is_first or pinning == "same" else min(1, len(cpus) - 1)]})


def follow(connection, round_trips, pinning, size):
    pin(pinning, False)
    message = bytes(size)
    while True:
        (count,) = struct.unpack("q", connection.recv_bytes())
        if count == 0:
            return
        connection.send_bytes(struct.pack("q", time.process_time_ns()))
        for _ in range(count):
            connection.recv_bytes()
            if round_trips:
                connection.send_bytes(message)
        connection.send_bytes(struct.pack("qq", time.monotonic_ns(), time.process_time_ns()))


def lead(connection, round_trips, size, count):
    message, samples = bytes(size), []
    connection.send_bytes(struct.pack("q", count))
    (other,) = struct.unpack("q", connection.recv_bytes())
    own = time.process_time_ns()
    start = last = time.monotonic_ns()
    for _ in range(count):
        connection.send_bytes(message)
        if round_trips:
            connection.recv_bytes()
            now = time.monotonic_ns()
            samples.append(now - last)
            last = now
    end, other_end = struct.unpack("qq", connection.recv_bytes())
    return end - start, time.process_time_ns() - own + other_end - other, samples


def main():
    measure, size, pinning, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    round_trips, own, other = measure == "round-trip", *multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=follow, args=(other, round_trips, pinning, size), daemon=True)
    child.start()
    pin(pinning, True)
    count = 1
    while True:
        wall, cpu, samples = lead(own, round_trips, size, count)
        if wall >= seconds * 1e9 / 4 or count >= MOST // 2:
            break
        wanted = int(count * seconds * 1e9 / max(wall, 1))
        count = max(2 * count, min(wanted, 32 * count, MOST))
    own.send_bytes(struct.pack("q", 0))
    child.join(10)
    samples.sort()
    value = wall / count if round_trips else size * 1e9 * count / wall
    tail = [samples[max(0, math.ceil(level / 100 * count) - 1)] for level in LEVELS] if round_trips else []
    print(value, "nan", "nan", cpu / wall, *tail)


main()

#!/usr/bin/env python3
"""The article's job in plain Python: pi from ten forked processes.

usage: pi_article.py pipe|file

Prints the line that `ipc pi --json` prints, timed as there: from before the first fork to after the last child was
reaped.
"""

import math
import os
import struct
import sys
import tempfile
import time

TERMS = 10_000_000
WORKERS = 10


def partial_sum(worker):
    total = 0.0
    for k in range(worker * TERMS // WORKERS, (worker + 1) * TERMS // WORKERS):
        total += 1.0 / ((2 * k + 1) ** 2)
    return total


def fork(worker, deliver):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            deliver(struct.pack("d", partial_sum(worker)))
            code = 0
        finally:
            os._exit(code)
    return child


def reap(children):
    for child in children:
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"process {child} failed")


def by_pipe():
    readers, children = [], []
    for worker in range(WORKERS):
        reader, writer = os.pipe()
        children.append(fork(worker, lambda data: os.write(writer, data)))
        os.close(writer)
        readers.append(reader)
    sums = []
    for reader in readers:
        sums += struct.unpack("d", os.read(reader, 8))
        os.close(reader)
    reap(children)
    return sums


def by_file():
    def write(worker, data):
        with open(os.path.join(directory, str(worker)), "wb") as file:
            file.write(data)

    with tempfile.TemporaryDirectory() as directory:
        reap([fork(worker, lambda data: write(worker, data)) for worker in range(WORKERS)])
        sums = []
        for worker in range(WORKERS):
            with open(os.path.join(directory, str(worker)), "rb") as file:
                sums += struct.unpack("d", file.read())
    return sums


def main():
    mechanisms = {"pipe": by_pipe, "file": by_file}
    if len(sys.argv) != 2 or sys.argv[1] not in mechanisms:
        sys.exit("usage: pi_article.py pipe|file")
    mechanism = sys.argv[1]
    start = time.monotonic()
    pi = math.sqrt(8 * sum(mechanisms[mechanism]()))
    seconds = time.monotonic() - start
    print(
        f'{{"mechanism":"{mechanism}","pi":{pi!r},"seconds":{seconds:.9f},'
        f'"terms":{TERMS},"workers":{WORKERS}}}'
    )


main()

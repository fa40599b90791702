#!/usr/bin/env python3
"""One message, or one release and acquire, after the other, within this process, with posix_ipc or sysv_ipc.

usage: mechanisms.py posix_ipc|sysv_ipc queue|semaphore COUNT

Prints how many seconds COUNT of them took, in each of a few rounds.
"""

import sys
import time

ROUNDS = 5
MESSAGE = bytes([7]) * 64


def send_and_receive(send, receive, count):
    for _ in range(count):
        send(MESSAGE)
        receive()


def release_and_acquire(release, acquire, count):
    for _ in range(count):
        release()
        acquire()


def report(loop, first, second, count):
    loop(first, second, count)  # to warm up
    for _ in range(ROUNDS):
        start = time.perf_counter()
        loop(first, second, count)
        print(time.perf_counter() - start)


def posix(kind, count):
    import posix_ipc

    # None: under a name that nobody has. It goes at once, so that it cannot stay behind.
    if kind == "queue":
        queue = posix_ipc.MessageQueue(None, posix_ipc.O_CREX, max_messages=10, max_message_size=len(MESSAGE))
        queue.unlink()
        report(send_and_receive, queue.send, queue.receive, count)
        queue.close()
    else:
        semaphore = posix_ipc.Semaphore(None, posix_ipc.O_CREX)
        semaphore.unlink()
        report(release_and_acquire, semaphore.release, semaphore.acquire, count)
        semaphore.close()


def system_v(kind, count):
    import sysv_ipc

    if kind == "queue":
        queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
        try:
            report(send_and_receive, queue.send, queue.receive, count)
        finally:
            queue.remove()
    else:
        semaphore = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX)
        try:
            report(release_and_acquire, semaphore.release, semaphore.acquire, count)
        finally:
            semaphore.remove()


def main():
    module, kind, count = sys.argv[1:]
    {"posix_ipc": posix, "sysv_ipc": system_v}[module](kind, int(count))


main()

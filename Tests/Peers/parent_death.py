"""Kills a program that has a pool of workers, in namespaces of its own, and lists what outlives it.

    unshare --ipc --mount --pid --fork python3 parent_death.py [--victims parent|servers-first|all] PROGRAM...

The program says `ready` on a line of its own when it may be killed, and before it, maybe, `other PID` for each process
that is none of the pool's. Prints `gone N ms`, how long workers and fork servers outlived their parent, which nobody
can know to be dead before the kernel has taken its memory back, or `hung`, and then a line for each thing left.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from in_namespace import left_objects, quiet


def processes(session):
    """Those that run, and their names: who has ended may wait for us to reap it. A process of which only the first thread
    has ended looks as if all of it had, and still has its memory."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                head, _, tail = file.read().rpartition(")")
            threads = len(os.listdir(f"/proc/{entry}/task"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = tail.split()
        if int(fields[3]) == session and (fields[0] not in "ZX" or threads > 1):
            yield int(entry), head.partition("(")[2]


def end(process, victims):
    if victims == "servers-first":
        for number, name in processes(process.pid):
            if name == "fork server":
                os.kill(number, signal.SIGKILL)
    if victims == "all":
        for number, _ in processes(process.pid):
            os.kill(number, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)


def outlive(process, others):
    """Waits until the program and all that is the pool's are gone: for how long the pool's were after the program."""
    begin = time.monotonic()
    death = None
    while time.monotonic() - begin < 20:
        alive = [number for number, _ in processes(process.pid) if number not in others]
        now = time.monotonic()
        if death is None and process.pid not in alive:
            death = now
        if not alive:
            print(f"gone {1000 * (now - death):.0f} ms after the program, which took {1000 * (death - begin):.0f} ms")
            return
        time.sleep(0.001)
    print("hung")


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--victims", default="parent", choices=["parent", "servers-first", "all"])
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    os.makedirs("/dev/mqueue", exist_ok=True)
    quiet("mount", "-t", "tmpfs", "-o", "size=1g", "none", "/dev/shm")
    quiet("mount", "-t", "mqueue", "none", "/dev/mqueue")
    quiet("mount", "-t", "proc", "none", "/proc")
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            options.program, env=os.environ | {"TMPDIR": temporary}, start_new_session=True, stdout=subprocess.PIPE,
            text=True)
        others = []
        for line in process.stdout:
            if line == "ready\n":
                break
            if line.startswith("other "):
                others.append(int(line.split()[1]))
            else:
                print(line, end="")
        names = [name for _, name in processes(process.pid)]
        print("seen", len(names), "processes,", len([name for name in names if name.startswith("worker ")]), "workers")
        end(process, options.victims)
        outlive(process, others)
        for number, name in list(processes(process.pid)):
            if number not in others:
                print(f"left process {name}")
            os.kill(number, signal.SIGKILL)
        reap()
        for thing in left_objects(temporary):
            print("left", thing)


if __name__ == "__main__":
    sys.exit(main())

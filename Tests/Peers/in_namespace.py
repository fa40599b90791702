"""Runs a program in IPC and mount namespaces of its own, does something to it, and lists what it leaves behind.

    unshare --ipc --mount python3 in_namespace.py [--act ACTION] [--limit NAME=N] [--sysctl NAME=N] [--shm SIZE] PROGRAM...

ACTION is `signal:NAME` (to the program) or `kill-child` (SIGKILL to its second child), done once it has two children.
Prints `exit N`, then a line for each thing left. The program's own output goes where this program's goes.
"""
import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

LIMITS = {"nofile": resource.RLIMIT_NOFILE, "msgqueue": 12}


def quiet(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def act(action, process):
    deadline = time.monotonic() + 10
    while len(children(process.pid)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    if action == "kill-child":
        os.kill(children(process.pid)[1], signal.SIGKILL)
    else:
        process.send_signal(getattr(signal, "SIG" + action.removeprefix("signal:")))


def left_processes(session):
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            yield f"process {entry}"


def left_objects(temporary):
    for folder in ("/dev/shm", "/dev/mqueue", temporary):
        for name in os.listdir(folder):
            yield f"{folder}/{name}"
    for kind in ("msg", "sem", "shm"):
        with open(f"/proc/sysvipc/{kind}") as file:
            for line in file.readlines()[1:]:
                yield f"{kind} {line.split()[1]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--act")
    parser.add_argument("--limit", action="append", default=[])
    parser.add_argument("--sysctl", action="append", default=[])
    parser.add_argument("--shm", default="1g")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    os.makedirs("/dev/mqueue", exist_ok=True)
    quiet("mount", "-t", "tmpfs", "-o", f"size={options.shm}", "none", "/dev/shm")
    quiet("mount", "-t", "mqueue", "none", "/dev/mqueue")
    quiet("mount", "-t", "proc", "none", "/proc")  # /proc/sysvipc shows the namespace of its mounter
    for setting in options.sysctl:
        name, value = setting.split("=")
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(value)

    def prepare():
        for limit in options.limit:
            name, value = limit.split("=")
            resource.setrlimit(LIMITS[name], (int(value), int(value)))

    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            options.program, env=os.environ | {"TMPDIR": temporary}, start_new_session=True, preexec_fn=prepare
        )
        try:
            if options.act:
                act(options.act, process)
            process.wait(timeout=200)
        except subprocess.TimeoutExpired:
            print("hung")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        print("exit", process.returncode)
        for thing in [*left_processes(process.pid), *left_objects(temporary)]:
            print("left", thing)


if __name__ == "__main__":
    sys.exit(main())

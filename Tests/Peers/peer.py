"""The other end of a mechanism, in Python: one verb a run. What a verb returns is printed."""
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

import posix_ipc
import sysv_ipc
import mmap

TIMEOUT = 10


def mq_send(name, text, priority):
    queue = posix_ipc.MessageQueue(name)
    queue.send(text.encode(), timeout=TIMEOUT, priority=int(priority))
    queue.close()


def mq_receive(name):
    queue = posix_ipc.MessageQueue(name)
    message, priority = queue.receive(TIMEOUT)
    queue.close()
    return f"{priority} {message.decode()}"


def mq_create(name, count, size):
    posix_ipc.MessageQueue(name, posix_ipc.O_CREX, max_messages=int(count), max_message_size=int(size)).close()


def shm_write(name, offset, value):
    memory = posix_ipc.SharedMemory(name)
    with mmap.mmap(memory.fd, memory.size) as view:
        struct.pack_into("d", view, int(offset), float(value))
    memory.close_fd()


def shm_read(name, offset):
    memory = posix_ipc.SharedMemory(name)
    with mmap.mmap(memory.fd, memory.size) as view:
        value = struct.unpack_from("d", view, int(offset))[0]
    memory.close_fd()
    return value


def shm_create(name, size):
    posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=int(size)).close_fd()


def sem_create(name, value):
    posix_ipc.Semaphore(name, posix_ipc.O_CREX, initial_value=int(value)).close()


def sem_acquire(name):
    semaphore = posix_ipc.Semaphore(name)
    semaphore.acquire(TIMEOUT)
    semaphore.close()


def sem_release(name):
    semaphore = posix_ipc.Semaphore(name)
    semaphore.release()
    semaphore.close()


def sysv_mq_send(key, text, type):
    sysv_ipc.MessageQueue(int(key)).send(text.encode(), type=int(type))


def sysv_mq_receive(key, type):
    message, kind = sysv_ipc.MessageQueue(int(key)).receive(type=int(type))
    return f"{kind} {message.decode()}"


def sysv_mq_create(key):
    sysv_ipc.MessageQueue(int(key), sysv_ipc.IPC_CREX)


def sysv_shm_write(key, offset, value):
    memory = sysv_ipc.SharedMemory(int(key))
    memory.write(struct.pack("d", float(value)), int(offset))
    memory.detach()


def sysv_shm_read(key, offset):
    memory = sysv_ipc.SharedMemory(int(key))
    value = struct.unpack("d", memory.read(8, int(offset)))[0]
    memory.detach()
    return value


def sysv_shm_create(key, size):
    sysv_ipc.SharedMemory(int(key), sysv_ipc.IPC_CREX, size=int(size)).detach()


def sysv_sem_create(key, value):
    sysv_ipc.Semaphore(int(key), sysv_ipc.IPC_CREX, initial_value=int(value))


def sysv_sem_acquire(key):
    sysv_ipc.Semaphore(int(key)).acquire()


def sysv_sem_release(key):
    sysv_ipc.Semaphore(int(key)).release()


def fd_write(fd, text):
    os.write(int(fd), text.encode())


def fd_read(fd):
    """What comes until its end."""
    with os.fdopen(int(fd)) as file:
        return file.read()


def path_write(path, text):
    with open(path, "w") as file:
        file.write(text)


def path_read(path):
    with open(path) as file:
        return file.read()


def fd_exchange(fd, offset, value):
    """Maps what a descriptor leads to, gives the byte at an offset, and puts another there."""
    with mmap.mmap(int(fd), os.fstat(int(fd)).st_size) as view:
        found, view[int(offset)] = view[int(offset)], int(value)
        return found


def path_exchange(path, offset, value):
    with open(path, "r+b") as file:
        return fd_exchange(file.fileno(), offset, value)


def fd_seals(fd):
    """What nobody may do with a memfd."""
    seals = fcntl.fcntl(int(fd), fcntl.F_GET_SEALS)
    names = {"shrink": fcntl.F_SEAL_SHRINK, "grow": fcntl.F_SEAL_GROW, "write": fcntl.F_SEAL_WRITE}
    return " ".join(name for name, seal in names.items() if seals & seal)


def counter_add(fd, count):
    os.eventfd_write(int(fd), int(count))


def counter_take(fd):
    return os.eventfd_read(int(fd))


def lock_try(path):
    """Whether a lock of this process's on a whole file is to be had."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "free"
        except OSError:
            return "held"


def lock_hold(path, until):
    """Holds such a lock until a pipe is at its end, which it says by a line first."""
    with open(path, "r+b") as file, os.fdopen(int(until)) as pipe:
        fcntl.lockf(file, fcntl.LOCK_EX)
        os.write(int(until) + 1, b"held")
        pipe.read()


def process_wait(fd):
    """Waits for the end of the process that a pidfd refers to."""
    ready, _, _ = select.select([int(fd)], [], [], TIMEOUT)
    return "ended" if ready else "runs"


def process_kill(fd):
    signal.pidfd_send_signal(int(fd), signal.SIGKILL)


def unix_exchange(path, text):
    """Connects, sends a text, and gives what comes back."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(TIMEOUT)
        peer.connect(path)
        peer.sendall(text.encode())
        peer.shutdown(socket.SHUT_WR)
        return peer.makefile().read()


def unix_echo(path):
    """Listens, takes one connection, and sends back in capitals what came."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(TIMEOUT)
        listener.bind(path)
        listener.listen(1)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(TIMEOUT)
            text = peer.makefile().read()
            peer.sendall(text.upper().encode())
            return text


def connected(path, kind):
    """A socket connected to a path at which the other side may not listen yet."""
    peer = socket.socket(socket.AF_UNIX, kind)
    peer.settimeout(TIMEOUT)
    for _ in range(1000):
        try:
            peer.connect(path)
            return peer
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    raise TimeoutError(path)


def send_descriptors(path, *texts):
    """Connects and passes one pipe for each text, with the text in it."""
    with connected(path, socket.SOCK_STREAM) as peer:
        readers = []
        for text in texts:
            reader, writer = os.pipe()
            os.write(writer, text.encode())
            os.close(writer)
            readers.append(reader)
        socket.send_fds(peer, [b"pipes"], readers)


def receive_descriptors(path, count):
    """Connects and gives what is in the files that are passed."""
    with connected(path, socket.SOCK_STREAM) as peer:
        message, files, _, _ = socket.recv_fds(peer, 100, int(count))
        return " ".join([message.decode()] + [os.read(file, 100).decode() for file in files])


def datagram_send(path, text):
    with connected(path, socket.SOCK_DGRAM) as peer:
        peer.send(text.encode())


def datagram_answer(path):
    """Receives one datagram, and sends it back in capitals to whom it came from."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.settimeout(TIMEOUT)
        peer.bind(path)
        text, sender = peer.recvfrom(1000)
        peer.sendto(text.upper(), sender)
        return text.decode()


def packets_exchange(path, *texts):
    """Connects, sends each text as a packet, and gives the packets that come back."""
    with connected(path, socket.SOCK_SEQPACKET) as peer:
        for text in texts:
            peer.send(text.encode())
        return " ".join(peer.recv(1000).decode() for _ in texts)


def datagram_receive(path, count):
    """Receives so many datagrams, one to a line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.settimeout(TIMEOUT)
        peer.bind(path)
        return "\n".join(peer.recv(1 << 20).decode() for _ in range(int(count)))


def packets_send(path, *texts):
    with connected(path, socket.SOCK_SEQPACKET) as peer:
        for text in texts:
            peer.send(text.encode())


def packets_take(path):
    """Connects, and gives one packet."""
    with connected(path, socket.SOCK_SEQPACKET) as peer:
        return peer.recv(1 << 20).decode()


def packets_client(path):
    """Listens, and takes one connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.settimeout(TIMEOUT)
        listener.bind(path)
        listener.listen(1)
        peer, _ = listener.accept()
        peer.settimeout(TIMEOUT)
        return peer


def packets_receive(path):
    """Serves one client, and gives its packets, one to a line."""
    with packets_client(path) as peer:
        return "\n".join(packet.decode() for packet in iter(lambda: peer.recv(1 << 20), b""))


def packets_offer(path, *texts):
    """Serves one client, and sends it each text as a packet."""
    with packets_client(path) as peer:
        for text in texts:
            peer.send(text.encode())


def names():
    """Every public name of the two packages, as `PACKAGE PACKAGE.name` and `PACKAGE Class.member`."""
    found = []
    for package in (posix_ipc, sysv_ipc):
        title = package.__name__
        for name in (name for name in dir(package) if not name.startswith("_")):
            found.append(f"{title} {title}.{name}")
            value = getattr(package, name)
            if isinstance(value, type) and not issubclass(value, Exception):
                members = [member for member in dir(value) if not member.startswith("_")]
                scoped = [member for member in ("__enter__", "__exit__") if hasattr(value, member)]
                found += [f"{title} {name}.{member}" for member in members + scoped]
    return "\n".join(found)


if __name__ == "__main__":
    result = globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
    if result is not None:
        print(result)

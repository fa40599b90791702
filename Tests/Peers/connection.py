"""Python's multiprocessing.connection at the other end of a channel: one verb a run. Needs nothing but Python.

What a verb returns is printed; a failed authentication is printed too, and no error.
"""
import mmap
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener


def key(arguments):
    return arguments[0].encode() if arguments else None


def echo(connection):
    """Sends back what comes, until the other side closes."""
    count = 0
    with connection:
        while True:
            try:
                message = connection.recv_bytes()
            except EOFError:
                return f"{count} messages"
            connection.send_bytes(message)
            count += 1


def client(path, *arguments):
    try:
        connection = Client(path, "AF_UNIX", key(arguments))
    except (AuthenticationError, EOFError, ConnectionResetError) as error:
        return type(error).__name__
    return echo(connection)


def listener(path, times, *arguments):
    """Serves so many clients, one after the other."""
    results = []
    with Listener(path, "AF_UNIX", authkey=key(arguments)) as listening:
        for _ in range(int(times)):
            try:
                results.append(echo(listening.accept()))
            except (AuthenticationError, EOFError, ConnectionResetError, BrokenPipeError) as error:
                results.append(type(error).__name__)
    return "\n".join(results)


def pipes(reading, writing):
    """Echoes from one inherited pipe to another."""
    count = 0
    with Connection(int(reading), writable=False) as source, Connection(int(writing), readable=False) as sink:
        while True:
            try:
                sink.send_bytes(source.recv_bytes())
            except EOFError:
                return f"{count} messages"
            count += 1


def socket(descriptor):
    return echo(Connection(int(descriptor)))


def give(connection, size):
    """Sends one message of zeros with a marked head and tail: its pages are the kernel's one page of zeros."""
    message = mmap.mmap(-1, int(size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    message[0], message[int(size) - 1] = 17, 42
    connection.send_bytes(message)
    return connection.recv_bytes().decode()


def take(connection):
    """Receives one message, and answers with its size and its ends."""
    message = connection.recv_bytes()
    connection.send_bytes(f"{len(message)} {message[0]} {message[-1]}".encode())


def send_huge(path, size):
    with Client(path, "AF_UNIX") as connection:
        return give(connection, size)


def receive_huge(path):
    with Client(path, "AF_UNIX") as connection:
        take(connection)


def exchange_huge(path, size):
    """Receives one, and then sends one."""
    with Listener(path, "AF_UNIX") as listening, listening.accept() as connection:
        take(connection)
        return give(connection, size)


if __name__ == "__main__":
    result = globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
    if result is not None:
        print(result)

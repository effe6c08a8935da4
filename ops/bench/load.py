"""Clients that keep their connections busy: ``python -m ops.bench.load`` with an Order as JSON on its input.

One thread over plain sockets, so that it costs a small part of what a server does for the same request.
"""

import select
import socket
import sys
import time
from itertools import cycle
from typing import Final

import msgspec

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length: "
CONNECTIONS: Final = 16  # of clients, and of each server to the database: none waits for the disk in another's turn
WELL: Final = (b"HTTP/1.1 2", b"HTTP/1.1 304")
CHUNK: Final = 1 << 18


class Order(msgspec.Struct):
    """Whom to ask what, for how many ``seconds``, over how many ``connections``; ``requests`` are sent in turn."""

    port: int
    requests: list[bytes]
    seconds: float
    connections: int = CONNECTIONS


class Tally(msgspec.Struct):
    """What was answered: how many in how many seconds, each answer's milliseconds in rising order, and the failures.

    ``cpu`` is what the clients themselves needed, in seconds.
    """

    count: int
    seconds: float
    cpu: float
    milliseconds: list[float]
    failures: int


class _Client:
    """One connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._buffer = b""
        self._wanted = 0  # bytes of the whole answer, once its head is here

    def send(self, request: bytes) -> None:
        self._buffer, self._wanted = b"", 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The first line of the answer, once all of it is here.

        Raises:
            ConnectionError: the server hung up.
        """
        arrived = self.socket.recv(CHUNK)
        if not arrived:
            raise ConnectionError("the server closed a connection")
        self._buffer += arrived
        if not self._wanted:
            self._wanted = _length(self._buffer)
        done = self._wanted and len(self._buffer) >= self._wanted
        return self._buffer.partition(b"\r\n")[0] if done else None


def _length(buffer: bytes) -> int:
    """Bytes of head and body together; 0 while the head is not complete."""
    end = buffer.find(HEAD_END)
    if end < 0:
        return 0
    head = buffer[:end].lower()
    return end + len(HEAD_END) + int(head.partition(LENGTH)[2].partition(b"\r\n")[0] or 0)


def run(order: Order) -> Tally:
    """Keep every connection busy until the time is over."""
    clients = {client.socket.fileno(): client for client in (_Client(order.port) for _ in range(order.connections))}
    poll = select.epoll()
    requests = cycle(order.requests)
    for number, client in clients.items():
        poll.register(number, select.EPOLLIN)
        client.send(next(requests))
    tally = Tally(0, 0.0, 0.0, [], 0)
    started, cpu = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < started + order.seconds:
        for number, _ in poll.poll(1.0):
            client = clients[number]
            if line := client.receive():
                _count(tally, client, line)
                client.send(next(requests))
    tally.seconds, tally.cpu = now - started, time.process_time() - cpu
    tally.count = len(tally.milliseconds)
    tally.milliseconds.sort()
    return tally


def _count(tally: Tally, client: _Client, line: bytes) -> None:
    tally.milliseconds.append((time.perf_counter() - client.sent_at) * 1000)
    tally.failures += not line.startswith(WELL)


if __name__ == "__main__":
    done = run(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.json.encode(done))

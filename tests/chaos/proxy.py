"""A TCP proxy between a program and a service: what passes can be stopped, held, delayed, changed, swallowed and cut.

It speaks no protocol. A ``Trap`` waits for a piece of one, like a COMMIT on its way to PostgreSQL, and says what
becomes of it; a program that is killed while a trap holds its traffic is killed at exactly that point.
"""

import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

from ops.stack import ports

Direction = Literal["up", "down"]  # to the service, and back to the program
Act = Callable[["Link", bytes], bytes | None]  # what passes on instead, or nothing
CHUNK: Final = 64 * 1024
OVERLAP: Final = 64  # bytes of the chunk before that a pattern may begin in
RESET: Final = struct.pack("ii", 1, 0)  # a socket closed with this lingering answers with a reset
PATIENCE: Final = 120.0  # seconds after which a trap that nobody releases opens by itself

COMMIT: Final = re.compile(rb"Q\x00\x00\x00\x0bCOMMIT\x00")  # of PostgreSQL's protocol, as psycopg sends it
COMMITTED: Final = re.compile(rb"C\x00\x00\x00\x0bCOMMIT\x00")  # its answer
NEXT: Final = re.compile(rb"deduplicate")  # the end of the first stage: one statement, which names the second one
# Stage → its end on its way to PostgreSQL, the answer to that, and how many of the kind come before.
ENDS: Final = {
    "ingest": (NEXT, NEXT, 0),
    "deduplicate": (COMMIT, COMMITTED, 0),
    "thumbnail": (COMMIT, COMMITTED, 1),
    "index": (COMMIT, COMMITTED, 3),  # after that which claims the places of its pictures
}
ACK: Final = re.compile(rb"\r\n\$3\r\nack\r\n")  # Dramatiq's, to Redis
ENQUEUE: Final = re.compile(rb"\r\n\$7\r\nenqueue\r\n")
ACKNOWLEDGED: Final = re.compile(rb"\x00\x3c\x00\x50")  # basic.ack of AMQP
PUBLISH: Final = re.compile(rb"\x00\x3c\x00\x28")  # basic.publish


class Link:
    """One connection of a program, and ours to the service for it."""

    def __init__(self, program: socket.socket, service: socket.socket) -> None:
        self.program = program
        self.service = service
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}  # bytes

    def reset(self) -> None:
        """End both connections at once, whatever is under way."""
        for end in (self.program, self.service):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes who waits for more of it, without a farewell
            end.close()

    def end(self) -> None:
        """End both connections in good order: the program reads that nothing more comes."""
        for end in (self.program, self.service):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Trap:
    """Waits for a pattern in one direction; ``act`` says what becomes of the piece that it is in, ``times`` times.

    ``skip`` so many before. ``sprung`` is set when the first one is caught.
    """

    def __init__(
        self, direction: Direction, pattern: re.Pattern[bytes], act: Act, *, skip: int = 0, times: int = 1
    ) -> None:
        self.direction = direction
        self.sprung = threading.Event()
        self.caught = 0
        self._pattern = pattern
        self._act = act
        self._skip = skip
        self._times = times
        self._lock = threading.Lock()

    def wants(self, before: bytes, data: bytes) -> bool:
        """Whether it closes on a piece of the traffic; ``before`` is what came just before it."""
        with self._lock:
            if self.caught >= self._times or not _ends_in(self._pattern, before, data):
                return False
            if self._skip:
                self._skip -= 1
                return False
            self.caught += 1
            return True

    def spring(self, link: Link, data: bytes) -> bytes | None:
        """Do what it was set for; what passes on."""
        self.sprung.set()
        return self._act(link, data)

    def wait(self, within: float = 30.0) -> None:
        """Until it has caught something.

        Raises:
            AssertionError: where it has not in so many seconds.
        """
        assert self.sprung.wait(within), f"nothing was caught in {within} s"


class Hold:
    """An act: keep what is caught, and all behind it, until ``release``; then it passes on."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def __call__(self, _: Link, data: bytes) -> bytes | None:
        """Wait."""
        self._released.wait(PATIENCE)
        return data

    def release(self) -> None:
        """Let it pass."""
        self._released.set()


def passing(_: Link, data: bytes) -> bytes:
    """An act: nothing; the trap counts what it sees."""
    return data


def cut(link: Link, _: bytes) -> None:
    """An act: swallow what is caught and reset the connection."""
    link.reset()


def end(link: Link, data: bytes) -> None:
    """An act: let the first half of what is caught pass, and end the connection in good order."""
    link.program.sendall(data[: len(data) // 2])
    link.end()


def answering(answer: bytes) -> Act:
    """An act: the service never hears of what is caught; its answer is ours, and the connection ends."""

    def act(link: Link, _: bytes) -> None:
        link.program.sendall(answer)
        link.end()

    return act


def changing(change: Callable[[bytes], bytes]) -> Act:
    """An act: something else passes on."""
    return lambda _, data: change(data)


def _ends_in(pattern: re.Pattern[bytes], before: bytes, data: bytes) -> bool:
    """Whether the pattern is found, and not wholly in what has passed already."""
    return any(match.end() > len(before) for match in pattern.finditer(before + data))


class Proxy:
    """Listens on ``port`` and passes everything on to a port of the loopback interface, from ``start`` to ``stop``."""

    def __init__(self, service: int) -> None:
        (self.port,) = ports.free(1)
        self.delay = 0.0  # seconds that each piece is held up
        self._service = service
        self._traps: list[Trap] = []
        self._links: set[Link] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Take connections."""
        self._listener = socket.create_server((ports.HOST, self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """The service is gone: connections are reset, new ones are refused. ``start`` brings it back."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection there is."""
        for link in tuple(self._links):
            link.reset()

    def pause(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flowing.clear()

    def resume(self) -> None:
        """What was held up passes on."""
        self._flowing.set()

    def trap(
        self, direction: Direction, pattern: re.Pattern[bytes], act: Act, *, skip: int = 0, times: int = 1
    ) -> Trap:
        """Set a trap, which stays until ``clear``."""
        made = Trap(direction, pattern, act, skip=skip, times=times)
        self._traps.append(made)
        return made

    def clear(self) -> None:
        """Take the traps away; what they hold is still held."""
        self._traps = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                program, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(program,), daemon=True).start()

    def _connect(self, program: socket.socket) -> None:
        try:
            service = socket.create_connection((ports.HOST, self._service))
        except OSError:
            program.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            program.close()
            return
        for side in (program, service):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(program, service)
        self._links.add(link)
        threading.Thread(target=self._pump, args=(link, "up", program, service), daemon=True).start()
        self._pump(link, "down", service, program)
        self._links.discard(link)

    def _pump(self, link: Link, direction: Direction, source: socket.socket, target: socket.socket) -> None:
        before = b""
        with suppress(OSError):
            while data := source.recv(CHUNK):
                left = self._passing(link, direction, before, data)
                before = data[-OVERLAP:]
                if left:
                    target.sendall(left)
                    link.passed[direction] += len(left)
        link.end()
        source.close()

    def _passing(self, link: Link, direction: Direction, before: bytes, data: bytes) -> bytes | None:
        if self.delay:
            time.sleep(self.delay)
        self._flowing.wait()
        left: bytes | None = data
        for trap in tuple(self._traps):
            if left is not None and trap.direction == direction and trap.wants(before, left):
                left = trap.spring(link, left)
        return left

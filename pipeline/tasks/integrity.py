"""What is stored is read again, slowly: what has another hash is corrupt, what is not there is missing."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from models.db.connection import Connection
from models.entities import MB
from models.errors import Fault, Invalid, Rejected, Unavailable
from models.housekeeping import integrity as findings
from models.housekeeping.integrity import FindingKind, Unproved
from models.media.references import parse
from pipeline.engine.exclusive import SharedExclusiveLock
from pipeline.tasks.run import Run

log = structlog.get_logger()
LONGEST_SECONDS: Final = 1800.0  # that one object may take, however slow the walk is: less than a stage may
LARGEST: Final = 5 * 1024 * MB  # of what nobody knows the size of, in bytes
LOOK_SECONDS: Final = 1.0  # between looks whether somebody waits to be alone, while a reading is held back
BATCH: Final = 20
TRIES: Final = 2


class ObjectState(NamedTuple):
    """What is wrong with an object, if anything, and what it holds, where it could be read."""

    kind: FindingKind | None
    sha256: str | None = None
    file_size: int = 0


class GivenWay(Exception):
    """A reading was broken off for who waits to be alone in this process."""


async def integrity(run: Run) -> bool:
    """First what was found wrong earlier, then what was not read for longest; 0 days read nothing again."""
    days, buckets = run.settings.integrity_days, sorted(run.storage.buckets)
    async with run.transaction() as connection:
        await findings.note_copies(connection, buckets)
        suspects = await findings.suspects(connection, run.claimed.created_at)
    if not await _read_all(run, suspects):
        return True
    walks: tuple[Callable[[Connection], Awaitable[list[Unproved]]], ...] = (
        lambda connection: findings.due_contents(connection, days, BATCH),
        lambda connection: findings.due_places(connection, days, BATCH),
        lambda connection: findings.due_copies(connection, days, BATCH),
    )
    for due in walks if days else ():
        if not await _walk(run, due):
            return True
    return False


async def _walk(run: Run, due: Callable[[Connection], Awaitable[list[Unproved]]]) -> bool:
    """Read what is due until nothing is; False where time ran out before."""
    while True:
        async with run.transaction() as connection:
            found = await due(connection)
        if not found:
            return True
        if not await _read_all(run, found):
            return False


async def _read_all(run: Run, unproved: list[Unproved]) -> bool:
    """Read some, one after the other; False where time ran out before."""
    for one in unproved:
        if run.out_of_time:
            return False
        try:
            await _read(run, one)
        except GivenWay:
            return False
    return True


async def _read(run: Run, unproved: Unproved) -> None:
    found = await _compare(run, unproved)
    async with run.transaction() as connection:
        run.counts["checked"] += 1
        if found.kind is None:
            await findings.sound(connection, unproved, found.sha256 or "", found.file_size)
            return
        new = await findings.broken(connection, unproved, found.kind, found.sha256)
        if new is not None:
            run.counts[found.kind] += 1
    if new:
        log.error("a stored object is not what it was", kind=found.kind, file=unproved.file_reference)


async def _compare(run: Run, unproved: Unproved) -> ObjectState:
    """What is wrong with an object, and its hash where that is another.

    One that breaks off again and again while the storage is there is corrupt; it must not hold up all others.
    """
    for _ in range(TRIES):
        try:
            return await _hash(run, unproved)
        except Fault as fault:
            await _while_the_storage_answers(run, fault)
    return ObjectState("corrupt")


async def _while_the_storage_answers(run: Run, fault: Fault) -> None:
    """Nothing where it does.

    Raises:
        Fault: the one given, where the storage is away.
    """
    try:
        await run.storage.ping()
    except Unavailable:
        raise fault from None


async def _hash(run: Run, unproved: Unproved) -> ObjectState:
    size = LARGEST if unproved.file_size is None else unproved.file_size
    rate = max(run.settings.integrity_bytes_per_second, size / LONGEST_SECONDS)
    reading = _Reading(rate, run.context.lock)
    try:
        await run.storage.fetch(parse(unproved.file_reference), reading.take, limit=size)
    except Rejected as error:
        return ObjectState("missing" if error.code == "SOURCE_MISSING" else "corrupt")
    except Invalid:
        return ObjectState("missing")  # such a thing there cannot be
    finally:
        reading.stop()
    same = unproved.sha256 in (None, reading.hexdigest()) and unproved.file_size in (None, reading.size)
    return ObjectState(None if same else "corrupt", reading.hexdigest(), reading.size)


class _Reading:
    """A hash that takes so many bytes a second; it waits in the thread that reads."""

    def __init__(self, rate: float, lock: SharedExclusiveLock) -> None:
        self.size = 0  # bytes
        self._rate = rate
        self._lock = lock
        self._digest = hashlib.sha256()
        self._free_at = time.monotonic()
        self._stopped = threading.Event()

    def take(self, chunk: bytes) -> None:
        """Hash some bytes, then let as much time pass as they may take.

        Raises:
            CancelledError: nobody waits for the hash any more.
            GivenWay: somebody waits to be alone.
        """
        self.size += len(chunk)
        self._digest.update(chunk)
        self._free_at = max(self._free_at, time.monotonic()) + len(chunk) / self._rate
        while not self._lock.wanted:
            left = self._free_at - time.monotonic()
            if self._stopped.wait(min(left, LOOK_SECONDS)):
                raise asyncio.CancelledError
            if left <= LOOK_SECONDS:
                return
        raise GivenWay

    def stop(self) -> None:
        """Let a thread go that still reads."""
        self._stopped.set()

    def hexdigest(self) -> str:
        """The SHA-256 in hex."""
        return self._digest.hexdigest()

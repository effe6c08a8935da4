"""Stored files are read again, slowly: what has another hash is rotten, what is not there is lost."""

import asyncio
import hashlib
import threading
import time
from typing import Final

import structlog

from models import integrity as findings
from models.errors import Fault, Rejected, Unavailable
from models.integrity import FindingKind, Unproved
from models.references import parse
from pipeline.run import Run

log = structlog.get_logger()
LONGEST_SECONDS: Final = 1800.0  # that one file may take, however slow the walk is: less than a stage may
BATCH: Final = 20
TRIES: Final = 2

Found = tuple[FindingKind | None, str | None]


async def integrity(run: Run) -> bool:
    """First what was found wrong earlier, then what was not read for longest; 0 days read nothing again."""
    days = run.settings.integrity_days
    async with run.transaction() as connection:
        files = await findings.suspects(connection, run.claimed.created_at)
    while files or days:
        for file in files:
            await _read(run, file)
            if run.out_of_time:
                return True
        if days == 0:
            return False
        async with run.transaction() as connection:
            files = await findings.due(connection, days, BATCH)
        if not files:
            return False
    return False


async def _read(run: Run, file: Unproved) -> None:
    kind, actual = await _compare(run, file)
    async with run.transaction() as connection:
        run.counts["checked"] += 1
        if kind is None:
            await findings.sound(connection, file.sha256)
            return
        run.counts[kind] += 1
        new = await findings.broken(connection, file, kind, actual)
    if new:
        log.error("a stored file is not what it was", kind=kind, sha256=file.sha256, file=file.file_reference)


async def _compare(run: Run, file: Unproved) -> Found:
    """What is wrong with a file, and its hash where that is another.

    One that breaks off again and again while the storage is there is rotten; it must not hold up all others.
    """
    for _ in range(TRIES):
        try:
            return await _hash(run, file)
        except Fault as fault:
            await _while_the_storage_answers(run, fault)
    return "rot", None


async def _while_the_storage_answers(run: Run, fault: Fault) -> None:
    """Nothing where it does.

    Raises:
        Fault: the one given, where the storage is away.
    """
    try:
        await run.storage.ping()
    except Unavailable:
        raise fault from None


async def _hash(run: Run, file: Unproved) -> Found:
    rate = max(run.settings.integrity_bytes_per_second, file.file_size / LONGEST_SECONDS)
    reading = _Reading(rate)
    try:
        await run.storage.fetch(parse(file.file_reference), reading.take, limit=file.file_size)
    except Rejected as error:
        return ("loss" if error.code == "SOURCE_MISSING" else "rot"), None
    finally:
        reading.stop()
    actual = reading.hexdigest()
    return (None, None) if actual == file.sha256 else ("rot", actual)


class _Reading:
    """A hash that takes so many bytes a second; it waits in the thread that reads."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._digest = hashlib.sha256()
        self._free_at = time.monotonic()
        self._stopped = threading.Event()

    def take(self, chunk: bytes) -> None:
        """Hash some bytes, then let as much time pass as they may take.

        Raises:
            CancelledError: nobody waits for the hash any more.
        """
        self._digest.update(chunk)
        self._free_at = max(self._free_at, time.monotonic()) + len(chunk) / self._rate
        if self._stopped.wait(self._free_at - time.monotonic()):
            raise asyncio.CancelledError

    def stop(self) -> None:
        """Let a thread go that still reads."""
        self._stopped.set()

    def hexdigest(self) -> str:
        """The SHA-256 in hex."""
        return self._digest.hexdigest()

"""How batches stand as server-sent events: all watchers of a process share one reader, which asks once a second."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final
from uuid import UUID

import structlog
from litestar.response import ServerSentEventMessage
from msgspec import json

from api import shutdown
from api.ingest.events import OVER, QUIET_SECONDS
from models.db.connection import AWAY, Pool, borrow
from models.jobs import batches
from models.jobs.batches import Batch

log = structlog.get_logger()
LOOK_SECONDS: Final = 1.0


class Reader:
    """Reads the batches that are watched, for as long as one is; one statement for all of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watched: Counter[UUID] = Counter()
        self._found: dict[UUID, Batch] = {}
        self._read = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def states(self, batch_id: UUID) -> AsyncGenerator[Batch | None]:
        """The batch after each look; None once it is gone."""
        self._watched[batch_id] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            while True:
                await self._read.wait()
                yield self._found.get(batch_id)
        finally:
            self._watched[batch_id] -= 1
            self._watched += Counter()  # forgets what nobody watches

    async def _look(self) -> None:
        while self._watched and not shutdown.TOLD.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with borrow(self._pool) as db:
                    found = await batches.read_all(db, list(self._watched))
            except AWAY as error:
                log.warning("batches not read", error=str(error))
            else:
                self._found = {batch.batch_id: batch for batch in found}
            self._tell()
        self._tell()

    def _tell(self) -> None:
        """Whoever waits goes on."""
        read, self._read = self._read, asyncio.Event()
        read.set()


async def events(
    reader: Reader,
    batch: Batch,
    seen: int,
    *,
    may: Callable[[], Awaitable[bool]],
    quiet_seconds: float = QUIET_SECONDS,
) -> AsyncIterator[ServerSentEventMessage]:
    """Each state of the batch after version ``seen``, until it is over; a comment where there is no news for long.

    ``may`` says whether the watcher still may; a comment tells that this is over.
    """
    spoke, running = time.monotonic(), batch.running
    if batch.version > seen:
        seen = batch.version
        yield _message(batch)
        if batch.finished_at is not None:
            return
    async with aclosing(reader.states(batch.batch_id)) as states:
        async for now in states:
            if shutdown.TOLD.is_set() or now is None:
                return
            if not await may():
                yield ServerSentEventMessage(data=None, comment=OVER)
                return
            if (now.version, now.running) != (seen, running):
                spoke, seen, running = time.monotonic(), now.version, now.running
                yield _message(now)
            elif time.monotonic() - spoke >= quiet_seconds:
                spoke = time.monotonic()
                yield ServerSentEventMessage(data=None, comment="no news")
            if now.finished_at is not None:
                return


def _message(batch: Batch) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=json.encode(batch).decode(), event=batch.state, id=str(batch.version))

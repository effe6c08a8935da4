"""The dispatcher: due work becomes messages in the broker, expired leases are given back, changes reach the search,
webhooks are told, housekeeping is posted when its time has come.

Any number may run at once: they share the rows by ``for update skip locked``. The broker holds only a small window
of messages, so it may be flushed, full or gone without loss: a message that nobody takes is sent again.
"""

if __name__ == "__main__":  # told to stop while the rest is imported, it ends at once
    from models import termination

    raise SystemExit(termination.enter("pipeline.dispatcher"))

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog
import uvloop
from psycopg_pool import PoolTimeout

from models import metrics, process, termination
from models.audit import seals
from models.db import connection as db
from models.db import schema
from models.db.connection import Pool
from models.errors import Unavailable
from models.housekeeping import schedule
from models.jobs import batch_changes, dispatch, expired_leases
from models.jobs.priorities import MAX_MESSAGES
from models.operations import heartbeat
from models.operations.processes import Beat, Loop
from models.search import documents, reindex
from models.settings import Settings
from pipeline.engine import broker, messages
from pipeline.engine.broker import make_broker, waiting
from pipeline.engine.metrics_server import serve_metrics
from pipeline.webhooks.deliverer import Deliverer

logger = structlog.get_logger()
POLL_SECONDS: Final = 1.0  # the truth; a notification only comes before it
BUSY_SECONDS: Final = 0.05  # between looks while the broker has all it may
INDEX_SECONDS: Final = 0.25
SLICE_SECONDS: Final = 0.25  # how long a walk may lock what it looks at: its slices grow and shrink towards it
LONGEST_SLICE: Final = 1024
SEAL_SECONDS: Final = 5.0
BATCH_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 1.0  # after a failure
END_SECONDS: Final = 3.0  # for a stop; whatever waits for a service then, the process does not
TROUBLE: Final = (psycopg.Error, PoolTimeout, Unavailable, *broker.TROUBLE)


class Dispatcher:
    """The loops of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = db.pool(settings, size=8)
        self._broker = make_broker(settings)
        self._woken = asyncio.Event()
        self._slice = documents.SLICE
        self._delivering = db.pool(settings, size=4)
        self._deliverer = Deliverer(settings, self._delivering)
        self._steps = (
            self._listen,
            self._dispatch,
            self._recover,
            self._index,
            self._walk,
            self._seal,
            self._finish,
            self._schedule,
            self._deliverer.deliver,
        )
        self._loops = {step.__name__: Loop(step.__name__.lstrip("_"), datetime.now(UTC)) for step in self._steps}

    @property
    def pool(self) -> Pool:
        return self._pool

    async def run(self) -> None:
        """Dispatch until cancelled."""
        itself = await asyncio.to_thread(heartbeat.introduce, "dispatcher", threads=len(self._steps))
        async with self._pool, self._delivering, heartbeat.beating(self._pool, itself, self._report):
            logger.info("dispatcher started")
            try:
                await self._loop()
            finally:
                await self._deliverer.finish()

    async def _loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for step in self._steps:
                group.create_task(self._for_ever(step))

    def _report(self) -> Beat:
        return Beat(loops=list(self._loops.values()))

    async def _for_ever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
                self._note(step.__name__, None)
            except TROUBLE as error:
                logger.warning("dispatcher waits", doing=step.__name__, error=str(error))
                self._note(step.__name__, str(error) or type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, step: str, error: str | None) -> None:
        """Since when it goes like this: well, or not, whatever the error is called meanwhile."""
        loop = self._loops[step]
        if (loop.error is None) != (error is None):
            loop.since = datetime.now(UTC)
        loop.error = error

    async def _listen(self) -> None:
        """Wake the dispatch when the API has written jobs."""
        listening = await psycopg.AsyncConnection.connect(self._settings.database_url, autocommit=True)
        async with listening:
            await listening.execute("listen jobs")
            self._note(self._listen.__name__, None)
            self._woken.set()
            async for _ in listening.notifies():
                self._woken.set()

    async def _dispatch(self) -> None:
        """Send what the broker has room for; the rest stays in the database, where it can be overtaken."""
        async with db.transaction(self._pool) as connection:
            due = await dispatch.due(connection)
        if due.messages:
            await asyncio.to_thread(messages.send, self._broker, due.messages)
        await self._wait(BUSY_SECONDS if due.full else POLL_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def _recover(self) -> None:
        """Take back what stopped workers held, and what a broker forgot."""
        async with db.transaction(self._pool) as connection:
            expired = await expired_leases.give_back(connection)
        for lease in expired:
            ended = "job failed" if lease.failed else "lease expired"
            logger.warning(ended, job_id=str(lease.job_id), stage=lease.stage, attempt=lease.attempts)
        await self._remind()
        await asyncio.sleep(POLL_SECONDS)

    async def _remind(self) -> None:
        """Send messages again that nobody took, unless they pile up: then it is the workers that are missing."""
        if await asyncio.to_thread(waiting, self._broker) >= 2 * MAX_MESSAGES:
            return
        async with db.transaction(self._pool) as connection:
            lost = await dispatch.release_lost_messages(connection, MAX_MESSAGES)
        if lost:
            logger.info("messages sent again", number=lost)
            self._woken.set()

    async def _index(self) -> None:
        """Write what changed into the search."""
        async with db.transaction(self._pool) as connection:
            indexed = await documents.drain_outbox(connection)
        if not indexed:
            await asyncio.sleep(INDEX_SECONDS)

    async def _walk(self) -> None:
        """Write all of it again, or check it, where somebody asked for that, beside what changes meanwhile."""
        started = time.monotonic()
        async with db.transaction(self._pool) as connection:
            step = await reindex.next_batch(connection, self._slice, gentle=False)
        for drift in step.drift if step and step.purpose == "check" else ():
            metrics.SEARCH_DRIFT.labels(drift.kind).inc()
        if step:
            self._slice = _next_slice(self._slice, time.monotonic() - started)
        else:
            await asyncio.sleep(POLL_SECONDS)

    async def _seal(self) -> None:
        """Make what the audit log says so far unchangeable; the seal is logged, where the database cannot reach it."""
        async with db.transaction(self._pool) as connection:
            made = await seals.seal(connection)
        if made:
            logger.info("audit log sealed", seal=made)
        await asyncio.sleep(SEAL_SECONDS)

    async def _finish(self) -> None:
        """Write down which batches are over."""
        async with db.borrow(self._pool) as connection:
            over = await batch_changes.finish(connection)
        for batch_id in over:
            logger.info("batch ended", batch_id=str(batch_id))
        await asyncio.sleep(BATCH_SECONDS)

    async def _schedule(self) -> None:
        """Post the housekeeping that is due; of several dispatchers one does."""
        async with db.transaction(self._pool) as connection:
            fired = await schedule.fire(connection)
        if fired:
            logger.info("housekeeping posted", tasks=fired)
        await asyncio.sleep(POLL_SECONDS)


def _next_slice(size: int, seconds: float) -> int:
    if seconds > SLICE_SECONDS:
        return max(size // 2, 1)
    return min(size * 2, LONGEST_SLICE) if seconds < SLICE_SECONDS / 2 else size


async def run(settings: Settings) -> None:
    """Dispatch until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    with ExitStack() as opened:
        with process.starting():
            dispatcher = Dispatcher(settings)
            opened.enter_context(serve_metrics(settings, dispatcher.pool, loop))
            await db.reach(settings)
            await asyncio.to_thread(schema.require, settings.database_url)
        task = asyncio.create_task(dispatcher.run())
        for number in termination.STOPS:
            loop.add_signal_handler(number, _stop, task)
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _stop(task: asyncio.Task[None]) -> None:
    termination.leave_within(END_SECONDS)
    task.cancel()


def main() -> int:
    """Run; 1 and one line where it cannot."""
    return process.main("dispatcher", lambda settings: uvloop.run(run(settings)))

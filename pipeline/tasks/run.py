"""One run of a housekeeping task: short transactions, each of which counts only while the job is ours.

What a run has done so far is written down in each of them, so that it survives whoever does it.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.housekeeping import schedule
from models.jobs import claims
from models.jobs.claims import Claimed
from pipeline.engine.context import Context
from pipeline.engine.lease import LostLease

RUN_SECONDS: Final = 60.0  # then a run ends, and where there is more to do the next one follows at once


class Run:
    """A run, begun now, or gone on with where the worker before it stopped."""

    def __init__(self, context: Context, claimed: Claimed) -> None:
        self.context: Final = context
        self.settings: Final = context.settings
        self.storage: Final = context.storage
        self.claimed: Final = claimed
        self.actor: Final = Actor("housekeeping", claimed.request_id, claimed.job_id)
        self.counts: Final = Counter(claimed.result or {})
        self._ends = time.monotonic() + RUN_SECONDS

    @property
    def task(self) -> str:
        return self.claimed.source_reference

    @property
    def out_of_time(self) -> bool:
        """Whether it should leave the rest to the next run: it has had its time, or somebody waits to be alone."""
        return time.monotonic() >= self._ends or self.context.lock.wanted

    def ago(self, *, hours: int = 0, days: int = 0) -> datetime:
        """So long before the job was posted, by the clock of the database."""
        return self.claimed.created_at.astimezone(UTC) - timedelta(hours=hours, days=days)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction that holds the job; the counts are written with it.

        Raises:
            LostLease: where somebody else owns the job now.
        """
        async with db.transaction(self.context.pool) as connection:
            if not await claims.hold(connection, self.claimed):
                raise LostLease
            yield connection
            await schedule.note(connection, self.claimed.job_id, self.counts)

    async def save(self) -> None:
        """Write the counts down now."""
        async with self.transaction():
            pass

    async def slices(self, name: str, work: Callable[[Connection], Awaitable[int]]) -> bool:
        """Do one slice after another until one finds nothing, counting under a name; True where time ran out."""
        while not self.out_of_time:
            async with self.transaction() as connection:
                number = await work(connection)
                if number:
                    self.counts[name] += number
            if not number:
                return False
        return True

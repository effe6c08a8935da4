"""The server's jobs as the command line sees them, awaited together."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

from ops.client.http import Client
from ops.client.jobs import Job

LOOKED_AT: Final = 8  # batches asked about in one round
PAUSES: Final = (0.1, 1.0)  # seconds between two rounds, from busy to nothing new
IN_FLIGHT: Final = 10_000  # unfinished jobs looked through for files that are already on their way
ALL: Final = 10_000_000  # jobs of a batch
WHOLE_SECONDS: Final = 30.0  # between looks at all of a batch; those between see what has ended since
OVERLAP: Final = timedelta(seconds=3)  # an end is written down before others see it


class Watch:
    """Waits for the ends of many jobs with few questions: a batch at a time, the oldest first."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[str, dict[str, asyncio.Future[Job]]] = {}
        self._turns: deque[str] = deque()
        self._news = asyncio.Event()
        self._whole_at: dict[str, float] = {}
        self._since: dict[str, datetime] = {}

    async def end_of(self, job: Job) -> Job:
        if job.ended:
            return job
        where = f"batch_id={job.batch_id}" if job.batch_id else job.job_id
        if where not in self._open:
            self._turns.append(where)
        future = self._open.setdefault(where, {}).setdefault(job.job_id, asyncio.get_running_loop().create_future())
        self._news.set()
        return await asyncio.shield(future)

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            CommandError: the server refuses, or stays away.
        """
        pause = PAUSES[0]
        while True:
            await self._news.wait()
            ended = [await self._look(self._turns.popleft()) for _ in range(min(LOOKED_AT, len(self._turns)))]
            pause = PAUSES[0] if any(ended) else min(pause * 1.5, PAUSES[1])
            if not self._open:
                self._news.clear()
            await asyncio.sleep(pause)

    async def _look(self, where: str) -> bool:
        waiting = self._open[where]
        ended = [job for job in await self._ask(where) if job.ended and job.job_id in waiting]
        for job in ended:
            waiting.pop(job.job_id).set_result(job)
        if waiting:
            self._turns.append(where)
        else:
            del self._open[where]
        return bool(ended)

    async def _ask(self, where: str) -> list[Job]:
        kind, _, batch_id = where.partition("=")
        if not batch_id:
            return [(await self._client.get(f"/api/v1/ingest/{kind}", Job)).data]
        since = self._seen_until(where)
        found = [job async for job in jobs(self._client, most=ALL, batch_id=batch_id, finished_after=since)]
        ends = [job.finished_at for job in found if job.finished_at]
        if ends:
            self._since[where] = max(ends)
        return found

    def _seen_until(self, where: str) -> str | None:
        """The time after which jobs may have ended that were not seen yet; None for all of them."""
        now = time.monotonic()
        if now - self._whole_at.get(where, -WHOLE_SECONDS) >= WHOLE_SECONDS:
            self._whole_at[where] = now
            return None
        since = self._since.get(where)
        return (since - OVERLAP).isoformat() if since else None


async def jobs(client: Client, *, most: int = IN_FLIGHT, **filters: str | int | None) -> AsyncIterator[Job]:
    """The jobs that match, newest first, ``most`` at most."""
    left = most
    async for page in client.pages("/api/v1/ingest", list[Job], limit=100, **filters):
        for job in page.data[:left]:
            yield job
        left -= len(page.data)
        if left <= 0:
            return


async def unfinished(client: Client, entity_type: str) -> AsyncIterator[Job]:
    """The jobs queued or running that bring files for a type of entity."""
    for status in ("queued", "running"):
        async for job in jobs(client, kind="ingest", status=status, entity_type=entity_type):
            yield job

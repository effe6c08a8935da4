"""The server's jobs as the command line sees them: posted in batches, awaited together."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from ops.client.errors import FileFailed, Why
from ops.client.http import Client
from ops.client.jobs import Job

BATCH: Final = 25  # jobs posted at once
LINGER: Final = 0.25  # seconds a job waits for others to travel with
LOOKED_AT: Final = 8  # batches asked about in one round
PAUSES: Final = (0.1, 1.0)  # seconds between two rounds, from busy to nothing new
IN_FLIGHT: Final = 10_000  # unfinished jobs looked through for files that are already on their way


class Posted(msgspec.Struct):
    """What became of one job of a batch: the job, or why it was refused."""

    index: int
    job: Job | None = None
    error: Why | None = None


class Batch(msgspec.Struct):
    """The answer to a batch, one result per job, in order."""

    batch_id: str
    results: list[Posted]


class Batches:
    """Collects jobs and posts them together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[Job]]] = []
        self._posts: set[asyncio.Task[None]] = set()

    async def submit(self, job: dict[str, Any]) -> Job:
        """Post a job, together with others that come at the same time.

        Raises:
            Failed: the server refused this job.
            CommandError: it refused, or lost, the whole batch.
        """
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if len(self._waiting) >= BATCH:
            self._start(0)
        elif len(self._waiting) == 1:
            self._start(LINGER)
        return await future

    def _start(self, linger: float) -> None:
        task = asyncio.create_task(self._post(linger))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def _post(self, linger: float) -> None:
        await asyncio.sleep(linger)
        taken, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if not taken:
            return
        try:
            answer = await self._client.post("/api/v1/ingest/batch", Batch, {"jobs": [job for job, _ in taken]})
            for (_, future), posted in zip(taken, answer.data.results, strict=True):
                _settle(future, posted, answer.data.batch_id)
        except Exception as error:  # handed to those who wait for it
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)


def _settle(future: asyncio.Future[Job], posted: Posted, batch_id: str) -> None:
    if future.done():
        return  # whoever waited for it was cancelled
    if posted.job is None:
        why = posted.error or Why("SERVER_ERROR", "The server gave neither a job nor a reason.")
        future.set_exception(FileFailed(why.code, why.message))
    else:
        posted.job.batch_id = posted.job.batch_id or batch_id
        future.set_result(posted.job)


class Watch:
    """Waits for the ends of many jobs with few questions: a batch at a time, the oldest first."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[str, dict[str, asyncio.Future[Job]]] = {}
        self._turns: deque[str] = deque()
        self._news = asyncio.Event()

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
        return [job async for job in jobs(self._client, batch_id=batch_id)]


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

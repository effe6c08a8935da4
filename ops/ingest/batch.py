"""The one batch of a run: opened by its name, so that a run started again goes on with it, and closed at the end."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx2
import msgspec

from ops.client.errors import ApiError, FileFailed, Why
from ops.client.http import Client
from ops.client.jobs import Job
from ops.errors import CommandError

PATH: Final = "/api/v1/ingest/batches"
TOGETHER: Final = 25  # jobs posted at once
LINGER: Final = 0.25  # seconds a job waits for others to travel with


class Batch(msgspec.Struct):
    """What we use of a batch."""

    batch_id: str
    name: str
    total: int
    cancelled_at: str | None = None


class Posted(msgspec.Struct):
    """What became of one job: the job, or why it was refused."""

    index: int
    job: Job | None = None
    error: Why | None = None


class PostedBatch(msgspec.Struct):
    """The answer to a post, one result per job, in order."""

    results: list[Posted]


class RunBatch:
    """Collects the jobs of a run and posts them together; ``opened`` is told the batch."""

    def __init__(self, client: Client, name: str, opened: Callable[[Batch], None]) -> None:
        self._client = client
        self._name = name
        self._opened = opened
        self._turn = asyncio.Lock()
        self._batch: Batch | None = None
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[Job]]] = []
        self._posts: set[asyncio.Task[None]] = set()

    async def open(self) -> Batch:
        """The batch, new or as an interrupted run has left it."""
        async with self._turn:
            if self._batch is None:
                body = {"name": self._name, "keep_open": True}
                self._batch = (await self._client.post(PATH, Batch, body)).data
                self._opened(self._batch)
            return self._batch

    async def close(self) -> None:
        """It takes no more jobs; somebody else may have closed it."""
        if self._batch is None:
            return
        try:
            await self._client.post(f"{PATH}/{self._batch.batch_id}/close", Batch)
        except ApiError as error:
            if error.status != httpx2.codes.CONFLICT:
                raise

    async def submit(self, job: dict[str, Any]) -> Job:
        """Post a job, together with others that come at the same time.

        Raises:
            FileFailed: the server refused this job.
            CommandError: it refused, or lost, all of them; or the batch was cancelled.
        """
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if len(self._waiting) >= TOGETHER:
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
        taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if not taken:
            return
        try:
            results = await self._results([job for job, _ in taken])
            for (_, future), posted in zip(taken, results, strict=True):
                _settle(future, posted)
        except Exception as error:  # handed to those who wait for it
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)

    async def _results(self, jobs: list[dict[str, Any]]) -> list[Posted]:
        while True:
            batch = await self.open()
            body = {"batch_id": batch.batch_id, "jobs": jobs}
            try:
                return (await self._client.post("/api/v1/ingest/batch", PostedBatch, body)).data.results
            except ApiError as error:
                if error.status == httpx2.codes.BAD_REQUEST and (error.field or "").startswith("jobs["):
                    return await self._one_by_one(jobs, error)
                if error.status != httpx2.codes.CONFLICT or error.field != "batch_id":
                    raise
                await self._leave(batch)

    async def _one_by_one(self, jobs: list[dict[str, Any]], error: ApiError) -> list[Posted]:
        """None of them is taken; each is told why by itself."""
        if len(jobs) == 1:
            return [Posted(0, error=Why(error.code, error.message.partition(": ")[2] or error.message))]
        return [posted for job in jobs for posted in await self._results([job])]

    async def _leave(self, batch: Batch) -> None:
        """Another run of the same files has closed the batch, and a new one goes on; or somebody stopped it."""
        now = (await self._client.get(f"{PATH}/{batch.batch_id}", Batch)).data
        if now.cancelled_at is not None:
            raise CommandError(f"Batch {batch.batch_id} was cancelled. Run the same command again to begin a new one.")
        async with self._turn:
            if self._batch is batch:
                self._batch = None


def _settle(future: asyncio.Future[Job], posted: Posted) -> None:
    if future.done():
        return  # whoever waited for it was cancelled
    if posted.job is None:
        why = posted.error or Why("SERVER_ERROR", "The server gave neither a job nor a reason.")
        future.set_exception(FileFailed(why.code, why.message))
    else:
        future.set_result(posted.job)

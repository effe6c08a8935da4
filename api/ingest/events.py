"""A job's states as server-sent events, for as long as it has not ended, its watcher may see it, and we are not told to
stop.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from uuid import UUID

from litestar.response import ServerSentEventMessage
from msgspec import json

from api import shutdown
from models.db.connection import Pool, borrow
from models.jobs import ledger

LOOK_SECONDS: Final = 0.2  # after news
LONGEST_SECONDS: Final = 1.0  # where there is none: each watcher of a job that waits asks the database no more often
QUIET_SECONDS: Final = 15.0  # proxies close a stream that says nothing for a minute or so
OVER: Final = "the token has expired or is no longer good: come with another"

_VERSION: Final = re.compile(r"[0-9]{1,18}")


def seen_version(last_event_id: str | None, newest: int) -> int:
    """The version that a watcher who comes back has seen; 0 where its id is none of ours."""
    given = _VERSION.fullmatch(last_event_id or "")
    return min(int(given[0]), newest) if given else 0


async def _always() -> bool:
    return True


async def events(
    pool: Pool,
    job_id: UUID,
    seen: int,
    *,
    may: Callable[[], Awaitable[bool]] = _always,
    quiet_seconds: float = QUIET_SECONDS,
) -> AsyncIterator[ServerSentEventMessage]:
    """Each state of the job after version ``seen``; a comment where there is no news for ``quiet_seconds``.

    ``may`` says whether the watcher still may; a comment tells that this is over.
    """
    spoke, pause = time.monotonic(), LOOK_SECONDS
    while not shutdown.TOLD.is_set():
        async with borrow(pool) as db:
            current = await ledger.version(db, job_id)
            job = await ledger.read(db, job_id) if current is not None and current > seen else None
        if job is not None:
            seen, spoke, pause = job.version, time.monotonic(), LOOK_SECONDS
            yield ServerSentEventMessage(data=json.encode(job).decode(), event=job.status, id=str(seen))
        elif time.monotonic() - spoke >= quiet_seconds:
            spoke = time.monotonic()
            yield ServerSentEventMessage(data=None, comment="no news")
        if current is None or (job is not None and job.finished_at is not None):
            return
        await asyncio.sleep(pause)
        if not await may():
            yield ServerSentEventMessage(data=None, comment=OVER)
            return
        pause = min(pause * 1.5, LONGEST_SECONDS)

"""The one wrapper of a stage: claim, keep the lease, work, then effects, state and next stage in one transaction.

A stage works outside any transaction and returns its ``Finish``: what to write, and how the job goes on. A second
delivery of the same hint claims nothing; a worker that lost its lease writes nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct
from psycopg_pool import PoolTimeout

from models import database, jobs, metrics
from models.database import Connection
from models.errors import Fault, JobError, Rejected, Unavailable
from models.jobs import LEASE_SECONDS, MAX_ATTEMPTS, RETRY_PAUSES, STAGES, Claimed, Found, Stage
from pipeline.context import Context

log = structlog.get_logger()
LIMIT_SECONDS: Final = 3600.0  # of one attempt of one stage
RENEW_SECONDS: Final = LEASE_SECONDS / 3


class Advance(Struct):
    """The stage is done; the next one is due."""

    found: Found | None = None


class Postpone(Struct):
    """The stage waits for another job; the attempt does not count."""

    seconds: float = jobs.POSTPONE_SECONDS


Step = Advance | Postpone
Finish = Callable[[Connection], Awaitable[Step]]
Work = Callable[[Context, Claimed], Awaitable[Finish]]
Hint = Callable[[UUID, Stage], Awaitable[None]]


class LostLease(Exception):
    """Somebody else owns the job now, or it was cancelled: what was done here does not count."""


async def run(context: Context, stage: Stage, work: Work, job_id: UUID, hint: Hint) -> None:
    """One attempt of one stage of one job; nothing where it is not to be had."""
    async with database.connection(context.pool) as connection:
        claimed = await jobs.claim(connection, job_id, stage, context.worker)
    if claimed is None:
        return
    with (
        context.working(),
        structlog.contextvars.bound_contextvars(
            request_id=claimed.request_id, job_id=str(job_id), stage=stage, attempt=claimed.attempts
        ),
    ):
        await _attempt(context, claimed, work, hint)


async def _attempt(context: Context, claimed: Claimed, work: Work, hint: Hint) -> None:
    _started(claimed)
    started = time.perf_counter()
    try:
        finish = await _leased(context, claimed, _limited(work(context, claimed)))
        await _finish(context, claimed, finish, hint)
    except LostLease:
        log.warning("lease lost")
        context.drop(claimed.job_id)
    except asyncio.CancelledError:
        await _give_back(context, claimed)
        raise
    except Exception as error:
        await _failed(context, claimed, _sorted(error))
    finally:
        metrics.STAGE_SECONDS.labels(claimed.stage).observe(time.perf_counter() - started)


def _started(claimed: Claimed) -> None:
    if claimed.stage == STAGES[0] and claimed.attempts == 1:
        metrics.JOB_WAIT.observe(claimed.waited_seconds)
    log.info("stage started")


async def _limited(work: Awaitable[Finish]) -> Finish:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await work
    except TimeoutError as error:
        raise Fault("TIMEOUT", f"the stage took longer than {LIMIT_SECONDS:.0f} seconds") from error


async def _leased(context: Context, claimed: Claimed, work: Coroutine[Any, Any, Finish]) -> Finish:
    """Work while the lease is renewed beside it; stop where it is lost."""
    working = asyncio.create_task(work)
    renewing = asyncio.create_task(_renew(context, claimed))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise LostLease
        return await working
    finally:
        for task in (working, renewing):
            task.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


async def _renew(context: Context, claimed: Claimed) -> None:
    """Ends where the lease is lost, or could not be renewed for as long as it lasts."""
    held_until = time.monotonic() + LEASE_SECONDS
    while time.monotonic() < held_until:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            async with database.connection(context.pool) as connection:
                if not await jobs.renew(connection, claimed):
                    return
            held_until = time.monotonic() + LEASE_SECONDS
        except (psycopg.Error, PoolTimeout, Unavailable) as error:
            log.warning("lease not renewed", error=str(error))


async def _finish(context: Context, claimed: Claimed, finish: Finish, hint: Hint) -> None:
    following = _following(claimed.stage)
    async with database.transaction(context.pool) as connection:
        if not await jobs.hold(connection, claimed):
            raise LostLease
        step = await finish(connection)
        if isinstance(step, Postpone):
            await jobs.postpone(connection, claimed, step.seconds)
        elif following:
            await jobs.advance(connection, claimed, following, step.found)
        else:
            await jobs.succeed(connection, claimed)
    if isinstance(step, Postpone):
        log.info("stage postponed", seconds=step.seconds)
    elif following:
        log.info("stage succeeded")
        await hint(claimed.job_id, following)
    else:
        _succeeded(claimed)


def _following(stage: Stage) -> Stage | None:
    place = STAGES.index(stage) + 1
    return STAGES[place] if place < len(STAGES) else None


def _succeeded(claimed: Claimed) -> None:
    metrics.JOBS_ENDED.labels(claimed.outcome or "", "").inc()
    metrics.JOB_SECONDS.observe(claimed.age_seconds)
    log.info("job succeeded", outcome=claimed.outcome, seconds=round(claimed.age_seconds, 3))


async def _failed(context: Context, claimed: Claimed, error: JobError) -> None:
    """Record the failure; where even that fails, the lease runs out and the stage is given back."""
    final = isinstance(error, Rejected) or claimed.attempts >= MAX_ATTEMPTS
    async with database.transaction(context.pool) as connection:
        if final:
            ours = await jobs.fail(connection, claimed, error)
        else:
            ours = await jobs.retry_later(connection, claimed, error, _pause(claimed.attempts))
    if final:
        context.drop(claimed.job_id)
    if ours:
        _told(claimed, error, final=final)


def _told(claimed: Claimed, error: JobError, *, final: bool) -> None:
    if final:
        metrics.JOBS_ENDED.labels("failed", error.code).inc()
        metrics.JOB_SECONDS.observe(claimed.age_seconds)
        log.warning("job failed", code=error.code, error=error.message)
    else:
        metrics.STAGE_RETRIES.labels(claimed.stage).inc()
        log.warning("stage put off", code=error.code, error=error.message)


def _pause(attempt: int) -> float:
    return RETRY_PAUSES[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311  (jitter)


def _sorted(error: Exception) -> JobError:
    """The one place that tells the input's faults from ours."""
    if isinstance(error, JobError):
        return error
    log.error("stage broke", exc_info=error)
    return Fault("INTERNAL", "something went wrong on our side; it has been logged")


async def _give_back(context: Context, claimed: Claimed) -> None:
    """The process stops: the stage is due again at once, and this attempt does not count."""
    async with database.transaction(context.pool) as connection:
        await jobs.postpone(connection, claimed, 0)

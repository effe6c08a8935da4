"""The one wrapper of a stage: claim, keep the lease, work, then effects, state and next stage in one transaction.

A stage works outside any transaction and returns its ``Ending``, or, where it has effects, its ``Finish``: what writes
them and gives the ending. A second delivery of the same message claims nothing; who lost the lease writes nothing.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import structlog

from models.db import connection as db
from models.db.connection import Connection
from models.errors import Broken, Fault, JobError
from models.jobs import claims, endings
from models.jobs.claims import Claimed, Holder
from models.jobs.endings import Advanced, Ended, Ending, Failed, Postponed, Succeeded
from models.jobs.types import JobKind, Stage
from pipeline.engine.context import Context
from pipeline.engine.lease import RENEWALS, LostLease, leased
from pipeline.media.fair_semaphore import CALLER

log = structlog.get_logger()
ELSEWHERE_SECONDS: Final = 1.0  # how long a message waits in a process that takes nothing on before another may have it
BROKEN_SECONDS: Final = 5.0  # how long a stage waits that a process could not begin
SHORT: Final = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # what a process may run out of
RECORD_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 4.0)  # in all less than a lease
T = TypeVar("T")

AT_ONCE: Final = Postponed(0)  # another process may have the stage now
TOLD: Final = {Advanced: "stage succeeded", Succeeded: "job succeeded", Postponed: "stage postponed"}

Finish = Callable[[Connection], Awaitable[Ending]]
Work = Callable[[Context, Claimed, Path], Awaitable[Finish | Ending]]
Chains = Mapping[JobKind, Mapping[Stage, Work]]


async def run(context: Context, chains: Chains, stage: Stage, job_id: UUID) -> None:
    """A stage of a job, and while all goes well those after it; nothing where the stage is not to be had.

    The transaction that ends a stage claims the next one for this same worker, which has the file at hand. Where the
    worker dies between or within stages, the job goes on from the stage it was in, wherever its next message arrives;
    on its last attempt with nothing beside it, so that it is not blamed for what a neighbour does.
    """
    if not await context.lock.open(ELSEWHERE_SECONDS):
        async with db.borrow(context.pool) as connection:
            await claims.pass_on(connection, job_id)
        return
    with context.lock.shared():
        if claimed := await context.claimer.claim(job_id, stage):
            await _begin(context, chains, claimed)
            return
    async with db.borrow(context.pool) as connection:
        reserved = await claims.reserve(connection, job_id, stage)
    if reserved:
        with context.working():  # a process that stops does not wait for it
            async with _reserved(context, job_id), context.lock.exclusive():
                if claimed := await context.claimer.claim_alone(job_id, stage):
                    await _begin(context, chains, claimed)


@asynccontextmanager
async def _reserved(context: Context, job_id: UUID) -> AsyncIterator[None]:
    """Hold a suspect back from other processes until it is claimed, so that one of them waits for it and no more."""
    keeping = asyncio.create_task(_keep_reserved(context, job_id))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep_reserved(context: Context, job_id: UUID) -> None:
    kept = True
    while kept:
        await asyncio.sleep(claims.RESERVED_SECONDS / RENEWALS)
        async with db.borrow(context.pool) as connection:
            kept = await claims.keep_reserved(connection, job_id)


async def _begin(context: Context, chains: Chains, claimed: Claimed) -> None:
    """Go on from a stage as far as it goes."""
    CALLER.set(claimed.created_by)
    with (
        context.working(),
        structlog.contextvars.bound_contextvars(request_id=claimed.request_id, job_id=str(claimed.job_id)),
    ):
        try:
            async with context.folder() as folder:
                await _go_on(context, chains[claimed.kind], claimed, folder)
        except OSError as error:  # there is no place for files
            await _end(context, claimed, _broken(context, error))


async def _go_on(context: Context, chain: Mapping[Stage, Work], claimed: Claimed | None, folder: Path) -> None:
    while claimed is not None:
        with structlog.contextvars.bound_contextvars(stage=claimed.stage, attempt=claimed.attempts):
            claimed = await _attempt(context, claimed, chain[claimed.stage], folder)


async def _attempt(context: Context, claimed: Claimed, work: Work, folder: Path) -> Claimed | None:
    """One attempt; the next stage where it went well and there is one."""
    try:
        return await _end(context, claimed, await leased(context, claimed, work(context, claimed, folder)))
    except LostLease:
        await _tell_lost(context, claimed)
    except asyncio.CancelledError:
        await _end(context, claimed, AT_ONCE)
        raise
    except Exception as error:
        await _end(context, claimed, _ending(context, claimed, error))
    return None


def _ending(context: Context, claimed: Claimed, error: Exception) -> Ending:
    """How an attempt ends that met an error: where the fault is the database's or the process's, it does not count."""
    if isinstance(error, db.AWAY) and not isinstance(error, db.REFUSED):
        log.warning("the database went away", error=str(error))
        return AT_ONCE
    known = _sorted(error)
    return _broken(context, error) if isinstance(known, Broken) else endings.failed(claimed, known)


def _sorted(error: Exception) -> JobError:
    """The one place that tells the input's faults from ours."""
    if isinstance(error, JobError):
        return error
    log.error("stage broke", exc_info=error)
    if isinstance(error, OSError) and error.errno in SHORT:
        return Broken("INTERNAL", "the process ran out of what it needs")
    return Fault("INTERNAL", "something went wrong on our side; it has been logged")


def _broken(context: Context, error: Exception) -> Ending:
    """The process is broken, not the job: it ends, and another may have the job."""
    log.error("the process cannot work", error=str(error))
    context.broken()
    return Postponed(BROKEN_SECONDS)


async def _end(context: Context, claimed: Claimed, done: Finish | Ending) -> Claimed | None:
    """Write how the stage ended; the next one, where it is ours. Where even that fails, the lease runs out."""
    written = await _recorded(context, lambda connection: _write(connection, claimed, done, context.holder))
    if written is None:
        await _tell_lost(context, claimed)
        return None
    ending, ended = written
    _tell(ending, claimed)
    return ended.following


async def _write(
    connection: Connection, claimed: Claimed, done: Finish | Ending, holder: Holder
) -> tuple[Ending, Ended] | None:
    """What has no effects but its ending is one statement; else all of it is one transaction, which holds the job."""
    if not callable(done):
        ended = await endings.end(connection, claimed, done, holder)
        return (done, ended) if ended else None
    async with connection.transaction():
        if not await claims.hold(connection, claimed):
            return None
        return await _write(connection, claimed, await done(connection), holder)


async def _recorded(context: Context, write: Callable[[Connection], Awaitable[T]]) -> T:
    """Write, again while the database is away: the fence makes a repetition harmless."""
    for pause in RECORD_PAUSES:
        try:
            async with db.borrow(context.pool) as connection:
                return await write(connection)
        except db.AWAY as error:
            log.warning("not recorded yet", error=str(error))
            await asyncio.sleep(pause)
    async with db.borrow(context.pool) as connection:
        return await write(connection)


async def _tell_lost(context: Context, claimed: Claimed) -> None:
    """A job that was cancelled has lost its lease as it should."""
    cancelled = False
    with suppress(*db.AWAY):
        async with db.borrow(context.pool) as connection:
            cancelled = await claims.was_cancelled(connection, claimed)
    if cancelled:
        log.info("job cancelled")
    else:
        log.warning("lease lost")


def _tell(ending: Ending, claimed: Claimed) -> None:
    if isinstance(ending, Failed):
        what = "job failed" if ending.retry_seconds is None else "stage put off"
        log.warning(what, code=ending.error.code, error=ending.error.message)
    else:
        log.info(TOLD[type(ending)], outcome=claimed.outcome)

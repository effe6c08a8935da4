"""The one wrapper of a stage: claim, keep the lease, work, then effects, state and next stage in one transaction.

A stage works outside any transaction and returns how the job goes on, or, where it has effects, its ``Finish``: what
to write first. A second delivery of the same message claims nothing; a worker that lost its lease writes nothing.
"""

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import structlog
from msgspec import Struct

from models import db
from models.db.connection import Connection
from models.errors import Broken, Fault, JobError, Rejected
from models.jobs import claims, poison
from models.jobs.claims import MAX_ATTEMPTS, RETRY_PAUSES, Claimed, Found, Holder, Verdict
from models.jobs.types import CHAINS, JobKind, Stage
from pipeline.engine.context import Context
from pipeline.engine.lease import RENEWALS, LostLease, leased
from pipeline.media.fair_semaphore import CALLER

log = structlog.get_logger()
ELSEWHERE_SECONDS: Final = 1.0  # how long a message waits in a process that takes nothing on before another may have it
BROKEN_SECONDS: Final = 5.0  # how long a stage waits that a process could not begin
SHORT: Final = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # what a process may run out of
RECORD_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 4.0)  # in all less than a lease
T = TypeVar("T")


class Postpone(Struct):
    """The stage waits for another job; the attempt does not count."""

    seconds: float = claims.POSTPONE_SECONDS


Step = Found | Verdict | Postpone | None
Finish = Callable[[Connection], Awaitable[Step]]
Work = Callable[[Context, Claimed, Path], Awaitable[Finish | Step]]
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
            await _not_begun(context, claimed, error)


async def _go_on(context: Context, chain: Mapping[Stage, Work], claimed: Claimed | None, folder: Path) -> None:
    while claimed is not None:
        with structlog.contextvars.bound_contextvars(stage=claimed.stage, attempt=claimed.attempts):
            claimed = await _attempt(context, claimed, chain[claimed.stage], folder)


async def _attempt(context: Context, claimed: Claimed, work: Work, folder: Path) -> Claimed | None:
    """One attempt; the next stage where it went well and there is one."""
    try:
        done = await leased(context, claimed, work(context, claimed, folder))
        return await _finish(context, claimed, done)
    except LostLease:
        log.warning("lease lost")
    except asyncio.CancelledError:
        await _give_back(context, claimed)
        raise
    except db.REFUSED as error:
        await _failed(context, claimed, _sorted(error))
    except db.AWAY as error:
        log.warning("the database went away", error=str(error))
        await _give_back(context, claimed)
    except Exception as error:
        await _failed(context, claimed, _sorted(error))
    return None


class Ended(Struct):
    """How a stage ended, and the next one, where it is ours at once."""

    how: str
    following: Claimed | None = None


async def _finish(context: Context, claimed: Claimed, done: Finish | Step) -> Claimed | None:
    """End the stage: what writes nothing but its end does so in one statement, all else in a transaction."""
    if callable(done):
        ended = await _recorded(context, lambda connection: _write(connection, claimed, done, context.holder))
    else:
        ended = await _recorded(context, lambda connection: _end(connection, claimed, done, context.holder))
    log.info(ended.how, outcome=claimed.outcome)
    return ended.following


async def _write(connection: Connection, claimed: Claimed, finish: Finish, holder: Holder) -> Ended:
    async with connection.transaction():
        if not await claims.hold(connection, claimed):
            raise LostLease
        return await _end(connection, claimed, await finish(connection), holder)


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


async def _end(connection: Connection, claimed: Claimed, step: Step, holder: Holder) -> Ended:
    if isinstance(step, Postpone):
        await claims.postpone(connection, claimed, step.seconds)
        return Ended("stage postponed")
    chain = CHAINS[claimed.kind]
    place = chain.index(claimed.stage) + 1
    if place == len(chain):
        if not await claims.succeed(connection, claimed):
            raise LostLease
        return Ended("job succeeded")
    following = await claims.advance(connection, claimed, chain[place], holder, step)
    if following is None:
        raise LostLease
    return Ended("stage succeeded", following if following.attempts else None)


async def _failed(context: Context, claimed: Claimed, error: JobError) -> None:
    """Record the failure; where even that fails, the lease runs out and the stage is given back."""
    if isinstance(error, Broken):
        await _not_begun(context, claimed, error)
        return
    final = isinstance(error, Rejected) or claimed.attempts >= MAX_ATTEMPTS

    async def write(connection: Connection) -> bool:
        if not final:
            return await claims.retry_later(connection, claimed, error, _pause(claimed.attempts))
        async with connection.transaction():
            return await _fail(connection, claimed, error)

    if not await _recorded(context, write):
        log.warning("lease lost")
    else:
        log.warning("job failed" if final else "stage put off", code=error.code, error=error.message)


async def _fail(connection: Connection, claimed: Claimed, error: JobError) -> bool:
    failed = await claims.fail(connection, claimed, error)
    sha256 = error.content[0] if error.content else claimed.sha256
    if failed and sha256 and (error.poison or error.code == "DECODER_KILLED"):
        await poison.remember(connection, sha256, error, claimed.job_id)
    return failed


def _pause(attempt: int) -> float:
    return RETRY_PAUSES[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311  (jitter)


def _sorted(error: Exception) -> JobError:
    """The one place that tells the input's faults from ours."""
    if isinstance(error, JobError):
        return error
    log.error("stage broke", exc_info=error)
    if isinstance(error, OSError) and error.errno in SHORT:
        return Broken("INTERNAL", "the process ran out of what it needs")
    return Fault("INTERNAL", "something went wrong on our side; it has been logged")


async def _not_begun(context: Context, claimed: Claimed, error: Exception) -> None:
    """The process is broken, not the job: it ends, another may have the job, and this attempt does not count."""
    log.error("the process cannot work", error=str(error))
    context.broken()
    await _give_back(context, claimed, BROKEN_SECONDS)


async def _give_back(context: Context, claimed: Claimed, seconds: float = 0) -> None:
    """The stage is due again, at once where the process stops, and this attempt does not count."""
    await _recorded(context, lambda connection: claims.postpone(connection, claimed, seconds))

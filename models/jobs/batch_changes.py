"""What is done to a batch: it is opened, closed, cancelled, started again, and over when its last job has ended."""

from datetime import datetime
from typing import Final, Self
from uuid import UUID

from msgspec import Struct, json

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.jobs import bulk, ledger, transitions
from models.jobs.batches import Batch, read, read_all
from models.jobs.bulk import CancelFilter, RetryFilter
from models.jobs.types import Job, NewJob


class Opened(Struct):
    """A batch that takes jobs, locked until the transaction ends: nobody closes or ends it meanwhile."""

    batch_id: UUID
    name: str
    created_by: str
    closed_at: datetime | None
    cancelled_at: datetime | None

    def check_owner(self, actor: Actor, *, admin: bool) -> Self:
        """
        Raises:
            Forbidden: where it is another's, and the caller no admin.
        """
        if not admin and self.created_by != actor.subject:
            raise Forbidden(f"batch {self.batch_id} is {self.created_by}'s; only they or an admin may change it")
        return self

    def check_open(self) -> Self:
        """
        Raises:
            Conflict: naming ``batch_id``.
        """
        if self.closed_at is not None:
            how = "was cancelled" if self.cancelled_at else "is closed"
            raise Conflict(f"batch {self.batch_id} {how} and takes no more jobs; open another", field="batch_id")
        return self


async def open_(connection: Connection, actor: Actor, name: str, *, kept_open: bool = False) -> Opened:
    """A new batch; where it is kept open, the one of this name that the caller keeps open already, if there is one."""
    params = {"name": name, "kept_open": kept_open, "actor": actor.subject}
    made = await db.row(connection, Opened, _OPEN, params)
    assert made is not None  # noqa: S101
    return made


_OPEN: Final = b"""
    insert into batches (name, kept_open, created_by) values (%(name)s, %(kept_open)s, %(actor)s)
    on conflict (created_by, name) where kept_open and closed_at is null do update set name = excluded.name
    returning batch_id, name, created_by, closed_at, cancelled_at
"""


async def hold(connection: Connection, batch_id: UUID) -> Opened:
    """Lock a batch.

    Raises:
        NotFound
    """
    found = await db.row(connection, Opened, _HOLD, [batch_id])
    if found is None:
        raise NotFound(f"there is no batch {batch_id}")
    return found


_HOLD: Final = b"""
    select batch_id, name, created_by, closed_at, cancelled_at from batches where batch_id = %s for no key update
"""


async def taking(connection: Connection, actor: Actor, batch_id: UUID, *, admin: bool) -> Opened:
    """The batch that jobs are posted into, locked.

    Raises:
        Invalid: naming ``batch_id``, where there is none.
        Forbidden, Conflict
    """
    try:
        found = await hold(connection, batch_id)
    except NotFound as error:
        raise Invalid(error.message, field="batch_id") from None
    return found.check_owner(actor, admin=admin).check_open()


async def add(connection: Connection, actor: Actor, batch: Opened, wanted: list[NewJob]) -> list[Job]:
    """A job of the batch for each, in order.

    Where the batch brings the same file for the same entity already, that is its job: so two runs of a folder at once
    double nothing.
    """
    before: list[UUID | None] = await db.value(connection, _BROUGHT, [json.encode(wanted).decode(), batch.batch_id])
    new = [job for job, brought in zip(wanted, before, strict=True) if brought is None]
    made = iter(await transitions.enqueue(connection, actor, new, batch.batch_id) if new else [])
    ids = [brought or next(made) for brought in before]
    jobs = {job.job_id: job for job in await ledger.read_all(connection, ids)}
    return [jobs[job_id] for job_id in ids]


_BROUGHT: Final = b"""
    select array_agg(there.job_id order by ordinality)
    from rows from (jsonb_to_recordset(%s::jsonb) as (entity_id uuid, role text, sha256 text)) with ordinality as wanted
    left join lateral (
        select job_id from ingest_jobs as job
        where job.entity_id = wanted.entity_id and job.batch_id = %s and job.role = wanted.role
          and job.declared_sha256 = wanted.sha256 and job.status not in ('failed', 'cancelled')
        order by job_id limit 1
    ) as there on true
"""


async def close(connection: Connection, actor: Actor, batch_id: UUID, *, admin: bool) -> Batch:
    """Let a batch take no more jobs: it ends when the last one has.

    Raises:
        NotFound, Forbidden, Conflict
    """
    (await hold(connection, batch_id)).check_owner(actor, admin=admin).check_open()
    await db.execute(connection, "update batches set closed_at = clock_timestamp() where batch_id = %s", [batch_id])
    return await read(connection, batch_id)


async def cancel(connection: Connection, actor: Actor, batch_id: UUID, *, admin: bool) -> Batch:
    """Close a batch and end those of its jobs that have not ended.

    Raises:
        NotFound, Forbidden
        Conflict: where it is over.
    """
    (await hold(connection, batch_id)).check_owner(actor, admin=admin)
    if (await read(connection, batch_id)).finished_at is not None:
        raise Conflict("this batch has ended already: there is nothing to cancel")
    query = """
        update batches set closed_at = coalesce(closed_at, clock_timestamp()),
                           cancelled_at = coalesce(cancelled_at, clock_timestamp()) where batch_id = %s
    """
    await db.execute(connection, query, [batch_id])
    await bulk.cancel(connection, actor, CancelFilter(batch_id=batch_id))
    return await read(connection, batch_id)


async def retry(connection: Connection, actor: Actor, batch_id: UUID, *, admin: bool) -> Batch:
    """Start what failed again; of a batch that was cancelled, also what was cancelled.

    Raises:
        NotFound, Forbidden
        Conflict: where nothing starts again.
    """
    held = (await hold(connection, batch_id)).check_owner(actor, admin=admin)
    done = await bulk.retry(connection, actor, RetryFilter(batch_id=batch_id, status="failed"))
    if held.cancelled_at:
        more = await bulk.retry(connection, actor, RetryFilter(batch_id=batch_id, status="cancelled"))
        done.retried, done.skipped = done.retried + more.retried, done.skipped + more.skipped
        await db.execute(connection, "update batches set cancelled_at = null where batch_id = %s", [batch_id])
    if not done.retried:
        raise Conflict(_nothing_again(done.skipped))
    return await read(connection, batch_id)


def _nothing_again(skipped: int) -> str:
    if skipped:
        return f"{skipped} jobs are for what is deleted, or a newer job does the same: restore it before"
    return "no job of this batch failed or was cancelled with it"


async def finish(connection: Connection) -> list[UUID]:
    """Write down the end of each batch whose last job has ended: ``finished_at`` changes here and nowhere else.

    Those whose count says so are locked first and counted again then, so that nobody posts or retries in between.
    """
    async with connection.transaction():
        held: list[UUID] | None = await db.value(connection, _OVER)
        if not held:
            return []
        over = await read_all(connection, held)
        ended = {batch.batch_id: batch.finished_at for batch in over if batch.finished_at is not None}
        await db.execute(connection, _FINISH, [list(ended), list(ended.values())])
        return list(ended)


_OVER: Final = b"""
    select array_agg(batch_id) from (
        select batch_id from batches
        where finished_at is null and (closed_at is not null or not kept_open)
          and coalesce((select sum(total - succeeded - failed - cancelled) from batch_counts as shard
                        where shard.batch_id = batches.batch_id), 0) = 0
        for update skip locked
    ) as over
"""
_FINISH: Final = b"""
    update batches set finished_at = ended.at from unnest(%s::uuid[], %s::timestamptz[]) as ended (batch_id, at)
    where batches.batch_id = ended.batch_id
"""

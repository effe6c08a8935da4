"""A worker's hold on a stage of a job: claimed, renewed, and checked before anything is written for it.

A claim counts the attempt, raises the fence and takes a lease on the database's clock. It is ours while the fence and
the lease stand (``MINE``); how it ends is in ``endings``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert

from models.db import connection as db
from models.db.connection import Connection
from models.entities import EntityType, FileRole
from models.jobs.pauses import PAUSED
from models.jobs.predicates import MINE, SUSPECT, WAITING
from models.jobs.types import JobKind, OnDuplicate, Outcome, Priority, Stage
from models.media.files import Owner
from models.media.types import Media

RESERVED_SECONDS: Final = 3.0  # seconds for which a process that has just said so waits to run a suspect


class Claimed(Struct):
    """A stage that is ours as long as the fence stands."""

    job_id: UUID
    kind: JobKind
    stage: Stage
    priority: Priority
    fence: int
    attempts: int
    entity_type: EntityType
    entity_id: UUID
    role: FileRole
    source_reference: str
    on_duplicate: OnDuplicate
    declared_sha256: str | None
    sha256: str | None
    file_size: int | None
    media: dict[str, Any] | None
    source_etag: str | None
    outcome: Outcome | None
    duplicate_of: dict[str, Any] | None
    request_id: str
    created_by: str
    created_at: datetime
    result: dict[str, int] | None

    @property
    def owner(self) -> Owner:
        """What the job's content belongs to, if it is new."""
        return Owner(self.job_id, self.entity_type, self.entity_id, self.role)

    @property
    def found(self) -> Media:
        """What probing found; only after the ingest stage."""
        return convert(self.media, Media)


class Holder(Struct, frozen=True):
    """Who claims, and for how long unless renewed."""

    worker: str
    lease_seconds: float


CLAIMED_COLUMNS: Final = """
    job_id, kind, stage, priority, fence, attempts, entity_type, entity_id, role, source_reference, on_duplicate,
    declared_sha256, sha256, file_size, media, source_etag, outcome, duplicate_of, request_id, created_by, created_at,
    result
"""


async def pass_on(connection: Connection, job_id: UUID) -> None:
    """Let a message that cannot be followed here count no more, so that another is sent at once, for any process."""
    await db.execute(connection, _PASS_ON, [job_id])


_PASS_ON: Final = f"""
    with free as (
        update ingest_jobs as job set dispatched_at = null
        where job_id = %s and {WAITING} and dispatched_at <= clock_timestamp()
    )
    select pg_notify('jobs', '')
""".encode()


async def reserve(connection: Connection, job_id: UUID, stage: Stage) -> bool:
    """Whether a stage that is due has to run with nothing beside it in its process, and nobody waits for that yet.

    It is this process's for some seconds then, dispatched in the future: nobody is dispatched it meanwhile.
    """
    return await db.execute(connection, _RESERVE, {"job_id": job_id, "stage": stage, "secs": RESERVED_SECONDS}) == 1


_RESERVE: Final = f"""
    update ingest_jobs as job set dispatched_at = clock_timestamp() + make_interval(secs => %(secs)s)
    where job_id = %(job_id)s and stage = %(stage)s and {WAITING} and run_at <= clock_timestamp()
      and dispatched_at <= clock_timestamp() and {SUSPECT}
      and not {PAUSED.format(priority="job.priority", stage="job.stage")}
""".encode()


async def keep_reserved(connection: Connection, job_id: UUID) -> bool:
    """Reserve a stage for longer; False once it is claimed, or was not reserved in time."""
    return await db.execute(connection, _KEEP_RESERVED, [RESERVED_SECONDS, job_id]) == 1


_KEEP_RESERVED: Final = f"""
    update ingest_jobs as job set dispatched_at = clock_timestamp() + make_interval(secs => %s)
    where job_id = %s and {WAITING} and dispatched_at > clock_timestamp()
""".encode()


async def claim(
    connection: Connection, wanted: Mapping[UUID, Stage], holder: Holder, *, alone: bool = False
) -> list[Claimed]:
    """Take those stages that are due and no other transaction holds: count the attempt, raise the fence.

    A suspect is claimed only by a process that works on nothing else and says so (``alone``). A stage whose message no
    longer counts is not claimed: the dispatcher holds the limits of priorities, and sends a new message when it may.
    """
    params: dict[str, Any] = {"jobs": list(wanted), "stages": list(wanted.values())}
    params |= {"worker": holder.worker, "lease": holder.lease_seconds}
    return await db.rows(connection, Claimed, _CLAIM_ALONE if alone else _CLAIM, params)


# The condition on the message makes the planner find the rows by their primary key; the index of messages is full of
# dead entries. The ids come as one array, so that the plan is the same for any number of them.
_CLAIMING: Final = f"""
    with due as (
        select job_id from ingest_jobs as job
        where job_id = any(array(select unnest(%(jobs)s::uuid[])))
          and stage = (%(stages)s::text[])[array_position(%(jobs)s::uuid[], job_id)]
          and {WAITING} and run_at <= clock_timestamp() and coalesce(dispatched_at, 'infinity') < 'infinity'
          and not {PAUSED.format(priority="job.priority", stage="job.stage")}
          {{others}}
    ), claimed as (
        update ingest_jobs as job
        set status = 'running', fence = fence + 1, attempts = attempts + 1, dispatched_at = null,
            started_at = coalesce(started_at, clock_timestamp()), error_code = null, error_message = null,
            lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
        from due where job.job_id = due.job_id
        returning job.*
    ), counted as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker)
        select job_id, fence, stage, attempts, %(worker)s from claimed
    )
    select {CLAIMED_COLUMNS} from claimed
"""
_CLAIM: Final = _CLAIMING.format(others=f"and not {SUSPECT} for no key update skip locked").encode()
_CLAIM_ALONE: Final = _CLAIMING.format(others="for no key update").encode()  # who renews the reservation is waited for


async def renew(connection: Connection, claimed: Claimed, holder: Holder) -> bool:
    """Hold the lease for longer; False where the job is no longer ours."""
    params = {"job_id": claimed.job_id, "fence": claimed.fence, "lease": holder.lease_seconds}
    return await db.execute(connection, _RENEW, params) == 1


_RENEW: Final = f"""
    update ingest_jobs as job set lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s) where {MINE}
""".encode()


async def hold(connection: Connection, claimed: Claimed) -> bool:
    """Lock the job before anything else of the transaction that ends a stage; False where it is no longer ours."""
    return await db.value(connection, _HOLD, {"job_id": claimed.job_id, "fence": claimed.fence}) is True


_HOLD: Final = f"select true from ingest_jobs as job where {MINE} for update".encode()


async def was_cancelled(connection: Connection, claimed: Claimed) -> bool:
    """Whether a stage that is no longer ours was cancelled: nothing went wrong then."""
    query = "select result = 'cancelled' from ingest_attempts where job_id = %s and fence = %s"
    return await db.value(connection, query, [claimed.job_id, claimed.fence]) is True


async def entity_is_busy(connection: Connection, claimed: Claimed) -> bool:
    """Whether another job is past deduplication for the same entity: two at once would mix up its pictures.

    One that makes pictures again counts only while it puts them in place: nobody waits for it while it is queued.
    Holds a lock on the entity's turn until the transaction ends.
    """
    await db.execute(connection, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(claimed.entity_id)])
    query = """
        select exists (select from ingest_jobs
                       where entity_id = %s and entity_type = %s and job_id <> %s
                         and (kind = 'ingest' and stage in ('thumbnail', 'index') and status in ('queued', 'running')
                              or kind = 'reprocess' and stage = 'index' and status = 'running'))
    """
    params = [claimed.entity_id, claimed.entity_type, claimed.job_id]
    return await db.value(connection, query, params) is True

"""A worker's hold on a stage of a job: claimed, renewed, and ended in one of five ways.

A claim counts the attempt, raises the fence and takes a lease on the database's clock. Each ending does nothing, and
says so, where the fence has moved on: then somebody else owns the job.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert, json

from models import db
from models.db.connection import Connection
from models.errors import JobError
from models.jobs.pauses import PAUSED
from models.jobs.types import DuplicateOf, JobKind, OnDuplicate, Outcome, Priority, Stage
from models.media import files
from models.media.files import Owner
from models.media.types import EntityType, Media, Role

MAX_ATTEMPTS: Final = 3
RETRY_PAUSES: Final = (2.0, 15.0)  # seconds before the second and the third attempt, each jittered by half
RESERVED_SECONDS: Final = 3.0  # seconds for which a process that has just said so waits to run a suspect
POSTPONE_SECONDS: Final = 2.0  # how long a job waits for another's file unless that one wakes it


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
    role: Role
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


_CLAIMED: Final = """
    job_id, kind, stage, priority, fence, attempts, entity_type, entity_id, role, source_reference, on_duplicate,
    declared_sha256, sha256, file_size, media, source_etag, outcome, duplicate_of, request_id, created_by, created_at,
    result
"""


class Found(Struct):
    """What the ingest stage learns of a file."""

    sha256: str
    file_size: int
    media: Media
    source_etag: str


# A worker died with the stage, and if it dies once more it is the stage's fault: so nothing else may be at work then.
_SUSPECT: Final = f"""
    (attempts >= {MAX_ATTEMPTS - 1} and exists (
        select from ingest_attempts as made
        where made.job_id = ingest_jobs.job_id and made.fence > retried_fence
          and made.stage = ingest_jobs.stage and made.result = 'lost'))
"""


async def pass_on(connection: Connection, job_id: UUID) -> None:
    """Let a message that cannot be followed here count no more, so that another is sent at once, for any process."""
    query = """
        with free as (
            update ingest_jobs set dispatched_at = null
            where job_id = %s and lease_expires_at is null and dispatched_at <= clock_timestamp()
        )
        select pg_notify('jobs', '')
    """
    await db.execute(connection, query, [job_id])


async def reserve(connection: Connection, job_id: UUID, stage: Stage) -> bool:
    """Whether a stage that is due has to run with nothing beside it in its process, and nobody waits for that yet.

    It is this process's for some seconds then, dispatched in the future: nobody is dispatched it meanwhile.
    """
    return await db.execute(connection, _RESERVE, {"job_id": job_id, "stage": stage, "secs": RESERVED_SECONDS}) == 1


_RESERVE: Final = f"""
    update ingest_jobs set dispatched_at = clock_timestamp() + make_interval(secs => %(secs)s)
    where job_id = %(job_id)s and stage = %(stage)s and status in ('queued', 'running')
      and lease_expires_at is null and run_at <= clock_timestamp()
      and dispatched_at <= clock_timestamp() and {_SUSPECT}
      and not {PAUSED.format(priority="ingest_jobs.priority", stage="ingest_jobs.stage")}
""".encode()


async def keep_reserved(connection: Connection, job_id: UUID) -> bool:
    """Reserve a stage for longer; False once it is claimed, or was not reserved in time."""
    query = """
        update ingest_jobs set dispatched_at = clock_timestamp() + make_interval(secs => %s)
        where job_id = %s and lease_expires_at is null and dispatched_at > clock_timestamp()
    """
    return await db.execute(connection, query, [RESERVED_SECONDS, job_id]) == 1


async def claim(
    connection: Connection, wanted: Mapping[UUID, Stage], holder: Holder, *, alone: bool = False
) -> list[Claimed]:
    """Take those stages that are due and no other transaction holds: count the attempt, raise the fence.

    A suspect is to be had only by who has nothing else at work, and says so. Without a message that counts none is
    to be had: the dispatcher, which keeps the priorities to their bounds, sends a new one.
    """
    params: dict[str, Any] = {"jobs": list(wanted), "stages": list(wanted.values())}
    params |= {"worker": holder.worker, "lease": holder.lease_seconds}
    return await db.rows(connection, Claimed, _CLAIM_ALONE if alone else _CLAIM, params)


# A message is asked for so that the way to the rows is their key, not the index of messages with all its dead ones;
# whose jobs, so that the plan does not rest on how many they are, and is made once.
_CLAIMING: Final = f"""
    with due as (
        select job_id from ingest_jobs
        where job_id = any(array(select unnest(%(jobs)s::uuid[])))
          and stage = (%(stages)s::text[])[array_position(%(jobs)s::uuid[], job_id)]
          and status in ('queued', 'running')
          and lease_expires_at is null and run_at <= clock_timestamp()
          and coalesce(dispatched_at, 'infinity') < 'infinity'
          and not {PAUSED.format(priority="ingest_jobs.priority", stage="ingest_jobs.stage")}
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
    select {_CLAIMED} from claimed
"""
_CLAIM: Final = _CLAIMING.format(others=f"and not {_SUSPECT} for no key update skip locked").encode()
_CLAIM_ALONE: Final = _CLAIMING.format(others="for no key update").encode()  # who renews the reservation is waited for


async def renew(connection: Connection, claimed: Claimed, holder: Holder) -> bool:
    """Hold the lease for longer; False where the job is no longer ours."""
    query = """
        update ingest_jobs set lease_expires_at = clock_timestamp() + make_interval(secs => %s)
        where job_id = %s and fence = %s and status = 'running' and lease_expires_at is not null
    """
    return await db.execute(connection, query, [holder.lease_seconds, claimed.job_id, claimed.fence]) == 1


async def hold(connection: Connection, claimed: Claimed) -> bool:
    """Lock the job before anything else of the transaction that ends a stage; False where it is no longer ours."""
    query = """
        select true from ingest_jobs
        where job_id = %s and fence = %s and status = 'running' and lease_expires_at is not null for update
    """
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


_FINISH: Final = """
    with ended as (
        update ingest_jobs set {sets}, lease_expires_at = null
        where job_id = %(job_id)s and fence = %(fence)s and status = 'running' and lease_expires_at is not null
        returning job_id, fence
    ), reported as (
        update ingest_attempts as attempt
        set finished_at = clock_timestamp(), result = %(result)s, error_code = %(code)s, error_message = %(message)s
        from ended where attempt.job_id = ended.job_id and attempt.fence = ended.fence
    )
    select true from ended
"""


async def _finish(
    connection: Connection, claimed: Claimed, sets: str, result: str, error: JobError | None = None, **params: Any
) -> bool:
    """False where the job was not ours."""
    params |= {"job_id": claimed.job_id, "fence": claimed.fence, "result": result}
    params |= {"code": error.code if error else None, "message": error.message if error else None}
    return await db.value(connection, _FINISH.replace("{sets}", sets).encode(), params) is True


class Verdict(Struct):
    """What deduplication decided."""

    outcome: Outcome
    duplicate_of: DuplicateOf | None = None


async def advance(
    connection: Connection, claimed: Claimed, following: Stage, holder: Holder, learnt: Found | Verdict | None = None
) -> Claimed | None:
    """End a stage and claim the next one in the same breath.

    None where the job is no longer ours. Where the next stage is paused, it has no attempts: it waits in the queue.
    """
    sets, params = _learnt(learnt)
    params |= {"job_id": claimed.job_id, "fence": claimed.fence, "stage": following, "priority": claimed.priority}
    params |= {"worker": holder.worker, "lease": holder.lease_seconds}
    return await db.row(connection, Claimed, _ADVANCE.replace("{sets}", sets).encode(), params)


_ADVANCE: Final = f"""
    with pause as materialized (
        select {PAUSED.format(priority="%(priority)s", stage="%(stage)s")} as holds
    ), claimed as (
        update ingest_jobs
        set stage = %(stage)s, fence = fence + 1, {{sets}}
            status = case when holds then 'queued' else 'running' end, attempts = case when holds then 0 else 1 end,
            lease_expires_at = case when not holds then clock_timestamp() + make_interval(secs => %(lease)s) end
        from pause
        where job_id = %(job_id)s and fence = %(fence)s and status = 'running' and lease_expires_at is not null
        returning *
    ), ended as (
        update ingest_attempts set finished_at = clock_timestamp(), result = 'succeeded'
        from claimed where ingest_attempts.job_id = claimed.job_id and ingest_attempts.fence = %(fence)s
    ), begun as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker)
        select job_id, fence, stage, attempts, %(worker)s from claimed where not holds
    )
    select {_CLAIMED} from claimed
"""


def _learnt(learnt: Found | Verdict | None) -> tuple[str, dict[str, Any]]:
    if isinstance(learnt, Found):
        sets = "sha256 = %(sha256)s, file_size = %(file_size)s, media = %(media)s::jsonb, source_etag = %(etag)s,"
        media = json.encode(learnt.media).decode()
        return sets, {
            "sha256": learnt.sha256,
            "file_size": learnt.file_size,
            "media": media,
            "etag": learnt.source_etag,
        }
    if isinstance(learnt, Verdict):
        of = json.encode(learnt.duplicate_of).decode() if learnt.duplicate_of else None
        return "outcome = %(outcome)s, duplicate_of = %(of)s::jsonb,", {"outcome": learnt.outcome, "of": of}
    return "", {}


async def succeed(connection: Connection, claimed: Claimed) -> bool:
    """End the job well; False where it is no longer ours."""
    return await _finish(connection, claimed, "status = 'succeeded', finished_at = clock_timestamp()", "succeeded")


async def fail(connection: Connection, claimed: Claimed, error: JobError) -> bool:
    """End the job with an error that stays until somebody retries it; False where it is no longer ours."""
    sets = (
        "status = 'failed', finished_at = clock_timestamp(),"
        " outcome = null, error_code = %(code)s, error_message = %(message)s,"
        " sha256 = coalesce(%(sha256)s, sha256), file_size = coalesce(%(size)s, file_size)"
    )
    sha256, size = error.content or (None, None)
    ended = await _finish(connection, claimed, sets, "failed", error, sha256=sha256, size=size)
    if ended:
        await files.release(connection, claimed.job_id)
    return ended


async def retry_later(connection: Connection, claimed: Claimed, error: JobError, seconds: float) -> bool:
    """Put the stage off; the error stays visible until it starts again."""
    sets = (
        "status = 'queued', run_at = clock_timestamp() + make_interval(secs => %(seconds)s),"
        " error_code = %(code)s, error_message = %(message)s"
    )
    return await _finish(connection, claimed, sets, "failed", error, seconds=seconds)


async def postpone(connection: Connection, claimed: Claimed, seconds: float) -> bool:
    """Put the stage off as if it had not begun: it waits for another job, not for luck."""
    query = """
        with postponed as (
            update ingest_jobs
            set status = 'queued', attempts = attempts - 1, lease_expires_at = null,
                run_at = clock_timestamp() + make_interval(secs => %(seconds)s)
            where job_id = %(job_id)s and fence = %(fence)s and status = 'running' and lease_expires_at is not null
            returning job_id, fence
        )
        delete from ingest_attempts as attempt using postponed
        where attempt.job_id = postponed.job_id and attempt.fence = postponed.fence
    """
    params = {"job_id": claimed.job_id, "fence": claimed.fence, "seconds": seconds}
    return await db.execute(connection, query, params) == 1

"""The job ledger: PostgreSQL is the queue of record, and every step of a job is one statement here.

A worker *claims* a stage: the attempt is counted, the fence raised, a lease taken on the database's clock. It
*renews* the lease while it works. It *finishes* with ``advance`` (which claims the next stage too), ``succeed``,
``fail``, ``retry_later`` or ``postpone``, each of which does nothing and says so where the fence has moved on: then
somebody else owns the job.
"""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct, convert, json

from models import database, files
from models.database import Connection
from models.errors import Conflict, ErrorCode, JobError, NotFound
from models.fields import Reference, Sha256
from models.media import EntityType, Media, Role
from models.table import Actor

Stage = Literal["ingest", "deduplicate", "thumbnail", "index"]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StageStatus = Literal["pending", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]
OnDuplicate = Literal["link", "reject", "keep"]
Priority = Literal["interactive", "batch", "backfill"]
Outcome = Literal["stored", "duplicate"]

STAGES: Final[tuple[Stage, ...]] = ("ingest", "deduplicate", "thumbnail", "index")
MAX_ATTEMPTS: Final = 3
RETRY_PAUSES: Final = (1.0, 5.0)  # seconds before the second and the third attempt, each jittered by half
POSTPONE_SECONDS: Final = 2.0  # how long a job waits for another's file unless that one wakes it
HINT_PATIENCE_SECONDS: Final = 5.0  # a hint this old that nobody took is taken for lost


class NewJob(Struct, forbid_unknown_fields=True):
    """What a client asks to have ingested."""

    entity_type: EntityType
    entity_id: UUID
    source_reference: Reference
    role: Role = "primary"
    sha256: Sha256 | None = None
    on_duplicate: OnDuplicate = "link"
    priority: Priority = "interactive"


class DuplicateOf(Struct):
    """The entity that had the same bytes first."""

    entity_type: EntityType
    entity_id: UUID
    file_reference: str
    deleted: bool = False


class JobFailure(Struct):
    """Why a job failed, or why its last attempt did."""

    code: ErrorCode
    message: str


class StageReport(Struct):
    """How one stage went; ``seconds`` is the time its attempts worked."""

    name: Stage
    status: StageStatus
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None


class Job(Struct):
    """A job as its client sees it."""

    job_id: UUID
    batch_id: UUID | None
    entity_type: EntityType
    entity_id: UUID
    role: Role
    source_reference: str
    priority: Priority
    on_duplicate: OnDuplicate
    status: Status
    stage: Stage
    outcome: Outcome | None
    duplicate_of: DuplicateOf | None
    sha256: str | None
    file_size: int | None
    mime_type: str | None
    attempts: int
    error: JobFailure | None
    stages: list[StageReport]
    request_id: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int


class Attempt(Struct):
    """One start of one stage."""

    stage: Stage
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    result: Literal["succeeded", "failed", "postponed", "lost"] | None
    error_code: ErrorCode | None
    error_message: str | None


class Claimed(Struct):
    """A stage that is ours as long as the fence stands."""

    job_id: UUID
    stage: Stage
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
    waited_seconds: float  # from the job's creation to its first start
    age_seconds: float  # since the job's creation

    @property
    def found(self) -> Media:
        """What probing found; only after the ingest stage."""
        return convert(self.media, Media)


class Holder(Struct, frozen=True):
    """Who claims, and for how long unless renewed."""

    worker: str
    lease_seconds: float


_CLAIMED: Final = """
    job_id, stage, fence, attempts, entity_type, entity_id, role, source_reference, on_duplicate, declared_sha256,
    sha256, file_size, media, source_etag, outcome, duplicate_of, request_id, created_by,
    extract(epoch from started_at - created_at)::float8, extract(epoch from clock_timestamp() - created_at)::float8
"""


class Found(Struct):
    """What the ingest stage learns of a file."""

    sha256: str
    file_size: int
    media: Media
    source_etag: str


class Hint(Struct):
    """A stage that is due."""

    job_id: UUID
    stage: Stage


_JOB: Final = """
    select job_id, batch_id, entity_type, entity_id, role, source_reference, priority, on_duplicate, status, stage,
           outcome, duplicate_of, coalesce(sha256, declared_sha256) as sha256, file_size,
           media ->> 'mime_type' as mime_type, attempts, error_code, error_message, request_id, created_by,
           created_at, started_at, finished_at, version, lease_expires_at is not null as leased,
           coalesce((select jsonb_agg(jsonb_build_object('stage', stage, 'attempt', attempt, 'worker', worker,
                         'started_at', started_at, 'finished_at', finished_at, 'result', result,
                         'error_code', error_code, 'error_message', error_message) order by fence)
                     from ingest_attempts where ingest_attempts.job_id = job.job_id), '[]') as attempts_made
    from ingest_jobs as job
"""


class _Row(Struct):
    job_id: UUID
    batch_id: UUID | None
    entity_type: EntityType
    entity_id: UUID
    role: Role
    source_reference: str
    priority: Priority
    on_duplicate: OnDuplicate
    status: Status
    stage: Stage
    outcome: Outcome | None
    duplicate_of: dict[str, Any] | None
    sha256: str | None
    file_size: int | None
    mime_type: str | None
    attempts: int
    error_code: ErrorCode | None
    error_message: str | None
    request_id: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    leased: bool
    attempts_made: list[Any]

    def job(self) -> Job:
        fields = {name: getattr(self, name) for name in Job.__struct_fields__ if hasattr(self, name)}
        fields["duplicate_of"] = self.duplicate_of and convert(self.duplicate_of, DuplicateOf)
        fields["error"] = JobFailure(self.error_code, self.error_message or "") if self.error_code else None
        return Job(**fields, stages=self._stages())

    def _stages(self) -> list[StageReport]:
        attempts = convert(self.attempts_made, list[Attempt])
        return [self._report(name, [made for made in attempts if made.stage == name]) for name in STAGES]

    def _report(self, name: Stage, attempts: list[Attempt]) -> StageReport:
        worked = [(made.finished_at - made.started_at).total_seconds() for made in attempts if made.finished_at]
        return StageReport(
            name=name,
            status=self._status_of(name),
            attempts=sum(made.result != "postponed" for made in attempts),
            started_at=attempts[0].started_at if attempts else None,
            finished_at=attempts[-1].finished_at if attempts else None,
            seconds=round(sum(worked), 6) if worked else None,
        )

    def _status_of(self, name: Stage) -> StageStatus:
        distance = STAGES.index(name) - STAGES.index(self.stage)
        if distance < 0:
            return "succeeded"
        if distance > 0:
            return "pending" if self.status in ("queued", "running") else "skipped"
        return "queued" if self.status == "running" and not self.leased else self.status


async def enqueue(connection: Connection, actor: Actor, new: list[NewJob], batch_id: UUID | None = None) -> list[UUID]:
    """Write jobs, in order, and wake the dispatcher when this transaction commits."""
    query = """
        with made as (
            insert into ingest_jobs (batch_id, entity_type, entity_id, role, source_reference, declared_sha256,
                                     on_duplicate, priority, request_id, created_by)
            select %s, entity_type, entity_id, role, source_reference, sha256, on_duplicate, priority, %s, %s
            from rows from (jsonb_to_recordset(%s::jsonb) as (entity_type text, entity_id uuid, role text,
                source_reference text, sha256 text, on_duplicate text, priority text)) with ordinality as wanted
            order by ordinality
            returning job_id
        ), woken as (select pg_notify('jobs', ''))
        select array_agg(job_id order by job_id) from made, woken
    """
    params = [batch_id, actor.request_id, actor.subject, json.encode(new).decode()]
    made: list[UUID] = await database.value(connection, query, params) or []
    return made


async def read(connection: Connection, job_id: UUID) -> Job:
    """One job.

    Raises:
        NotFound
    """
    found = await database.row(connection, _Row, f"{_JOB} where job_id = %s", [job_id])
    if found is None:
        raise NotFound(f"there is no job {job_id}")
    return found.job()


async def read_all(connection: Connection, job_ids: list[UUID]) -> list[Job]:
    """These jobs, in the order of their making."""
    found = await database.rows(connection, _Row, f"{_JOB} where job_id = any(%s) order by job_id", [job_ids])
    return [row.job() for row in found]


class JobFilter(Struct, forbid_unknown_fields=True):
    """Which jobs; what is None does not count."""

    status: Status | None = None
    stage: Stage | None = None
    error_code: ErrorCode | None = None
    entity_type: EntityType | None = None
    entity_id: UUID | None = None
    batch_id: UUID | None = None

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """SQL and its parameters."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return " and ".join(["true", *(f"{name} = %({name})s" for name in given)]), given


async def page(
    connection: Connection, wanted: JobFilter, limit: int, before: UUID | None
) -> tuple[list[Job], int, UUID | None]:
    """The newest jobs that match, their number up to 100,000, and the id to go on from."""
    where, params = wanted.conditions()
    count = f"select count(*) from (select from ingest_jobs where {where} limit 100001) as counted"  # noqa: S608
    total = await database.value(connection, count.encode(), params)
    after = " and job_id < %(before)s" if before else ""
    query = f"{_JOB} where {where}{after} order by job_id desc limit %(limit)s"
    found = await database.rows(connection, _Row, query.encode(), params | {"before": before, "limit": limit + 1})
    jobs = [row.job() for row in found[:limit]]
    return jobs, total, jobs[-1].job_id if len(found) > limit else None


async def version(connection: Connection, job_id: UUID) -> int | None:
    """How often the job has changed, or None where it is gone."""
    found: int | None = await database.value(connection, "select version from ingest_jobs where job_id = %s", [job_id])
    return found


async def claim(connection: Connection, job_id: UUID, stage: Stage, holder: Holder) -> Claimed | None:
    """Take a stage that is due, count the attempt, raise the fence; None where it is not to be had."""
    query = """
        with claimed as (
            update ingest_jobs
            set status = 'running', fence = fence + 1, attempts = attempts + 1, hinted_at = null,
                started_at = coalesce(started_at, clock_timestamp()), error_code = null, error_message = null,
                lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
            where job_id = %(job_id)s and stage = %(stage)s and status in ('queued', 'running')
              and lease_expires_at is null and run_at <= clock_timestamp()
            returning *
        ), counted as (
            insert into ingest_attempts (job_id, fence, stage, attempt, worker)
            select job_id, fence, stage, attempts, %(worker)s from claimed
        )
        select {columns} from claimed
    """
    params = {"job_id": job_id, "stage": stage, "worker": holder.worker, "lease": holder.lease_seconds}
    return await database.row(connection, Claimed, query.replace("{columns}", _CLAIMED).encode(), params)


async def renew(connection: Connection, claimed: Claimed, holder: Holder) -> bool:
    """Hold the lease for longer; False where the job is no longer ours."""
    query = """
        update ingest_jobs set lease_expires_at = clock_timestamp() + make_interval(secs => %s)
        where job_id = %s and fence = %s and status = 'running' and lease_expires_at is not null
    """
    return await database.execute(connection, query, [holder.lease_seconds, claimed.job_id, claimed.fence]) == 1


_FINISH: Final = """
    with ended as (
        update ingest_jobs set {sets}, lease_expires_at = null
        where job_id = %(job_id)s and fence = %(fence)s and status = 'running' and lease_expires_at is not null
        returning job_id, fence
    )
    update ingest_attempts as attempt
    set finished_at = clock_timestamp(), result = %(result)s, error_code = %(code)s, error_message = %(message)s
    from ended where attempt.job_id = ended.job_id and attempt.fence = ended.fence
"""


async def _finish(
    connection: Connection, claimed: Claimed, sets: str, result: str, error: JobError | None = None, **params: Any
) -> bool:
    params |= {"job_id": claimed.job_id, "fence": claimed.fence, "result": result}
    params |= {"code": error.code if error else None, "message": error.message if error else None}
    return await database.execute(connection, _FINISH.replace("{sets}", sets).encode(), params) == 1


class Verdict(Struct):
    """What deduplication decided."""

    outcome: Outcome
    duplicate_of: DuplicateOf | None = None


async def advance(
    connection: Connection, claimed: Claimed, following: Stage, holder: Holder, learnt: Found | Verdict | None = None
) -> Claimed | None:
    """End a stage and claim the next one in the same breath; None where the job is no longer ours."""
    sets, params = _learnt(learnt)
    params |= {"job_id": claimed.job_id, "fence": claimed.fence, "stage": following, "worker": holder.worker}
    query = _ADVANCE.replace("{sets}", sets).replace("{columns}", _CLAIMED).encode()
    return await database.row(connection, Claimed, query, params | {"lease": holder.lease_seconds})


_ADVANCE: Final = """
    with claimed as (
        update ingest_jobs
        set stage = %(stage)s, fence = fence + 1, attempts = 1, {sets}
            lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
        where job_id = %(job_id)s and fence = %(fence)s and status = 'running' and lease_expires_at is not null
        returning *
    ), ended as (
        update ingest_attempts set finished_at = clock_timestamp(), result = 'succeeded'
        from claimed where ingest_attempts.job_id = claimed.job_id and ingest_attempts.fence = %(fence)s
    ), begun as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker)
        select job_id, fence, stage, attempts, %(worker)s from claimed
    )
    select {columns} from claimed
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
    """End the job well."""
    return await _finish(connection, claimed, "status = 'succeeded', finished_at = clock_timestamp()", "succeeded")


async def fail(connection: Connection, claimed: Claimed, error: JobError) -> bool:
    """End the job with an error that stays until somebody retries it."""
    sets = (
        "status = 'failed', finished_at = clock_timestamp(),"
        " outcome = null, error_code = %(code)s, error_message = %(message)s"
    )
    if not await _finish(connection, claimed, sets, "failed", error):
        return False
    await files.release(connection, claimed.job_id)
    return True


async def retry_later(connection: Connection, claimed: Claimed, error: JobError, seconds: float) -> bool:
    """Put the stage off; the error stays visible until it starts again."""
    sets = (
        "status = 'queued', run_at = clock_timestamp() + make_interval(secs => %(seconds)s),"
        " error_code = %(code)s, error_message = %(message)s"
    )
    return await _finish(connection, claimed, sets, "failed", error, seconds=seconds)


async def postpone(connection: Connection, claimed: Claimed, seconds: float) -> bool:
    """Put the stage off without counting the attempt: it waits for another job, not for luck."""
    sets = "attempts = attempts - 1, run_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
    return await _finish(connection, claimed, sets, "postponed", seconds=seconds)


async def due(connection: Connection, limit: int) -> list[Hint]:
    """Mark and return the next stages to hint at: by lane, then by age."""
    query = """
        with due as (
            select job_id from ingest_jobs
            where status in ('queued', 'running') and lease_expires_at is null and hinted_at is null
              and run_at <= clock_timestamp()
            order by lane, job_id limit %s for update skip locked
        )
        update ingest_jobs as job set hinted_at = clock_timestamp() from due where job.job_id = due.job_id
        returning job.job_id, job.stage
    """
    found = await database.rows(connection, Hint, query, [limit])
    return sorted(found, key=lambda hint: hint.job_id)


async def forget_lost_hints(connection: Connection, limit: int) -> int:
    """Make stages due again whose hint nobody took in time."""
    query = """
        with lost as (
            select job_id from ingest_jobs
            where status in ('queued', 'running') and lease_expires_at is null
              and hinted_at < clock_timestamp() - make_interval(secs => %s)
            order by hinted_at limit %s for update skip locked
        )
        update ingest_jobs as job set hinted_at = null from lost where job.job_id = lost.job_id
    """
    return await database.execute(connection, query, [HINT_PATIENCE_SECONDS, limit])


class Expired(Struct):
    """A stage whose worker stopped renewing."""

    job_id: UUID
    stage: Stage
    attempts: int


async def give_back_expired(connection: Connection, limit: int = 100) -> list[Expired]:
    """End leases that ran out: the stage is due again, or failed where it has had its attempts."""
    query = """
        with expired as (
            select job_id from ingest_jobs
            where status = 'running' and lease_expires_at < clock_timestamp()
            order by lease_expires_at limit %(limit)s for update skip locked
        ), lost as (
            update ingest_attempts as attempt
            set finished_at = clock_timestamp(), result = 'lost', error_code = 'INTERNAL',
                error_message = 'the worker stopped without a word'
            from ingest_jobs as job, expired
            where job.job_id = expired.job_id and attempt.job_id = job.job_id and attempt.fence = job.fence
        )
        update ingest_jobs as job
        set lease_expires_at = null, fence = fence + 1,
            status = case when attempts >= %(most)s then 'failed' else 'queued' end,
            finished_at = case when attempts >= %(most)s then clock_timestamp() end,
            outcome = case when attempts >= %(most)s then null else outcome end,
            run_at = clock_timestamp(), hinted_at = null, error_code = 'INTERNAL',
            error_message = format('the worker stopped %%s times while it worked on this file', attempts)
        from expired where job.job_id = expired.job_id
        returning job.job_id, job.stage, job.attempts
    """
    found = await database.rows(connection, Expired, query, {"limit": limit, "most": MAX_ATTEMPTS})
    for expired in found:
        if expired.attempts >= MAX_ATTEMPTS:
            await files.release(connection, expired.job_id)
    return found


async def retry(connection: Connection, job_id: UUID) -> Job:
    """Start a failed or cancelled job again, from its first stage.

    Raises:
        NotFound
        Conflict: where it has not failed.
    """
    query = """
        update ingest_jobs
        set status = 'queued', stage = 'ingest', attempts = 0, error_code = null, error_message = null,
            outcome = null, duplicate_of = null, finished_at = null, run_at = clock_timestamp(), hinted_at = null
        where job_id = %s and status in ('failed', 'cancelled') returning pg_notify('jobs', '')
    """
    if not await database.execute(connection, query, [job_id]):
        current = await read(connection, job_id)
        raise Conflict(f"only a failed or cancelled job can be retried; this one is {current.status}")
    return await read(connection, job_id)


async def cancel(connection: Connection, job_id: UUID) -> Job:
    """End a job that has not ended; a worker that holds it finds its fence gone.

    Raises:
        NotFound
        Conflict: where it has ended.
    """
    query = """
        update ingest_jobs
        set status = 'cancelled', finished_at = clock_timestamp(), lease_expires_at = null, fence = fence + 1,
            outcome = null
        where job_id = %s and status in ('queued', 'running')
    """
    if not await database.execute(connection, query, [job_id]):
        current = await read(connection, job_id)
        raise Conflict(
            f"this job has ended: it {current.status}" if current.status != "cancelled" else "already cancelled"
        )
    await files.release(connection, job_id)
    return await read(connection, job_id)


def duplicate_of(claimed: Claimed) -> DuplicateOf | None:
    """What deduplication found, read back from the row."""
    return convert(claimed.duplicate_of, DuplicateOf) if claimed.duplicate_of else None

"""The job ledger as its clients see it: PostgreSQL is the queue of record.

How a worker holds a stage is in ``claims``; what is due, in ``dispatch``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, convert, json

from models import database, files, poison
from models.changes import Actor
from models.database import Connection
from models.errors import Conflict, ErrorCode, Invalid, NotFound, RateLimited
from models.fields import ObjectReference, Sha256
from models.media import EntityType, Role
from models.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor

Kind = Literal["ingest", "reprocess", "housekeeping"]
Stage = Literal["ingest", "deduplicate", "thumbnail", "index", "housekeeping"]
Subject = Literal[EntityType, "housekeeping"]  # what a job is for: an entity, or a task of ours
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StageStatus = Literal["pending", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]
OnDuplicate = Literal["link", "reject", "keep"]
Priority = Literal["interactive", "batch", "backfill"]
Outcome = Literal["stored", "duplicate"]

STAGES: Final[tuple[Stage, ...]] = ("ingest", "deduplicate", "thumbnail", "index")
# The stages of each kind of job: what makes pictures again begins where an ingest has its file.
CHAINS: Final[Mapping[Kind, tuple[Stage, ...]]] = {
    "ingest": STAGES,
    "reprocess": ("thumbnail", "index"),
    "housekeeping": ("housekeeping",),
}
SHARE_WAIT_SECONDS: Final = 30  # for who has too many jobs under way
LIST: Final = "ingest_jobs"
SORT: Final = "-created_at"  # ids are as old as their rows


class NewJob(Struct, forbid_unknown_fields=True):
    """What a client asks to have ingested."""

    entity_type: EntityType
    entity_id: UUID
    source_reference: ObjectReference
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
    """A job as its client sees it; an ingest, where no ``kind`` is said.

    Where it is of housekeeping, its ``source_reference`` is the name of the task, and its entity the task's id.
    """

    job_id: UUID
    batch_id: UUID | None
    entity_type: Subject
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
    kind: Kind | UnsetType = UNSET


class Attempt(Struct):
    """One start of one stage."""

    stage: Stage
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    result: Literal["succeeded", "failed", "lost", "cancelled"] | None
    error: JobFailure | None


_ATTEMPTS: Final = """
    coalesce((select jsonb_agg(jsonb_build_object('stage', stage, 'attempt', attempt, 'worker', worker,
                  'started_at', started_at, 'finished_at', finished_at, 'result', result,
                  'error', case when error_code is not null
                               then jsonb_build_object('code', error_code, 'message', coalesce(error_message, '')) end)
                  order by fence)
              from ingest_attempts as made where made.job_id = job.job_id and made.fence > {since}), '[]')
"""
_LAST_THOUSAND: Final = """
    coalesce((select fence from ingest_attempts as earlier where earlier.job_id = job.job_id
              order by fence desc offset 1000 limit 1), 0)
"""
_JOB: Final = f"""
    select job_id, kind, batch_id, entity_type, entity_id, role, source_reference, priority, on_duplicate, status,
           stage, outcome, duplicate_of, coalesce(sha256, declared_sha256) as sha256, file_size,
           media ->> 'mime_type' as mime_type, attempts, error_code, error_message, request_id, created_by,
           created_at, started_at, finished_at, version, lease_expires_at is not null as leased,
           {_ATTEMPTS.format(since="job.retried_fence")} as attempts_made
    from ingest_jobs as job
"""  # noqa: S608


class _Row(Struct):
    job_id: UUID
    kind: Kind
    batch_id: UUID | None
    entity_type: Subject
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
        fields["kind"] = UNSET if self.kind == "ingest" else self.kind
        fields["duplicate_of"] = self.duplicate_of and convert(self.duplicate_of, DuplicateOf)
        fields["error"] = JobFailure(self.error_code, self.error_message or "") if self.error_code else None
        return Job(**fields, stages=self._stages())

    def _stages(self) -> list[StageReport]:
        attempts = convert(self.attempts_made, list[Attempt])
        return [self._report(name, [made for made in attempts if made.stage == name]) for name in self._named()]

    def _named(self) -> tuple[Stage, ...]:
        return CHAINS[self.kind] if self.kind == "housekeeping" else STAGES

    def _report(self, name: Stage, attempts: list[Attempt]) -> StageReport:
        worked = [(made.finished_at - made.started_at).total_seconds() for made in attempts if made.finished_at]
        return StageReport(
            name=name,
            status=self._status_of(name),
            attempts=len(attempts),
            started_at=attempts[0].started_at if attempts else None,
            finished_at=attempts[-1].finished_at if attempts else None,
            seconds=round(sum(worked), 6) if worked else None,
        )

    def _status_of(self, name: Stage) -> StageStatus:
        chain = CHAINS[self.kind]
        if name not in chain:
            return "skipped"
        distance = chain.index(name) - chain.index(self.stage)
        if distance < 0:
            return "succeeded"
        if distance > 0:
            return "pending" if self.status in ("queued", "running") else "skipped"
        return "queued" if self.status == "running" and not self.leased else self.status


async def check_share(connection: Connection, subject: str, number: int, share: int) -> None:
    """Refuse jobs that would give their poster more unfinished ones than ``share``; 0 is any number.

    Posts at the same time do not see each other: together they may pass the share by what they bring.

    Raises:
        Invalid: naming ``jobs``, where they are more than that by themselves: to wait would not help.
        RateLimited
    """
    if not share:
        return
    if number > share:
        raise Invalid(f"{number} jobs at once, and at most {share} of your jobs may wait: send fewer", field="jobs")
    query = """
        select count(*) from (select from ingest_jobs
                              where created_by = %s and kind = 'ingest' and status in ('queued', 'running')
                              limit %s) as unfinished
    """
    unfinished = await database.value(connection, query, [subject, share])
    if unfinished + number > share:
        raise RateLimited(f"{unfinished} of your jobs have not ended, and at most {share} may wait", SHARE_WAIT_SECONDS)


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


async def attempts(connection: Connection, job_id: UUID) -> list[Attempt]:
    """The last thousand starts of its stages in their order, those before a retry too.

    Raises:
        NotFound
    """
    query = f"select {_ATTEMPTS.format(since=_LAST_THOUSAND)} from ingest_jobs as job where job_id = %s"  # noqa: S608
    found = await database.value(connection, query.encode(), [job_id])
    if found is None:
        raise NotFound(f"there is no job {job_id}")
    return convert(found, list[Attempt])


class JobFilter(Struct, forbid_unknown_fields=True):
    """Which jobs; what is None does not count. Times are from ``_after`` on and up to, but not at, ``_before``.

    Those of housekeeping count only where ``kind`` or ``stage`` asks for them.
    """

    kind: Kind | None = None
    status: Status | None = None
    stage: Stage | None = None
    error_code: ErrorCode | None = None
    entity_type: EntityType | None = None
    entity_id: UUID | None = None
    batch_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None

    def given(self) -> dict[str, Any]:
        """What counts."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """SQL and its parameters."""
        given = self.given()
        which = "true" if self.kind or self.stage == "housekeeping" else "kind <> 'housekeeping'"
        return " and ".join([which, *(_CONDITIONS.get(name, f"{name} = %({name})s") for name in given)]), given


_CONDITIONS: Final = {
    "created_after": "created_at >= %(created_after)s",
    "created_before": "created_at < %(created_before)s",
    "finished_after": "finished_at >= %(finished_after)s",
    "finished_before": "finished_at < %(finished_before)s",
}


async def page(connection: Connection, wanted: JobFilter, limit: int, cursor: str | None) -> Page[Job]:
    """The newest jobs that match.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    where, params = wanted.conditions()
    count = f"select count(*) from (select from ingest_jobs where {where} limit {COUNT_LIMIT + 1}) as counted"  # noqa: S608
    total = await database.value(connection, count.encode(), params)
    before = decode_cursor(cursor, LIST, SORT, None).id if cursor is not None else None
    after = " and job_id < %(before)s" if before else ""
    query = f"{_JOB} where {where}{after} order by job_id desc limit %(limit)s"
    found = await database.rows(connection, _Row, query.encode(), params | {"before": before, "limit": limit + 1})
    page = Page([row.job() for row in found[:limit]], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(found) > limit:
        page.next_cursor = encode_cursor(LIST, SORT, None, page.rows[-1].job_id)
    return page


async def version(connection: Connection, job_id: UUID) -> int | None:
    """How often the job has changed, or None where it is gone."""
    found: int | None = await database.value(connection, "select version from ingest_jobs where job_id = %s", [job_id])
    return found


async def retry(connection: Connection, actor: Actor, job_id: UUID) -> Job:
    """Start a failed or cancelled job again, from its first stage.

    Raises:
        NotFound
        Conflict: where it has not failed.
    """
    if not await retry_all(connection, actor, [job_id]):
        raise Conflict(_not_again(await read(connection, job_id)))
    return await read(connection, job_id)


def _not_again(job: Job) -> str:
    if job.status in ("failed", "cancelled"):
        return "a newer job does the same; look at that one"
    return f"only a failed or cancelled job can be retried; this one is {job.status}"


async def retry_all(connection: Connection, actor: Actor, job_ids: list[UUID]) -> int:
    """Start those of these jobs again that failed or were cancelled; how many that are."""
    query = """
        with changed as (
            update ingest_jobs
            set status = 'queued', stage = {first}, attempts = 0, error_code = null, error_message = null,
                outcome = null, duplicate_of = null, finished_at = null, run_at = clock_timestamp(), hinted_at = null,
                retried_fence = fence, retried_at = clock_timestamp()
            where job_id = any(%(job_ids)s) and status in ('failed', 'cancelled') and {alone}
            returning job_id, new.status, old.status as was, old.stage, old.error_code
        ), audited as ({audited})
        select count(pg_notify('jobs', '')) from changed
    """
    sent = actor.params() | {"action": "retry", "job_ids": job_ids}
    for name, text in (("{first}", _FIRST), ("{alone}", _ALONE), ("{audited}", _AUDITED)):
        query = query.replace(name, text)
    number: int = await database.value(connection, query.encode(), sent)
    await poison.forget(connection, job_ids)
    return number


_FIRST: Final = " ".join(["case kind", *(f"when '{kind}' then '{chain[0]}'" for kind, chain in CHAINS.items()), "end"])
# Of a kind that an entity has once, only the last one starts again, and none while another is queued or running.
_ALONE: Final = """
    (kind = 'ingest' or not exists (
        select from ingest_jobs as other
        where other.entity_id = ingest_jobs.entity_id and other.entity_type = ingest_jobs.entity_type
          and other.kind = ingest_jobs.kind
          and (other.status in ('queued', 'running')
               or (other.job_id = any(%(job_ids)s) and other.job_id > ingest_jobs.job_id))))
"""


_AUDITED: Final = """
    insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id, job_id)
    select %(actor)s, %(action)s, 'job', job_id,
           jsonb_strip_nulls(jsonb_build_object('status', was, 'stage', stage, 'error_code', error_code)),
           jsonb_build_object('status', status), %(request_id)s, job_id
    from changed
"""


async def cancel(connection: Connection, actor: Actor, job_id: UUID) -> Job:
    """End a job that has not ended; a worker that holds it finds its fence gone.

    Raises:
        NotFound
        Conflict: where it has ended, or its pictures are already being put in place.
    """
    if not await cancel_all(connection, actor, [job_id]):
        raise Conflict(_too_late(await read(connection, job_id)))
    await files.release(connection, job_id)
    return await read(connection, job_id)


async def cancel_all(connection: Connection, actor: Actor, job_ids: list[UUID]) -> list[UUID]:
    """End those of these jobs that can be; their ids. The content that they claimed is still to be released."""
    query = """
        with changed as (
            update ingest_jobs
            set status = 'cancelled', finished_at = clock_timestamp(), lease_expires_at = null, fence = fence + 1,
                outcome = null, duplicate_of = null, error_code = null, error_message = null
            where job_id = any(%(job_ids)s) and status in ('queued', 'running')
              and (stage <> 'index' or lease_expires_at is null and attempts = 0)
            returning job_id, new.status, old.status as was, old.stage, old.error_code, old.fence
        ), ended as (
            update ingest_attempts as attempt set finished_at = clock_timestamp(), result = 'cancelled'
            from changed
            where attempt.job_id = changed.job_id and attempt.fence = changed.fence and attempt.finished_at is null
        ), audited as ({audited})
        select coalesce(array_agg(job_id), '{}') from changed
    """
    sent = actor.params() | {"action": "cancel", "job_ids": job_ids}
    cancelled: list[UUID] = await database.value(connection, query.replace("{audited}", _AUDITED).encode(), sent)
    return cancelled


def _too_late(job: Job) -> str:
    if job.finished_at is None:
        return "this job is about to end: its file is stored and being put in place"
    return f"this job has ended already: it is {job.status}"

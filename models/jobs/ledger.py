"""Jobs as their clients read them; PostgreSQL is the queue of record.

What changes a job is in ``transitions`` and ``claims``; what is due, in ``dispatch``.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, Struct, convert

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor
from models.entities import FileRole
from models.errors import ErrorCode, NotFound
from models.jobs.types import (
    CHAINS,
    FILE_NAME,
    STAGES,
    Attempt,
    DuplicateOf,
    Job,
    JobFailure,
    JobFilter,
    JobKind,
    OnDuplicate,
    Outcome,
    Priority,
    Stage,
    StageReport,
    StageStatus,
    Status,
    Subject,
)

LIST: Final = "ingest_jobs"


SORT: Final = "-created_at"  # ids are as old as their rows


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
    select job_id, kind, batch_id, entity_type, entity_id, role, source_reference, {FILE_NAME} as file_name, priority,
           on_duplicate, status, stage, outcome, duplicate_of, coalesce(sha256, declared_sha256) as sha256, file_size,
           media ->> 'mime_type' as mime_type, attempts, error_code, error_message, request_id, created_by,
           created_at, started_at, finished_at, version, lease_expires_at is not null as leased,
           {_ATTEMPTS.format(since="job.retried_fence")} as attempts_made
    from ingest_jobs as job
"""


class _Row(Struct):
    job_id: UUID
    kind: JobKind
    batch_id: UUID | None
    entity_type: Subject
    entity_id: UUID
    role: FileRole
    source_reference: str
    file_name: str | None
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


async def read(connection: Connection, job_id: UUID) -> Job:
    """One job.

    Raises:
        NotFound
    """
    row = await db.row(connection, _Row, f"{_JOB} where job_id = %s", [job_id])
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row.job()


async def read_all(connection: Connection, job_ids: list[UUID]) -> list[Job]:
    """These jobs, in the order of their making."""
    rows = await db.rows(connection, _Row, f"{_JOB} where job_id = any(%s) order by job_id", [job_ids])
    return [row.job() for row in rows]


async def attempts(connection: Connection, job_id: UUID) -> list[Attempt]:
    """The last thousand starts of its stages in their order, those before a retry too.

    Raises:
        NotFound
    """
    query = f"select {_ATTEMPTS.format(since=_LAST_THOUSAND)} from ingest_jobs as job where job_id = %s"
    found = await db.value(connection, query.encode(), [job_id])
    if found is None:
        raise NotFound(f"there is no job {job_id}")
    return convert(found, list[Attempt])


async def page(connection: Connection, filter_: JobFilter, limit: int, cursor: str | None) -> Page[Job]:
    """The newest jobs that match.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    where, params = filter_.conditions()
    count = f"select count(*) from (select from ingest_jobs where {where} limit {COUNT_LIMIT + 1}) as counted"
    total = await db.value(connection, count.encode(), params)
    before = decode_cursor(cursor, LIST, SORT, None).id if cursor is not None else None
    after = " and job_id < %(before)s" if before else ""
    query = f"{_JOB} where {where}{after} order by job_id desc limit %(limit)s"
    rows = await db.rows(connection, _Row, query.encode(), params | {"before": before, "limit": limit + 1})
    page = Page([row.job() for row in rows[:limit]], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(rows) > limit:
        page.next_cursor = encode_cursor(LIST, SORT, None, page.rows[-1].job_id)
    return page


async def version(connection: Connection, job_id: UUID) -> int | None:
    """How often the job has changed, or None where it is gone."""
    found: int | None = await db.value(connection, "select version from ingest_jobs where job_id = %s", [job_id])
    return found

"""What clients change of a job: it is enqueued, retried, cancelled."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct, json

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Conflict, Invalid, RateLimited
from models.jobs import poison, targets
from models.jobs.ledger import read
from models.jobs.types import CHAINS, Job, NewJob, Subject
from models.media import files

OPEN_JOBS_WAIT_SECONDS: Final = 30  # for who has too many jobs under way


class JobTarget(Struct):
    """A job, and what it is for."""

    job_id: UUID
    entity_type: Subject
    entity_id: UUID


async def check_open_jobs(connection: Connection, subject: str, number: int, share: int) -> None:
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
    unfinished = await db.value(connection, query, [subject, share])
    if unfinished + number > share:
        raise RateLimited(
            f"{unfinished} of your jobs have not ended, and at most {share} may wait", OPEN_JOBS_WAIT_SECONDS
        )


async def enqueue(connection: Connection, actor: Actor, new: list[NewJob], batch_id: UUID | None = None) -> list[UUID]:
    """Write jobs, in order, and wake the dispatcher when this transaction commits."""
    query = """
        with made as (
            insert into ingest_jobs (batch_id, entity_type, entity_id, role, source_reference, declared_sha256,
                                     on_duplicate, priority, file_name, request_id, created_by)
            select %s, entity_type, entity_id, role, source_reference, wanted.sha256, on_duplicate, priority,
                   coalesce(wanted.file_name, uploads.file_name, file_name_of(source_reference)), %s, %s
            from rows from (jsonb_to_recordset(%s::jsonb) as (entity_type text, entity_id uuid, role text,
                source_reference text, sha256 text, on_duplicate text, priority text, file_name text))
                with ordinality as wanted
            left join uploads on file_reference = source_reference
            order by ordinality
            returning job_id
        ), woken as (select pg_notify('jobs', ''))
        select array_agg(job_id order by job_id) from made, woken
    """
    params = [batch_id, actor.request_id, actor.subject, json.encode(new).decode()]
    made: list[UUID] = await db.value(connection, query, params) or []
    return made


async def retry(connection: Connection, actor: Actor, job_id: UUID) -> Job:
    """Start a failed or cancelled job again, from its first stage.

    Raises:
        NotFound
        Conflict: where it has not failed, or what it was for is deleted.
    """
    job = await read(connection, job_id)
    wanted = await for_the_living(connection, [job])
    if not wanted:
        kind = job.entity_type.replace("_", " ")
        raise Conflict(f"{kind} {job.entity_id}, which this job is for, is deleted: restore it before")
    if not await retry_all(connection, actor, wanted):
        raise Conflict(_not_again(await read(connection, job_id)))
    return await read(connection, job_id)


def _not_again(job: Job) -> str:
    if job.status in ("failed", "cancelled"):
        return "a newer job does the same; look at that one"
    return f"only a failed or cancelled job can be retried; this one is {job.status}"


async def for_the_living(connection: Connection, jobs: Sequence[JobTarget | Job]) -> list[UUID]:
    """Those of these jobs whose entity is not deleted; nobody deletes a task of housekeeping."""
    living: set[tuple[Subject, UUID]] = set()
    for entity_type in {job.entity_type for job in jobs}:
        ids = {job.entity_id for job in jobs if job.entity_type == entity_type}
        alive = ids if entity_type == "housekeeping" else await targets.living(connection, entity_type, ids)
        living |= {(entity_type, entity_id) for entity_id in alive}
    return [job.job_id for job in jobs if (job.entity_type, job.entity_id) in living]


async def retry_all(connection: Connection, actor: Actor, job_ids: list[UUID]) -> int:
    """Start those of these jobs again that failed or were cancelled; how many that are."""
    sent = actor.params() | {"action": "retry", "job_ids": job_ids}
    number: int = await db.value(connection, _RETRY, sent)
    await poison.clear(connection, job_ids)
    return number


_AUDITED: Final = """
    insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id, job_id)
    select %(actor)s, %(action)s, 'job', job_id,
           jsonb_strip_nulls(jsonb_build_object('status', was, 'stage', stage, 'error_code', error_code)),
           jsonb_build_object('status', status), %(request_id)s, job_id
    from changed
"""
_FIRST: Final = " ".join(["case kind", *(f"when '{kind}' then '{chain[0]}'" for kind, chain in CHAINS.items()), "end"])
# Of a kind that an entity has once, only the last one starts again, and none while another is queued or running.
_ALONE: Final = """
    (kind = 'ingest' or not exists (
        select from ingest_jobs as other
        where other.entity_id = job.entity_id and other.entity_type = job.entity_type and other.kind = job.kind
          and (other.status in ('queued', 'running')
               or (other.job_id = any(%(job_ids)s) and other.job_id > job.job_id))))
"""
_RETRY: Final = f"""
    with changed as (
        update ingest_jobs as job
        set status = 'queued', stage = {_FIRST}, attempts = 0, error_code = null, error_message = null,
            outcome = null, duplicate_of = null, finished_at = null, run_at = clock_timestamp(),
            dispatched_at = null, retried_fence = fence, retried_at = clock_timestamp()
        where job_id = any(%(job_ids)s) and status in ('failed', 'cancelled') and {_ALONE}
        returning job_id, new.status, old.status as was, old.stage, old.error_code
    ), audited as ({_AUDITED})
    select count(pg_notify('jobs', '')) from changed
""".encode()


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


def _too_late(job: Job) -> str:
    if job.finished_at is None:
        return "this job is about to end: its file is stored and being put in place"
    return f"this job has ended already: it is {job.status}"


async def cancel_all(connection: Connection, actor: Actor, job_ids: list[UUID]) -> list[UUID]:
    """End those of these jobs that can be; their ids. The content that they claimed is still to be released."""
    sent = actor.params() | {"action": "cancel", "job_ids": job_ids}
    cancelled: list[UUID] = await db.value(connection, _CANCEL, sent)
    return cancelled


_CANCEL: Final = f"""
    with changed as (
        update ingest_jobs as job
        set status = 'cancelled', finished_at = clock_timestamp(), lease_expires_at = null, fence = fence + 1,
            outcome = null, duplicate_of = null, error_code = null, error_message = null
        where job_id = any(%(job_ids)s) and status in ('queued', 'running')
          and (stage <> 'index' or lease_expires_at is null and attempts = 0)
        returning job_id, new.status, old.status as was, old.stage, old.error_code, old.fence
    ), ended as (
        update ingest_attempts as attempt set finished_at = clock_timestamp(), result = 'cancelled'
        from changed
        where attempt.job_id = changed.job_id and attempt.fence = changed.fence and attempt.finished_at is null
    ), audited as ({_AUDITED})
    select coalesce(array_agg(job_id), '{{}}') from changed
""".encode()

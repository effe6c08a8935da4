"""Bulk operations: what is done to all jobs that match a filter, and what is counted of them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import ErrorCode, Invalid
from models.jobs.transitions import JobTarget, cancel_all, for_the_living, retry_all
from models.jobs.types import CancellableStatus, JobFilter, RetryableStatus, Stage, Status, Subject
from models.media import files

SLICE: Final = 1000  # jobs changed by one statement


class RetryFilter(JobFilter):
    """Which jobs to start again: failed ones, unless ``status`` asks for the cancelled ones."""

    status: RetryableStatus | None = None


class CancelFilter(JobFilter):
    """Which jobs to cancel: queued and running ones, unless ``status`` asks for one of the two."""

    status: CancellableStatus | None = None


class Retried(Struct):
    """How many jobs start again, and how many do not because what they were for is deleted."""

    retried: int
    skipped: int


class Cancelled(Struct):
    """How many jobs were cancelled, and how many not because their files were being put in place already."""

    cancelled: int
    skipped: int


async def retry(connection: Connection, actor: Actor, wanted: RetryFilter) -> Retried:
    """Start all jobs again that match.

    Raises:
        Invalid: where the filter is empty.
    """
    done = Retried(0, 0)
    async for found in _slices(connection, wanted, wanted.status or "failed"):
        retried = await retry_all(connection, actor, await for_the_living(connection, found))
        done = Retried(done.retried + retried, done.skipped + len(found) - retried)
    return done


async def cancel(connection: Connection, actor: Actor, wanted: CancelFilter) -> Cancelled:
    """Cancel all jobs that match.

    Their content is released at the end, when no more locks are waited for: a worker that waits for content holds
    the lock of its job.

    Raises:
        Invalid: where the filter is empty.
    """
    cancelled: list[UUID] = []
    skipped = 0
    async for found in _slices(connection, wanted, *([wanted.status] if wanted.status else ["queued", "running"])):
        ended = await cancel_all(connection, actor, [job.job_id for job in found])
        cancelled += ended
        skipped += len(found) - len(ended)
    await files.release(connection, *cancelled)
    return Cancelled(len(cancelled), skipped)


async def _slices(connection: Connection, wanted: JobFilter, *statuses: Status) -> AsyncIterator[list[JobTarget]]:
    """The jobs that match, the oldest first, locked, a slice at a time."""
    if not wanted.given():
        raise Invalid("say which jobs; an empty filter would mean all of them", field="filter")
    where, params = wanted.conditions()
    query = f"""
        select job_id, entity_type, entity_id from ingest_jobs
        where {where} and status = any(%(statuses)s) and job_id > %(last)s order by job_id limit {SLICE} for update
    """
    params |= {"statuses": list(statuses), "last": UUID(int=0)}
    while rows := await db.rows(connection, JobTarget, query.encode(), params):
        yield rows
        params["last"] = rows[-1].job_id


class StatusCount(Struct):
    """How many jobs stand like this."""

    status: Status
    jobs: int


class CodeCount(Struct):
    """How many jobs failed for this reason."""

    error_code: ErrorCode
    jobs: int


class StageCount(Struct):
    """How many jobs failed in this stage."""

    stage: Stage
    jobs: int


class TypeCount(Struct):
    """How many jobs for this kind of entity failed."""

    entity_type: Subject
    jobs: int


class BatchCount(Struct):
    """How many jobs of this batch failed; None where they were posted alone."""

    batch_id: UUID | None
    jobs: int


class HourCount(Struct):
    """How many jobs failed in the hour that begins then."""

    hour: datetime
    jobs: int


class Stats(Struct):
    """How the jobs that match stand, and those of them that failed, counted in five ways, most first.

    Of batches the 20 with the most failures; of hours the newest 48 that have any, the newest first.
    """

    statuses: list[StatusCount]
    failed_by_code: list[CodeCount]
    failed_by_stage: list[StageCount]
    failed_by_entity_type: list[TypeCount]
    failed_by_batch: list[BatchCount]
    failed_by_hour: list[HourCount]


async def stats(connection: Connection, wanted: JobFilter) -> Stats:
    """Count the jobs that match, in one statement."""
    where, params = wanted.conditions()
    query = f"""
        with counted as materialized (
            select count(*) as jobs, status from ingest_jobs where {where} group by status
        ), failed as materialized (
            select count(*) as jobs, grouping(error_code, stage, entity_type, batch_id, hour) as ways,
                   error_code, stage, entity_type, batch_id, hour
            from (select *, date_trunc('hour', finished_at) as hour from ingest_jobs
                  where {where} and status = 'failed') as job
            group by grouping sets ((error_code), (stage), (entity_type), (batch_id), (hour))
        )
        select jsonb_build_object(
            'statuses', (select coalesce(jsonb_agg(to_jsonb(counted) order by jobs desc, status), '[]') from counted),
            'failed_by_code', {_way(0b01111, "error_code")},
            'failed_by_stage', {_way(0b10111, "stage")},
            'failed_by_entity_type', {_way(0b11011, "entity_type")},
            'failed_by_batch', {_way(0b11101, "batch_id", 20)},
            'failed_by_hour', {_way(0b11110, "hour", 48, "hour desc")})
    """
    return convert(await db.value(connection, query.encode(), params), Stats)


def _way(ways: int, column: str, most: int = 100, order: str = "jobs desc") -> str:
    """The groups of one grouping set as JSON; a set bit of ``ways`` is a column that it does not group by."""
    return f"""
        (select coalesce(jsonb_agg(jsonb_build_object('{column}', {column}, 'jobs', jobs)), '[]')
         from (select jobs, {column} from failed where ways = {ways} order by {order}, {column} limit {most}) as way)
    """

"""Leases that ran out: their workers died, or were cut off, and others take over."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.jobs.predicates import GUILTY, LEASED, MAX_ATTEMPTS
from models.jobs.types import Stage
from models.media import files


class Expired(Struct):
    """A stage whose worker stopped renewing."""

    job_id: UUID
    stage: Stage
    attempts: int
    failed: bool


async def give_back(connection: Connection, limit: int = 100) -> list[Expired]:
    """End leases that ran out: the stage is due again, or failed where its last attempt had nothing beside it.

    Its last attempt had, where no worker had died with it before: that one is made again, alone.
    """
    rows = await db.rows(connection, Expired, _GIVE_BACK, {"limit": limit})
    for expired in rows:
        if expired.failed:
            await files.release(connection, expired.job_id)
    return rows


_GIVE_BACK: Final = f"""
    with expired as (
        select job_id from ingest_jobs as job where {LEASED} and lease_expires_at < clock_timestamp()
        order by lease_expires_at limit %(limit)s for update skip locked
    ), judged as (
        select job_id, {GUILTY} as guilty from expired join ingest_jobs as job using (job_id)
    ), lost as (
        update ingest_attempts as attempt
        set finished_at = clock_timestamp(), result = 'lost', error_code = 'INTERNAL',
            error_message = 'the worker stopped without a word'
        from ingest_jobs as job, expired
        where job.job_id = expired.job_id and attempt.job_id = job.job_id and attempt.fence = job.fence
    )
    update ingest_jobs as job
    set lease_expires_at = null, fence = fence + 1,
        status = case when guilty then 'failed' else 'queued' end,
        finished_at = case when guilty then clock_timestamp() end,
        outcome = case when guilty then null else outcome end,
        attempts = case when guilty then attempts else least(attempts, {MAX_ATTEMPTS - 1}) end,
        run_at = clock_timestamp(), dispatched_at = null, error_code = 'INTERNAL',
        error_message = case when guilty
            then 'the worker stopped each time it worked on this file, the last time on nothing else'
            else 'the worker stopped while it worked on this file' end
    from judged where job.job_id = judged.job_id
    returning job.job_id, job.stage, job.attempts, guilty
""".encode()

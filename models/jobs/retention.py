"""What the ledger forgets: jobs that ended well, or were cancelled, long ago, with their attempts, and their batches.

Failed ones stay until somebody retries them, or their entity is purged (``purge``); of housekeeping they go, too,
because its next run does the same again.
"""

from datetime import datetime
from typing import Final

from models.db import connection as db
from models.db.connection import Connection

SLICE: Final = 1000  # jobs, or batches, of one transaction


async def expire_jobs(connection: Connection, before: datetime) -> int:
    """Remove a slice of the jobs that ended before that time; how many."""
    query = """
        delete from ingest_jobs where job_id in (
            select job_id from ingest_jobs
            where finished_at < %s
              and (status in ('succeeded', 'cancelled') or (status = 'failed' and kind = 'housekeeping'))
            order by job_id limit %s for update skip locked)
    """
    return await db.execute(connection, query, [before, SLICE])


async def expire_batches(connection: Connection, before: datetime) -> int:
    """Remove a slice of the batches that ended before that time, or were opened then for nothing, with no job left."""
    query = """
        delete from batches where batch_id in (
            select batch_id from batches
            where coalesce(finished_at, created_at) < %s
              and not exists (select from ingest_jobs as job where job.batch_id = batches.batch_id)
            order by batch_id limit %s for update skip locked)
    """
    return await db.execute(connection, query, [before, SLICE])

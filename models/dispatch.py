"""What is due: hints to be sent, hints that got lost, leases that ran out."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from models import database, files, lanes
from models.claims import MAX_ATTEMPTS
from models.database import Connection
from models.jobs import Stage
from models.lanes import LANES

HINT_PATIENCE_SECONDS: Final = 5.0  # a hint this old that nobody took is taken for lost


class Hint(Struct):
    """A stage that is due."""

    lane: int
    job_id: UUID
    stage: Stage


class Due(Struct):
    """The hints to send now; ``full`` where more may be due than the window has room for."""

    hints: list[Hint]
    full: bool


async def due(connection: Connection) -> Due:
    """Mark and return the next stages to hint at, as many as the window has room for: by lane, then by age."""
    loads = await lanes.loads(connection)
    found = Due([], full=False)
    for lane, load in enumerate(loads):
        room = lanes.room(lane, loads)
        hints = await _due(connection, lane, room) if room else []
        load.hinted += len(hints)
        found.hints += hints
        found.full |= len(hints) >= room
    return found


async def _due(connection: Connection, lane: int, limit: int) -> list[Hint]:
    params = {"lane": lane, "name": LANES[lane], "limit": limit}
    found = await database.rows(connection, Hint, _DUE, params)
    return sorted(found, key=lambda hint: (hint.lane, hint.job_id))


# Both questions about pauses are asked once, not for each row; written otherwise, they mislead the planner.
_DUE: Final = """
    with due as (
        select job_id from ingest_jobs
        where status in ('queued', 'running') and lease_expires_at is null and hinted_at is null
          and run_at <= clock_timestamp() and lane = %(lane)s
          and stage not in (select name from ingest_pauses where until > clock_timestamp())
          and not exists (select from ingest_pauses where name = %(name)s and until > clock_timestamp())
        order by job_id limit %(limit)s for update skip locked
    )
    update ingest_jobs as job set hinted_at = clock_timestamp() from due where job.job_id = due.job_id
    returning job.lane::integer, job.job_id, job.stage
"""


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
    failed: bool


async def give_back_expired(connection: Connection, limit: int = 100) -> list[Expired]:
    """End leases that ran out: the stage is due again, or failed where its last attempt had nothing beside it.

    Its last attempt had, where no worker had died with it before: that one is made again, alone.
    """
    query = """
        with expired as (
            select job_id from ingest_jobs
            where status = 'running' and lease_expires_at < clock_timestamp()
            order by lease_expires_at limit %(limit)s for update skip locked
        ), judged as (
            select job_id, attempts >= %(most)s and exists (
                select from ingest_attempts as made
                where made.job_id = job.job_id and made.fence > job.retried_fence and made.fence < job.fence
                  and made.stage = job.stage and made.result = 'lost') as guilty
            from expired join ingest_jobs as job using (job_id)
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
            attempts = case when guilty then attempts else least(attempts, %(most)s - 1) end,
            run_at = clock_timestamp(), hinted_at = null, error_code = 'INTERNAL',
            error_message = case when guilty
                then 'the worker stopped each time it worked on this file, the last time on nothing else'
                else 'the worker stopped while it worked on this file' end
        from judged where job.job_id = judged.job_id
        returning job.job_id, job.stage, job.attempts, guilty
    """
    found = await database.rows(connection, Expired, query, {"limit": limit, "most": MAX_ATTEMPTS})
    for expired in found:
        if expired.failed:
            await files.release(connection, expired.job_id)
    return found

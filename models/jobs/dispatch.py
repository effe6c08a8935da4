"""What is due: messages to be sent, and messages that got lost."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.jobs import priorities
from models.jobs.predicates import COUNTED_AS_LEASED, DISPATCHED, UNDISPATCHED, WAITING
from models.jobs.priorities import MAX_MESSAGES, PRIORITIES
from models.jobs.types import Stage

CALLERS: Final = 256  # of a priority that are looked at for one dispatch
NEWCOMERS_WAIT_SECONDS: Final = 0.25  # a message that is younger is on its way
MESSAGE_PATIENCE_SECONDS: Final = 5.0  # a message this old that nobody took is taken for lost


class Message(Struct):
    """A stage that is due."""

    priority_rank: int
    job_id: UUID
    stage: Stage


class Due(Struct):
    """The messages to send now; ``full`` where more may be due than the broker has room for."""

    messages: list[Message]
    full: bool


async def due(connection: Connection) -> Due:
    """Mark and return the next stages to send messages for, as many as the broker has room for.

    By priority; in a priority by turns of those who posted them, who has the fewest under way first; then by age. Who
    has nothing under way need not wait for room.
    """
    loads = await priorities.loads(connection)
    found = Due([], full=False)
    for rank, load in enumerate(loads):
        query, room = _DUE, priorities.room(rank, loads)
        if not room:
            query, room = _DUE_OF_NEWCOMERS, priorities.room_for_newcomers(rank, loads)
            found.full = True
        messages = await _due(connection, query, rank, room)
        load.dispatched += len(messages)
        found.messages += messages
        found.full |= len(messages) >= room
    return found


async def _due(connection: Connection, query: bytes, rank: int, limit: int) -> list[Message]:
    """So many messages at most, in the order in which they are to be followed."""
    if not limit:
        return []
    params = {"rank": rank, "name": PRIORITIES[rank], "limit": limit}
    return await db.rows(connection, Message, query, params)


# The query jumps in one index from caller to caller, and reads the next jobs of each from the same index. So it reads
# as few rows of a million jobs as of a hundred. It compares and orders by the rank; without that the planner may choose
# an index by caller alone and read all jobs of other priorities. The subqueries on pauses do not refer to the
# row, so that PostgreSQL runs each of them once.
def _due_of(each: int, turns: int) -> bytes:
    """At most ``each`` jobs of each caller with fewer than ``turns`` under way; constants, so that one plan serves."""
    return f"""
    with recursive callers (priority_rank, name) as (
        (select priority_rank, created_by from ingest_jobs as job
         where {UNDISPATCHED} and priority_rank >= %(rank)s order by priority_rank, created_by limit 1)
        union all
        select following.* from callers cross join lateral (
            select priority_rank, created_by from ingest_jobs as job
            where {UNDISPATCHED} and (priority_rank, created_by) > (callers.priority_rank, callers.name)
            order by priority_rank, created_by limit 1) as following
        where callers.priority_rank = %(rank)s
    ), under_way as (
        select created_by as name, count(*) as number from (
            select created_by from ingest_jobs as job where {DISPATCHED}
            union all
            select created_by from ingest_jobs as job where {COUNTED_AS_LEASED}) as taken
        group by created_by
    ), turns as (
        select next.job_id, coalesce(number, 0) + row_number() over (partition by name order by next.job_id) as turn
        from (select name from callers where priority_rank = %(rank)s limit {CALLERS}) as callers
        left join under_way using (name)
        join lateral (
            select job_id from ingest_jobs as job
            where {UNDISPATCHED} and priority_rank = %(rank)s and created_by = callers.name
              and run_at <= clock_timestamp()
              and stage not in (select name from ingest_pauses where until > clock_timestamp())
              and not exists (select from ingest_pauses where name = %(name)s and until > clock_timestamp())
            order by job_id limit {each}) as next on coalesce(number, 0) < {turns}
    ), chosen as (
        select job_id from turns order by turn, job_id limit %(limit)s
    ), due as (
        select job_id from ingest_jobs as job where job_id in (select job_id from chosen) and {UNDISPATCHED}
        for update skip locked
    ), dispatched as (
        update ingest_jobs as job set dispatched_at = clock_timestamp() from due where job.job_id = due.job_id
        returning job.priority_rank::integer, job.job_id, job.stage
    )
    select dispatched.* from dispatched join turns using (job_id) order by turn, job_id
    """.encode()


_DUE: Final = _due_of(MAX_MESSAGES, 1_000_000)
_DUE_OF_NEWCOMERS: Final = _due_of(1, 1)


class Newcomer(Struct):
    """A stage whose message waits, and how many jobs of who posted it are at work."""

    job_id: UUID
    stage: Stage
    at_work: int


async def newcomers(connection: Connection, limit: int) -> list[Newcomer]:
    """Of those who have fewer jobs at work than so many, the next one each whose message has waited for a moment."""
    return await db.rows(connection, Newcomer, _NEWCOMERS, {"limit": limit, "secs": NEWCOMERS_WAIT_SECONDS})


_NEWCOMERS: Final = f"""
    with at_work as (
        select created_by, count(*) as number from ingest_jobs as job where {COUNTED_AS_LEASED} group by created_by
    ), first as (
        select distinct on (created_by) job_id, stage, priority_rank, coalesce(number, 0) as number
        from ingest_jobs as job left join at_work using (created_by)
        where {WAITING} and dispatched_at < clock_timestamp() - make_interval(secs => %(secs)s)
          and coalesce(number, 0) < %(limit)s
        order by created_by, priority_rank, job_id
    )
    select job_id, stage, number from first order by number, priority_rank, job_id limit %(limit)s
""".encode()


async def release_lost_messages(connection: Connection, limit: int) -> int:
    """Make stages due again whose message nobody took in time."""
    return await db.execute(connection, _RELEASE_LOST, [MESSAGE_PATIENCE_SECONDS, limit])


_RELEASE_LOST: Final = f"""
    with lost as (
        select job_id from ingest_jobs as job
        where {WAITING} and dispatched_at < clock_timestamp() - make_interval(secs => %s)
        order by dispatched_at limit %s for update skip locked
    )
    update ingest_jobs as job set dispatched_at = null from lost where job.job_id = lost.job_id
""".encode()

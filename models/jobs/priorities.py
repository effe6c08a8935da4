"""The three priorities: how they share the messages in the broker, and how many jobs of one may run at once."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.jobs.predicates import COUNTED_AS_LEASED, DISPATCHED, UNDISPATCHED
from models.jobs.types import Priority

PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "batch", "backfill")  # the first one goes first
MAX_MESSAGES: Final = 32  # that wait in the broker
NEWCOMERS: Final = 8  # messages beside those, for who has nothing under way
COUNTED: Final = 100_000  # waiting jobs of a priority that are counted

# How many messages these priorities, by rank, may have in the broker together. A later one leaves room, so that what a
# person waits for can always be sent and has little before it; the first ones leave a little, so that none starves.
SHARES: Final = (
    ({0, 1, 2}, MAX_MESSAGES),
    ({1, 2}, MAX_MESSAGES * 3 // 4),
    ({2}, MAX_MESSAGES // 2),
    ({0, 1}, MAX_MESSAGES - 1),
    ({0}, MAX_MESSAGES - 4),
)


class ConcurrencyLimit(Struct, forbid_unknown_fields=True):
    """How many jobs of a priority may run at once; null for as many as the workers can."""

    concurrency: Annotated[int, Meta(ge=1, le=1000)] | None


class PriorityState(Struct):
    """A priority now: its limit, how many of its jobs run and wait (at most 100,000 are counted), its pause."""

    priority: Priority
    concurrency: int | None
    running: int
    waiting: int
    paused_until: datetime | None
    updated_by: str | None
    updated_at: datetime | None


class Load(Struct):
    """What a priority has under way: messages sent and not taken, jobs that a worker holds; and its limit."""

    dispatched: int
    leased: int
    concurrency: int | None

    def room(self) -> int:
        """How many more jobs the priority's own limit allows."""
        return MAX_MESSAGES if self.concurrency is None else self.concurrency - self.dispatched - self.leased


# Each count is one look at a small index; the second says so with a condition that all leases meet.
_DISPATCHED: Final = f"""
    (select count(*) from ingest_jobs as job where job.priority = ingest_priorities.priority and {DISPATCHED})
"""
_LEASED: Final = f"""
    (select count(*) from ingest_jobs as job where job.priority = ingest_priorities.priority and {COUNTED_AS_LEASED})
"""
_RANK: Final = "array_position(array['interactive', 'batch', 'backfill'], ingest_priorities.priority) - 1"


async def loads(connection: Connection) -> list[Load]:
    """What each priority has under way.

    Where one has a limit, only one dispatcher at a time counts and sends: two would fill the same room twice. None
    does while a limit changes.
    """
    await db.execute(connection, _COUNTING)
    return await db.rows(connection, Load, _LOADS)


_LOCK: Final = "hashtextextended('ingest_priorities', 0)"
_CHANGING: Final = f"select pg_advisory_xact_lock({_LOCK})".encode()
_COUNTING: Final = f"""
    select case when exists (select from ingest_priorities where concurrency is not null)
                then pg_advisory_xact_lock({_LOCK}) else pg_advisory_xact_lock_shared({_LOCK}) end
""".encode()
_LOADS: Final = f"select {_DISPATCHED}, {_LEASED}, concurrency from ingest_priorities order by {_RANK}".encode()


def room(rank: int, under_way: list[Load]) -> int:
    """How many more messages of this priority may be sent."""
    shared = (most - sum(under_way[other].dispatched for other in ranks) for ranks, most in SHARES if rank in ranks)
    return max(min(under_way[rank].room(), *shared), 0)


def room_for_newcomers(rank: int, under_way: list[Load]) -> int:
    """How many messages of it may be sent for who has nothing under way, where there is room for nobody else."""
    dispatched = sum(load.dispatched for load in under_way)
    return max(min(under_way[rank].room(), MAX_MESSAGES + NEWCOMERS - dispatched), 0)


async def read_all(connection: Connection) -> list[PriorityState]:
    """The priorities, the fastest first."""
    return await db.rows(connection, PriorityState, _STATES, {"counted": COUNTED})


_STATES: Final = f"""
    select priority, concurrency, {_LEASED},
           {_DISPATCHED} + (select count(*) from (select from ingest_jobs as job
                where job.priority_rank = {_RANK} and {UNDISPATCHED} limit %(counted)s) as counted),
           (select until from ingest_pauses where name = ingest_priorities.priority and until > clock_timestamp()),
           updated_by, updated_at
    from ingest_priorities order by {_RANK}
""".encode()


async def limit(connection: Connection, actor: Actor, name: Priority, to: ConcurrencyLimit) -> PriorityState:
    """Limit a priority, or free it: what runs goes on; messages that nobody took are void, and sent as they fit."""
    async with connection.transaction():
        await db.execute(connection, _CHANGING)
        await db.execute(connection, _LIMIT, actor.params() | {"priority": name, "concurrency": to.concurrency})
    return next(state for state in await read_all(connection) if state.priority == name)


_LIMIT: Final = f"""
    with changed as (
        update ingest_priorities
        set concurrency = %(concurrency)s, updated_by = %(actor)s, updated_at = clock_timestamp()
        where priority = %(priority)s and concurrency is distinct from %(concurrency)s
        returning priority, priority_id, old.concurrency as was, new.concurrency
    ), undispatched as (
        update ingest_jobs set dispatched_at = null
        where job_id in (select job_id from ingest_jobs as job join changed using (priority)
                         where {DISPATCHED} for update of job skip locked)
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
        select %(actor)s, 'update', 'priority', priority_id,
               jsonb_build_object('priority', priority, 'concurrency', was),
               jsonb_build_object('priority', priority, 'concurrency', concurrency), %(request_id)s
        from changed
    )
    select pg_notify('jobs', '') from changed
""".encode()

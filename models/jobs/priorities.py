"""The three lanes of the pipeline: how they share the window of hints, and how many jobs of one may run at once."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from models import db
from models.db.connection import Connection
from models.db.recording import Actor
from models.jobs.types import Priority

LANES: Final[tuple[Priority, ...]] = ("interactive", "batch", "backfill")
WINDOW: Final = 32  # hints that wait in the broker at most
NEWCOMERS: Final = 8  # hints beside those, for who has nothing under way
COUNTED: Final = 100_000  # waiting jobs of a lane that are counted

# How many hints these lanes may have in the window together. A later lane leaves room, so that what a person waits for
# can always be sent and has little before it; and the first ones leave a little, so that the later ones never starve.
SHARES: Final = (
    ({0, 1, 2}, WINDOW),
    ({1, 2}, WINDOW * 3 // 4),
    ({2}, WINDOW // 2),
    ({0, 1}, WINDOW - 1),
    ({0}, WINDOW - 4),
)


class Bound(Struct, forbid_unknown_fields=True):
    """How many jobs of a lane may run at once; null for as many as the workers can."""

    concurrency: Annotated[int, Meta(ge=1, le=1000)] | None


class Lane(Struct):
    """A lane now: its bound, how many of its jobs run and wait (at most 100,000 are counted), its pause."""

    lane: Priority
    concurrency: int | None
    running: int
    waiting: int
    paused_until: datetime | None
    updated_by: str | None
    updated_at: datetime | None


class Load(Struct):
    """What a lane has under way: hints that were sent and not taken, jobs that a worker holds; and its bound."""

    hinted: int
    leased: int
    concurrency: int | None

    def room(self) -> int:
        """How many more jobs the lane's own bound allows."""
        return WINDOW if self.concurrency is None else self.concurrency - self.hinted - self.leased


# Each count is one look at a small index; the second says so with a bound that all leases keep.
_HINTED: Final = """
    (select count(*) from ingest_jobs where priority = ingest_lanes.lane
     and status in ('queued', 'running') and lease_expires_at is null and hinted_at is not null)
"""
_LEASED: Final = """
    (select count(*) from ingest_jobs where priority = ingest_lanes.lane
     and status = 'running' and lease_expires_at > '-infinity')
"""
_NUMBER: Final = "array_position(array['interactive', 'batch', 'backfill'], ingest_lanes.lane) - 1"


async def loads(connection: Connection) -> list[Load]:
    """What each lane has under way.

    Where one is bounded, only one dispatcher at a time counts and sends: two would fill the same room twice. None does
    while a lane is bounded anew.
    """
    await db.execute(connection, _COUNTING)
    return await db.rows(connection, Load, _LOADS)


_LOCK: Final = "hashtextextended('ingest_lanes', 0)"
_CHANGING: Final = f"select pg_advisory_xact_lock({_LOCK})".encode()
_COUNTING: Final = f"""
    select case when exists (select from ingest_lanes where concurrency is not null)
                then pg_advisory_xact_lock({_LOCK}) else pg_advisory_xact_lock_shared({_LOCK}) end
""".encode()  # noqa: S608
_LOADS: Final = f"select {_HINTED}, {_LEASED}, concurrency from ingest_lanes order by {_NUMBER}".encode()  # noqa: S608


def room(lane: int, under_way: list[Load]) -> int:
    """How many more hints of this lane may be sent."""
    shared = (most - sum(under_way[other].hinted for other in lanes) for lanes, most in SHARES if lane in lanes)
    return max(min(under_way[lane].room(), *shared), 0)


def room_for_newcomers(lane: int, under_way: list[Load]) -> int:
    """How many hints of this lane may be sent for who has nothing under way, where there is room for nobody else."""
    hinted = sum(load.hinted for load in under_way)
    return max(min(under_way[lane].room(), WINDOW + NEWCOMERS - hinted), 0)


async def read_all(connection: Connection) -> list[Lane]:
    """The lanes, the fastest first."""
    return await db.rows(connection, Lane, _LANES, {"counted": COUNTED})


_LANES: Final = f"""
    select lane, concurrency, {_LEASED},
           {_HINTED} + (select count(*) from (select from ingest_jobs where ingest_jobs.lane = {_NUMBER}
                and status in ('queued', 'running') and lease_expires_at is null and hinted_at is null
                limit %(counted)s) as counted),
           (select until from ingest_pauses where name = ingest_lanes.lane and until > clock_timestamp()),
           updated_by, updated_at
    from ingest_lanes order by {_NUMBER}
""".encode()  # noqa: S608


async def bound(connection: Connection, actor: Actor, name: Priority, to: Bound) -> Lane:
    """Bound a lane, or free it: what runs goes on; hints that nobody took count no more, and are sent as they fit."""
    async with connection.transaction():
        await db.execute(connection, _CHANGING)
        await db.execute(connection, _BOUND, actor.params() | {"lane": name, "concurrency": to.concurrency})
    return next(lane for lane in await read_all(connection) if lane.lane == name)


_BOUND: Final = """
    with changed as (
        update ingest_lanes
        set concurrency = %(concurrency)s, updated_by = %(actor)s, updated_at = clock_timestamp()
        where lane = %(lane)s and concurrency is distinct from %(concurrency)s
        returning lane, lane_id, old.concurrency as was, new.concurrency
    ), unhinted as (
        update ingest_jobs set hinted_at = null
        where job_id in (select job_id from ingest_jobs join changed on changed.lane = ingest_jobs.priority
                         where status in ('queued', 'running') and lease_expires_at is null and hinted_at is not null
                         for update of ingest_jobs skip locked)
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
        select %(actor)s, 'update', 'lane', lane_id, jsonb_build_object('lane', lane, 'concurrency', was),
               jsonb_build_object('lane', lane, 'concurrency', concurrency), %(request_id)s
        from changed
    )
    select pg_notify('jobs', '') from changed
"""

"""Batches: jobs that belong together, with a name, and how they stand.

Their jobs are counted by triggers, in shards, in the transactions that post and end them: how a batch stands costs the
same for ten jobs and a hundred thousand. What runs is what has a lease. A batch is over when its last job has ended;
``batch_changes.finish`` writes that down.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor
from models.errors import NotFound
from models.jobs.predicates import COUNTED_AS_LEASED
from models.jobs.types import BatchState

LIST: Final = "batches"
SORT: Final = "-created_at"  # ids are as old as their rows


class Batch(Struct):
    """A batch and how its jobs stand; ``bytes`` is the size of the files of those that succeeded.

    ``jobs_per_minute`` is how many end at present, or ended while it ran; ``estimated_at`` when the rest has ended if
    it goes on so, null where nothing does. ``finished_at`` is null as long as a job has not ended, and as long as the
    batch is kept open. ``version`` rises with each change.
    """

    batch_id: UUID
    name: str
    created_by: str
    total: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    stored: int
    duplicate: int
    bytes: int
    jobs_per_minute: float
    estimated_at: datetime | None
    created_at: datetime
    closed_at: datetime | None
    cancelled_at: datetime | None
    finished_at: datetime | None
    version: int

    @property
    def state(self) -> BatchState:
        """Whether anything may still happen to it by itself."""
        return "running" if self.finished_at is None else "finished"


class BatchFilter(Struct):
    """Which batches; what is None does not count. ``name`` is a part of the name."""

    name: str | None = None
    created_by: str | None = None
    finished: bool | None = None

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """SQL and its parameters."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return " and ".join(["true", *(_CONDITIONS[name] for name in given)]), given


_CONDITIONS: Final = {
    "name": "strpos(lower(name), lower(%(name)s)) > 0",
    "created_by": "created_by = %(created_by)s",
    "finished": "(finished_at is not null) = %(finished)s",
}

# Ends a minute are counted with a weight that fades in a minute: a batch younger than that has few of them yet.
_BATCH: Final = """
    with running as materialized (
        select batch_id, count(*) as number from ingest_jobs as job
        where {leased} group by batch_id
    ), wanted as materialized (
        {wanted}
    ), counted as (
        select wanted.*, coalesce(number, 0) as running, counts.*, succeeded + failed + cancelled as ended
        from wanted left join running using (batch_id) cross join lateral (
            select coalesce(sum(total), 0)::bigint as total, coalesce(sum(succeeded), 0)::bigint as succeeded,
                   coalesce(sum(failed), 0)::bigint as failed, coalesce(sum(cancelled), 0)::bigint as cancelled,
                   coalesce(sum(stored), 0)::bigint as stored, coalesce(sum(duplicate), 0)::bigint as duplicate,
                   coalesce(sum(bytes), 0)::bigint as bytes, coalesce(sum(changes), 0)::bigint as changes,
                   max(ended_at) as ended_at,
                   coalesce(sum(recent * exp(greatest(least(-extract(epoch from clock_timestamp() - recent_at) / 60,
                                                            0), -100)))::float8, 0) as recent
            from batch_counts as shard where shard.batch_id = wanted.batch_id) as counts
    ), ended as (
        select *, case when ended = total and (closed_at is not null or (total > 0 and not kept_open))
                       then greatest(ended_at, case when kept_open or total = 0 then closed_at end) end as over_at
        from counted
    ), rated as (
        select *, case when over_at is not null
                       then ended * 60 / greatest(extract(epoch from over_at - created_at), 1)::float8
                       else recent / greatest(1 - exp(greatest(
                            -extract(epoch from clock_timestamp() - created_at) / 60, -100)), 0.02)::float8
                       end as rate
        from ended
    )
    select batch_id, name, created_by, total, greatest(total - ended - running, 0), least(running, total - ended),
           succeeded, failed, cancelled, stored, duplicate, bytes, round(rate::numeric, 1)::float8,
           case when over_at is null and total > ended and rate > 0.01
                then clock_timestamp() + make_interval(secs => least((total - ended) / rate * 60, 1e9)) end,
           created_at, closed_at, cancelled_at, over_at,
           changes + 1 + (closed_at is not null)::int + (cancelled_at is not null)::int
    from rated order by batch_id desc
"""


def _batches(wanted: str) -> bytes:
    return _BATCH.format(leased=COUNTED_AS_LEASED, wanted=wanted).encode()


_ONES: Final = _batches("select * from batches where batch_id = any(%s)")


async def read(connection: Connection, batch_id: UUID) -> Batch:
    """One batch.

    Raises:
        NotFound
    """
    found = await read_all(connection, [batch_id])
    if not found:
        raise NotFound(f"there is no batch {batch_id}")
    return found[0]


async def read_all(connection: Connection, batch_ids: list[UUID]) -> list[Batch]:
    """Those of these batches that there are, the newest first."""
    return await db.rows(connection, Batch, _ONES, [batch_ids])


async def page(connection: Connection, filter_: BatchFilter, limit: int, cursor: str | None) -> Page[Batch]:
    """The newest batches that match.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    where, params = filter_.conditions()
    count = f"select count(*) from (select from batches where {where} limit {COUNT_LIMIT + 1}) as counted"
    total = await db.value(connection, count.encode(), params)
    before = decode_cursor(cursor, LIST, SORT, None).id if cursor is not None else None
    after = " and batch_id < %(before)s" if before else ""
    query = _batches(f"select * from batches where {where}{after} order by batch_id desc limit %(limit)s")
    rows = await db.rows(connection, Batch, query, params | {"before": before, "limit": limit + 1})
    page = Page(rows[:limit], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(rows) > limit:
        page.next_cursor = encode_cursor(LIST, SORT, None, page.rows[-1].batch_id)
    return page

"""Reindex jobs: every search document is written anew, or checked against its entity.

A job compares every document with what it should be, batch by batch, beside what changes meanwhile. Its row says how
far it is, and changes in the transaction of each batch: whoever does the next batch goes on there.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.search import documents
from models.search.documents import TYPES, Drift

Purpose = Literal["reindex", "check"]
START: Final = UUID(int=0)
ORDER: Final = sorted(TYPES)


class ReindexJob(Struct):
    """How far a reindex job has come: ``done`` of about ``total`` documents, and what was not as it should have been.

    It puts that right where it is ``repairing``, and leaves time to others where it is ``gentle``; ``finished_at`` is
    null while it is under way.
    """

    purpose: Purpose
    repairing: bool
    gentle: bool
    total: int
    done: int
    missing: int
    orphaned: int
    stale: int
    started_at: datetime
    finished_at: datetime | None


class _Place(Struct):
    purpose: Purpose
    repairing: bool
    entity_type: str
    after: UUID


class ReindexBatch(Struct):
    """One batch of a reindex job, and which of its documents were wrong."""

    purpose: Purpose
    drift: list[Drift]


_COLUMNS: Final = "purpose, repairing, gentle, total, done, missing, orphaned, stale, started_at, finished_at"


async def begin(connection: Connection, purpose: Purpose, *, repairing: bool, gentle: bool = False) -> ReindexJob:
    """Begin a reindex job, from the start where one of its purpose is under way."""
    query = f"""
        insert into search_reindex_jobs (purpose, repairing, gentle, entity_type, total) values (%s, %s, %s, %s, %s)
        on conflict (purpose) do update set
            repairing = excluded.repairing, gentle = excluded.gentle, entity_type = excluded.entity_type,
            after = excluded.after, total = excluded.total, done = 0, missing = 0, orphaned = 0, stale = 0,
            started_at = excluded.started_at, finished_at = null
        returning {_COLUMNS}
    """
    total = await documents.count(connection)
    job = await db.row(connection, ReindexJob, query.encode(), [purpose, repairing, gentle, ORDER[0], total])
    assert job is not None  # noqa: S101
    return job


async def last(connection: Connection, purpose: Purpose) -> ReindexJob | None:
    """The job of this purpose that is under way, else the one before; None where there was none."""
    query = f"select {_COLUMNS} from search_reindex_jobs where purpose = %s"
    return await db.row(connection, ReindexJob, query.encode(), [purpose])


async def next_batch(connection: Connection, limit: int, *, gentle: bool) -> ReindexBatch | None:
    """Do the next batch of a job that is under way, a gentle one or one that somebody waits for; None without one."""
    query = """
        select purpose, repairing, entity_type, after from search_reindex_jobs where finished_at is null and gentle = %s
        order by started_at limit 1 for update skip locked
    """
    place = await db.row(connection, _Place, query, [gentle])
    if place is None:
        return None
    await documents.in_bulk(connection)
    ids = await documents.following(connection, place.entity_type, place.after, limit)
    look = documents.repair if place.repairing else documents.compare
    drift = await look(connection, place.entity_type, ids) if ids else []
    await _move(connection, place, ids, drift)
    return ReindexBatch(place.purpose, drift)


async def _move(connection: Connection, place: _Place, ids: list[UUID], drift: list[Drift]) -> None:
    """Count the batch; after the last of a type comes the next type, after the last type the end."""
    query = """
        update search_reindex_jobs set entity_type = %s, after = %s, done = done + %s, missing = missing + %s,
            orphaned = orphaned + %s, stale = stale + %s, finished_at = case when %s then clock_timestamp() end
        where purpose = %s
    """
    following = ORDER[ORDER.index(place.entity_type) + 1 :]
    where = (place.entity_type, ids[-1]) if ids else (following[0] if following else place.entity_type, START)
    kinds = [found.kind for found in drift]
    counts = [kinds.count("missing"), kinds.count("orphaned"), kinds.count("stale")]
    ended = not ids and not following
    await db.execute(connection, query, [*where, len(ids), *counts, ended, place.purpose])


async def begin_gently(connection: Connection) -> bool:
    """Begin a gentle check that repairs, unless a check is under way; whether a gentle one is now."""
    found = await last(connection, "check")
    if found is None or found.finished_at is not None:
        found = await begin(connection, "check", repairing=True, gentle=True)
    return found.gentle

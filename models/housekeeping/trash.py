"""Emptying the trash: rows that were deleted long ago go for good.

A row stays as long as another one, living or in the trash, belongs to it: a show its episodes, an episode its clips.
Scripts are part of their episode and go with it, and so do links. That it was there, the audit log still says, and who
did what to it when; what might tell of a person is redacted. Its files go with it unless somebody else shows them;
their objects are orphans then. So do its jobs that failed.
"""

from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.sql import SQL, Identifier, Literal

from models.catalog import CATALOG
from models.catalog.references import HELD, default_role
from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor, recorded
from models.search.words import delete, words_of

SLICE: Final = 100  # rows of one transaction


class Purged(NamedTuple):
    """How many rows went, and how many failed jobs with them."""

    rows: int
    failed_jobs: int


# What belongs to others goes before them. A part goes with what it is a part of, never alone: as the number of a script
# stays taken as long as its episode is there.
WALKED: Final = tuple(one.name for one in [*CATALOG.values()][::-1] if not one.part)
_DUE: Final = SQL("""
    select {key} from {table} as old where deleted_at < %(before)s
      and not exists (select from files join ingest_jobs as job using (sha256)
                      where files.entity_id = old.{key} and job.status in ('queued', 'running'))
      and not exists (select from ingest_jobs where entity_id = old.{key} and status in ('queued', 'running'))
      {childless}
    order by {key} limit %(limit)s for update
""")
_CHILDLESS: Final = SQL("and not exists (select from {child} as child where child.{key} = old.{key})")
_PARTS: Final = SQL("select {key} from {table} where {parent} = any(%(ids)s) for update")
_DELETE: Final = SQL("""
    with gone as (
        delete from {table} where {key} = any(%(ids)s) returning {key} as id, jsonb_strip_nulls(to_jsonb(old)) as was
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id, job_id)
        select %(actor)s, 'purge', {type}, id, redacted(was), jsonb_build_object('redacted', redact({type}, id)),
               %(request_id)s, %(job_id)s from gone
    ), announced as (
        insert into outbox (entity_type, entity_id) select {type}, id from gone
    )
    select count(*) from gone
""")
_UNLINK: Final = SQL("""
    with gone as (
        delete from {link} where {key} = any(%(ids)s) returning episode_id, link_said(to_jsonb(old)) as was
    )
    insert into audit_log (actor, action, entity_type, entity_id, before, request_id, job_id)
    select %(actor)s, 'unlink', 'episode', episode_id, was, %(request_id)s, %(job_id)s from gone
""")


async def purge(connection: Connection, actor: Actor, entity_type: str, before: datetime) -> Purged:
    """Remove a slice of the rows of a kind that were deleted before that time, and what goes with them; how many."""
    ids = await _due(connection, entity_type, before)
    if not ids:
        return Purged(0, 0)
    words = await words_of(connection, entity_type, ids) if CATALOG[entity_type].person else []
    await _unlink(connection, actor, entity_type, ids)
    await _parts(connection, actor, entity_type, ids)
    await _files(connection, actor, entity_type, ids)
    failed = await db.execute(connection, _FAILED, {"entity_type": entity_type, "ids": ids})
    await db.execute(connection, _deleting(entity_type), actor.params() | {"ids": ids})
    if words:
        await delete(connection, words)
    return Purged(len(ids), failed)


async def kept(connection: Connection, entity_type: str, before: datetime) -> int:
    """How many of a kind were deleted before that time, and are here still."""
    query = SQL("select count(*) from {} where deleted_at < %s").format(Identifier(CATALOG[entity_type].table.name))
    number: int = await db.value(connection, query.as_bytes(), [before])
    return number


async def _due(connection: Connection, entity_type: str, before: datetime) -> list[UUID]:
    """Locked, so that nobody restores them meanwhile, and in the order in which the indexer locks them."""
    params = {"before": before, "limit": SLICE}
    return [key for (key,) in await db.tuples(connection, _locking(entity_type), params)]


@cache
def _locking(entity_type: str) -> bytes:
    children = [one.table for one in CATALOG.values() if one.parent == entity_type and not one.part]
    childless = [_CHILDLESS.format(child=Identifier(child.name), **_names(entity_type)) for child in children]
    return _DUE.format(**_names(entity_type), childless=SQL(" ").join(childless)).as_bytes()


@cache
def _deleting(entity_type: str) -> bytes:
    return _DELETE.format(**_names(entity_type), type=Literal(entity_type)).as_bytes()


def _names(entity_type: str) -> dict[str, Identifier]:
    table = CATALOG[entity_type].table
    return {"table": Identifier(table.name), "key": Identifier(table.key)}


async def _unlink(connection: Connection, actor: Actor, entity_type: str, ids: list[UUID]) -> None:
    """Take the links away on either side."""
    linked = CATALOG.values() if entity_type == "episode" else [CATALOG[entity_type]]
    key = Identifier(CATALOG[entity_type].table.key)
    for links in [one.links for one in linked if one.links]:
        query = _UNLINK.format(link=Identifier(links.name), key=key).as_bytes()
        await db.execute(connection, query, actor.params() | {"ids": ids})


async def _parts(connection: Connection, actor: Actor, entity_type: str, ids: list[UUID]) -> None:
    """What is a part of them goes with them."""
    parent = Identifier(CATALOG[entity_type].table.key)
    for name in [one.name for one in CATALOG.values() if one.parent == entity_type and one.part]:
        rows = await db.tuples(connection, _PARTS.format(**_names(name), parent=parent).as_bytes(), {"ids": ids})
        await db.execute(connection, _deleting(name), actor.params() | {"ids": [key for (key,) in rows]})


async def _files(connection: Connection, actor: Actor, entity_type: str, ids: list[UUID]) -> None:
    """Give the contents that somebody else shows to one of those, and forget the others; and the pictures."""
    params = {"entity_type": entity_type, "ids": ids}
    await db.execute(connection, _THUMBNAILS, params)
    await db.execute(connection, _INHERIT, params)
    await db.execute(connection, _FORGET, params)
    if entity_type == "clip":
        await db.execute(connection, _ORIGINAL, actor.params() | {"ids": ids})


# They wait for a retry, which there can never be. The totals of jobs are kept apart and do not change.
_FAILED: Final = """
    delete from ingest_jobs
    where entity_type = %(entity_type)s and entity_id = any(%(ids)s) and status = 'failed'
"""
# What was a copy of a clip that is gone is a copy of nothing.
_ORIGINAL: Final = recorded(
    SQL("update clips set duplicate_of = null, updated_by = %(actor)s where duplicate_of = any(%(ids)s)"),
    action="update",
    entity_type="clip",
    key="clip_id",
    columns=Identifier("clip_id"),
).as_bytes()
_THUMBNAILS: Final = "delete from thumbnails where entity_type = %(entity_type)s and entity_id = any(%(ids)s)"
_INHERIT: Final = (
    SQL("""
    with theirs as (
        select sha256, file_reference from files where entity_type = %(entity_type)s and entity_id = any(%(ids)s)
    ), shown as (
        select theirs.sha256, other.entity_type, other.entity_id, other.role
        from theirs join {held} as other on reference = file_reference
        where other.entity_type <> %(entity_type)s or other.entity_id <> all (%(ids)s)
        union all
        select sha256, other.entity_type, other.entity_id, {role} from theirs join thumbnails as other using (sha256)
    ), heir as (
        select distinct on (sha256) * from shown order by sha256, entity_id
    )
    update files set entity_type = heir.entity_type, entity_id = heir.entity_id, role = heir.role, displaced_at = null
    from heir where files.sha256 = heir.sha256
""")
    .format(held=HELD, role=default_role("other.entity_type"))
    .as_bytes()
)
_FORGET: Final = """
    delete from files where entity_type = %(entity_type)s and entity_id = any(%(ids)s) and stored_at is not null
"""

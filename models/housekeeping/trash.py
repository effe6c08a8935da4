"""Emptying the trash: rows that were deleted long ago go for good.

A row stays as long as another one, living or in the trash, belongs to it: a show its episodes, an episode its clips.
Scripts are part of their episode and go with it, and so do links. That it was there, the audit log still says, and who
did what to it when; what might tell of a person is redacted. Its files go with it unless somebody else shows them;
their objects are orphans then. So do its jobs that failed.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg.sql import SQL, Identifier, Literal

from models import db
from models.db.connection import Connection
from models.db.recording import Actor, recorded
from models.search.words import delete, words_of

SLICE: Final = 100  # rows of one transaction
PERSONS: Final = ("guest",)  # of these, not even a word is kept that nothing else has
LINKED: Final = ("outfit", "ui_element", "background", "component", "guest")


class Purged(NamedTuple):
    """How many rows went, and how many failed jobs with them."""

    rows: int
    failed_jobs: int


class Kind(NamedTuple):
    """A table with a trash, and what must not be there any more when a row of it goes."""

    table: LiteralString
    key: LiteralString
    children: LiteralString | None = None


# What belongs to others goes before them.
KINDS: Final[Mapping[str, Kind]] = {
    "clip": Kind("clips", "clip_id"),
    "outfit": Kind("outfits", "outfit_id"),
    "ui_element": Kind("ui_elements", "ui_element_id"),
    "background": Kind("backgrounds", "background_id"),
    "component": Kind("components", "component_id"),
    "guest": Kind("guests", "guest_id"),
    "script": Kind("scripts", "script_id"),
    "episode": Kind("episodes", "episode_id", "clips"),
    "show": Kind("shows", "show_id", "episodes"),
}
# A version's number stays taken as long as its episode is there: scripts go with it, never alone.
WALKED: Final = tuple(kind for kind in KINDS if kind != "script")
_DUE: Final = """
    from {table} as old where deleted_at < %(before)s
      and not exists (select from files join ingest_jobs as job using (sha256)
                      where files.entity_id = old.{key} and job.status in ('queued', 'running'))
      and not exists (select from ingest_jobs where entity_id = old.{key} and status in ('queued', 'running'))
"""
_CHILDLESS: Final = " and not exists (select from {children} as child where child.{key} = old.{key})"
_DELETE: Final = """
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
"""


async def purge(connection: Connection, actor: Actor, entity_type: str, before: datetime) -> Purged:
    """Remove a slice of the rows of a kind that were deleted before that time, and what goes with them; how many."""
    ids = await _due(connection, entity_type, before)
    if not ids:
        return Purged(0, 0)
    words = await words_of(connection, entity_type, ids) if entity_type in PERSONS else []
    await _unlink(connection, actor, entity_type, ids)
    if entity_type == "episode":
        await _scripts(connection, actor, ids)
    await _files(connection, actor, entity_type, ids)
    failed = await db.execute(connection, _FAILED, {"entity_type": entity_type, "ids": ids})
    await db.execute(connection, _deleting(entity_type), actor.params() | {"ids": ids})
    if words:
        await delete(connection, words)
    return Purged(len(ids), failed)


async def kept(connection: Connection, entity_type: str, before: datetime) -> int:
    """How many of a kind were deleted before that time, and are here still."""
    query = SQL("select count(*) from {} where deleted_at < %s").format(Identifier(KINDS[entity_type].table))
    number: int = await db.value(connection, query.as_bytes(), [before])
    return number


async def _due(connection: Connection, entity_type: str, before: datetime) -> list[UUID]:
    """Locked, so that nobody restores them meanwhile, and in the order in which the indexer locks them."""
    params = {"before": before, "limit": SLICE}
    return [key for (key,) in await db.tuples(connection, _locking(entity_type), params)]


@cache
def _locking(entity_type: str) -> bytes:
    kind = KINDS[entity_type]
    query = "select {key} " + _DUE + (_CHILDLESS if kind.children else "")
    query += " order by {key} limit %(limit)s for update"
    names = {"table": kind.table, "key": kind.key, "children": kind.children or ""}
    return SQL(query).format(**{name: Identifier(value) for name, value in names.items()}).as_bytes()


@cache
def _deleting(entity_type: str) -> bytes:
    kind = KINDS[entity_type]
    text = SQL(_DELETE).format(table=Identifier(kind.table), key=Identifier(kind.key), type=Literal(entity_type))
    return text.as_bytes()


@cache
def _unlinking(thing: str, key: str) -> bytes:
    return SQL(_UNLINK).format(link=Identifier(f"episode_{KINDS[thing].table}"), key=Identifier(key)).as_bytes()


_UNLINK: Final = """
    with gone as (
        delete from {link} where {key} = any(%(ids)s) returning episode_id, link_said(to_jsonb(old)) as was
    )
    insert into audit_log (actor, action, entity_type, entity_id, before, request_id, job_id)
    select %(actor)s, 'unlink', 'episode', episode_id, was, %(request_id)s, %(job_id)s from gone
"""


async def _unlink(connection: Connection, actor: Actor, entity_type: str, ids: list[UUID]) -> None:
    """Take the links away on either side."""
    for thing in LINKED if entity_type == "episode" else (entity_type,) if entity_type in LINKED else ():
        query = _unlinking(thing, KINDS[entity_type].key)
        await db.execute(connection, query, actor.params() | {"ids": ids})


async def _scripts(connection: Connection, actor: Actor, episode_ids: list[UUID]) -> None:
    query = "select script_id from scripts where episode_id = any(%s) for update"
    ids = [key for (key,) in await db.tuples(connection, query, [episode_ids])]
    await db.execute(connection, _deleting("script"), actor.params() | {"ids": ids})


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
_INHERIT: Final = """
    with theirs as (
        select sha256, file_reference from files where entity_type = %(entity_type)s and entity_id = any(%(ids)s)
    ), shown as (
        select sha256, other.entity_type, other.entity_id, other.role
        from theirs join held_references as other on reference = file_reference
        where other.entity_type <> %(entity_type)s or other.entity_id <> all (%(ids)s)
        union all
        select sha256, other.entity_type, other.entity_id, case other.entity_type when 'episode' then 'thumbnail'
                                                                                  else 'primary' end
        from theirs join thumbnails as other using (sha256)
    ), heir as (
        select distinct on (sha256) * from shown order by sha256, entity_id
    )
    update files set entity_type = heir.entity_type, entity_id = heir.entity_id, role = heir.role, displaced_at = null
    from heir where files.sha256 = heir.sha256
"""
_FORGET: Final = """
    delete from files where entity_type = %(entity_type)s and entity_id = any(%(ids)s) and stored_at is not null
"""

"""What search finds: one document per findable thing, kept true by the index stage and by the outbox.

A document says what its entity says. Its vector holds each word as written and as stemmed, accents folded, and marks
that filters ask for. A script is found by any of its living versions, because people look for a line that was cut, too;
the active one ranks first. It is hidden while its episode is deleted.
"""

from functools import cache
from typing import Final
from typing import Literal as OneOf
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.sql import SQL, Composed, Identifier, Literal

from models.catalog import CATALOG
from models.catalog.resource import Resource
from models.db import connection as db
from models.db.connection import Connection

log = structlog.get_logger()
SLICE: Final = 32  # entities locked at once: a change of one of them waits for so many, not for all
# What an entity's own text can do; anything else is the database's trouble and passes.
_UNFIT: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)

# The living rows of an entity: id, title, description, the rest, tags, status, show, language.
# An episode's language is that of its scripts and clips, too; what belongs to no episode is taken for English.
_SOURCE: Final = SQL("""
    select it.{key}, {title}, {about}, {rest}, {tags}, {status}, {show}, {language} from {table} as it {episode}
    where it.{key} = any(%(ids)s) and it.deleted_at is null""")
_EPISODE: Final = SQL("left join episodes as episode on episode.episode_id = it.episode_id")
_LIVING_EPISODE: Final = SQL(
    "join episodes as episode on episode.episode_id = it.episode_id and episode.deleted_at is null"
)
TYPES: Final = tuple(CATALOG)
# What says more of them than they do themselves: they change when their episode does.
_FOLLOWERS: Final = tuple(name for name, one in CATALOG.items() if one.parent == "episode")
# In which they are locked, followers with their episodes: who deletes an episode has locked it, and counts the uses of
# what it shows then, by the names of that.
ORDER: Final = ("show", "episode", *_FOLLOWERS, *sorted(CATALOG.keys() - {"show", "episode", *_FOLLOWERS}))

DriftKind = OneOf["missing", "orphaned", "stale"]


class Drift(msgspec.Struct):
    """A document that is not what it should be: there is none, it has no living entity, or it says something else."""

    entity_id: UUID
    kind: DriftKind


# The documents as they should be.
_DUE: Final = """
    with living (entity_id, title, description, rest, tags, status, show_id, language) as materialized ({source}),
    due as materialized (
        select entity_id, title, concat_ws(E'\\n', description, rest) as body, tags, status, show_id, language,
               document_vector(title, description, tags, rest, language,
                               document_marks(%(type)s, tags, status, show_id, language)) as vector
        from living order by entity_id
    )"""
_DIFFERS: Final = """
    (due.title, due.body, due.tags, due.status, due.show_id, due.language, due.vector) is distinct from
    (said.title, said.body, said.tags, said.status, said.show_id, said.language, said.vector)"""
# What is as it should be is not written again.
_WRITE: Final = """
    {due}, changed as (
        update search_documents as said
        set title = due.title, body = due.body, tags = due.tags, status = due.status, show_id = due.show_id,
            language = due.language, vector = due.vector, indexed_at = clock_timestamp()
        from due where said.entity_type = %(type)s and said.entity_id = due.entity_id and {differs}
        returning said.entity_id
    ), added as (
        insert into search_documents (entity_type, entity_id, title, body, tags, status, show_id, language, vector)
        select %(type)s, due.* from due where not exists (
            select from search_documents as said where entity_type = %(type)s and said.entity_id = due.entity_id)
        on conflict (entity_type, entity_id) do update
        set title = excluded.title, body = excluded.body, tags = excluded.tags, status = excluded.status,
            show_id = excluded.show_id, language = excluded.language, vector = excluded.vector
        returning entity_id
    ), removed as (
        delete from search_documents where entity_type = %(type)s and entity_id = any(%(ids)s)
        and not entity_id = any(select entity_id from due) returning entity_id
    )
    select entity_id, 'missing' from added union all select entity_id, 'stale' from changed
    union all select entity_id, 'orphaned' from removed
"""
_COMPARE: Final = """
    {due}
    select looked.entity_id, case when due.entity_id is null then 'orphaned' when said.entity_id is null then 'missing'
                                  else 'stale' end
    from unnest(%(ids)s) as looked (entity_id) left join due using (entity_id)
    left join search_documents as said on said.entity_type = %(type)s and said.entity_id = looked.entity_id
    where (due.entity_id is not null or said.entity_id is not null) and {differs}
"""


async def index(connection: Connection, entity_type: str, ids: list[UUID]) -> None:
    """Make the documents of these entities say what the entities say; deleted ones go."""
    if entity_type in CATALOG:
        await _write(connection, entity_type, ids)
        await _learn(connection, [(entity_type, entity_id) for entity_id in ids])


async def repair(connection: Connection, entity_type: str, ids: list[UUID]) -> list[Drift]:
    """The same for those that no change still under way will put right; what was not as it should have been."""
    await _lock(connection, entity_type, ids)
    settled = await _settled(connection, entity_type, ids)
    drift = await _write_each(connection, entity_type, settled)
    await _learn(connection, [(entity_type, found.entity_id) for found in drift])
    return drift


async def compare(connection: Connection, entity_type: str, ids: list[UUID]) -> list[Drift]:
    """What is not as it should be, and what no change still under way will put right; nothing is written."""
    settled = await _settled(connection, entity_type, ids)
    return await db.rows(connection, Drift, _query(_COMPARE, entity_type), {"type": entity_type, "ids": settled})


async def _write(connection: Connection, entity_type: str, ids: list[UUID]) -> list[Drift]:
    await _lock(connection, entity_type, ids)
    return await db.rows(connection, Drift, _query(_WRITE, entity_type), {"type": entity_type, "ids": ids})


@cache
def _query(query: str, entity_type: str) -> bytes:
    due = _DUE.format(source=_source(CATALOG[entity_type]).as_string())
    return query.format(due=due, differs=_DIFFERS).encode()


def _source(resource: Resource) -> Composed:
    table, episode = resource.table, _LIVING_EPISODE if resource.part else _EPISODE
    return _SOURCE.format(
        **_names(resource.name),
        **_said(resource),
        tags=SQL("it.tags" if "tags" in table.row.__struct_fields__ else "'{}'::text[]"),
        episode=episode if resource.name in _FOLLOWERS else SQL(""),
    )


def _said(resource: Resource) -> dict[str, SQL]:
    """What a document says, as the resource declares it; title and description are those of its table else."""
    table, search = resource.table, resource.search
    said = {name: SQL(getattr(search, name)) for name in ("rest", "status", "show", "language")}
    return said | {
        "title": SQL(search.title or f"it.{table.title}"),
        "about": SQL(search.about or f"it.{table.about}"),
    }


async def _lock(connection: Connection, entity_type: str, ids: list[UUID]) -> None:
    """Living or deleted, they stay so until we have written; in one order, so that two indexers do not deadlock.

    So do their episodes, which say more of them.
    """
    if entity_type in _FOLLOWERS:
        query = SQL("""
            select from episodes where episode_id in (select episode_id from {table} where {key} = any(%s))
            order by episode_id for share""")
        await db.execute(connection, query.format(**_names(entity_type)).as_bytes(), [ids])
    query = SQL("select from {table} where {key} = any(%s) order by {key} for share")
    await db.execute(connection, query.format(**_names(entity_type)).as_bytes(), [ids])


def _names(entity_type: str) -> dict[str, Identifier]:
    table = CATALOG[entity_type].table
    return {"table": Identifier(table.name), "key": Identifier(table.key)}


async def _settled(connection: Connection, entity_type: str, ids: list[UUID]) -> list[UUID]:
    """Those whose changes, and whose episode's, have come out of the outbox."""
    names = _names(entity_type)
    follows = entity_type in _FOLLOWERS
    joined = SQL("left join {table} on {key} = id").format(**names) if follows else SQL("")
    episode = SQL("episode_id") if follows else SQL("null")
    query = SQL("""
        select id from unnest(%(ids)s) as looked (id) {joined}
        where not exists (select from outbox where entity_type = %(type)s and entity_id = id)
          and not exists (select from outbox where entity_type = 'episode' and entity_id = {episode})
    """).format(joined=joined, episode=episode)
    rows = await db.rows(connection, _Id, query.as_bytes(), {"type": entity_type, "ids": ids})
    return [row.entity_id for row in rows]


async def _write_each(connection: Connection, entity_type: str, ids: list[UUID]) -> list[Drift]:
    """Write them together; where that fails, in halves, so that the one that cannot be found hides no other."""
    try:
        async with connection.transaction():
            return await _write(connection, entity_type, ids)
    except _UNFIT as error:
        if len(ids) > 1:
            half = len(ids) // 2
            first = await _write_each(connection, entity_type, ids[:half])
            return first + await _write_each(connection, entity_type, ids[half:])
        log.warning("not indexed", entity_type=entity_type, entity_id=str(ids[0]), error=str(error))
        return []


async def _learn(connection: Connection, written: list[tuple[str, UUID]]) -> None:
    """Remember words and languages that were not known. Last in its transaction: who waits here holds nothing up."""
    query = """
        with written as materialized (
            select language, vector from unnest(%s::text[], %s::uuid[]) as looked (entity_type, entity_id)
            join search_documents using (entity_type, entity_id)
        ), spoken as (
            insert into search_languages
            select distinct language from written where language not in (select language from search_languages)
            order by language on conflict do nothing
        )
        select learn(array_agg(vector)) from written
    """
    if written:
        types, ids = zip(*written, strict=True)
        await db.execute(connection, query, [list(types), list(ids)])


class _Id(msgspec.Struct):
    entity_id: UUID


class _Change(msgspec.Struct):
    entity_type: str
    entity_id: UUID


async def drain_outbox(connection: Connection, limit: int = SLICE) -> int:
    """Index what the oldest changes announce, in the transaction that removes them; how many there were."""
    query = """
        delete from outbox where outbox_id in
            (select outbox_id from outbox order by outbox_id limit %s for update skip locked)
        returning entity_type, entity_id
    """
    await in_bulk(connection)
    changes = await db.rows(connection, _Change, query, [limit])
    changed = {kind: {change.entity_id for change in changes if change.entity_type == kind} for kind in ORDER}
    for entity_type, ids in changed.items():
        if ids:
            await _write_each(connection, entity_type, sorted(ids))
    await _announce_followers(connection, list(changed["episode"]))
    await _learn(connection, [(kind, entity_id) for kind, ids in changed.items() for entity_id in ids])
    return len(changes)


async def in_bulk(connection: Connection) -> None:
    """Do not wait for the disk: work that a crash undoes is still announced. Plan for the rows there are by now."""
    settings = "set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
    await db.execute(connection, f"select {settings}".encode())


async def _announce_followers(connection: Connection, episode_ids: list[UUID]) -> None:
    """What belongs to an episode is found by its show and its language, and what is a part of it while it lives."""
    if episode_ids:
        await db.execute(connection, _ANNOUNCE, {"ids": episode_ids})


_FOLLOWING: Final = SQL("""
    select {type}, it.{key} from {table} as it join episodes as episode on episode.episode_id = it.episode_id
    left join search_documents as said on said.entity_type = {type} and said.entity_id = it.{key}
    where it.episode_id = any(%(ids)s) and it.deleted_at is null and {changed}
""")
_DIFFERS_IN_SHOW: Final = "({title}, {show}, {language}) is distinct from (said.title, said.show_id, said.language)"
# The document of a part goes with its episode and has to come back, any other is there.
_PART_DIFFERS: Final = SQL(
    "case when episode.deleted_at is not null then said.entity_id is not null else {differs} end"
)
_OTHER_DIFFERS: Final = SQL("said.entity_id is not null and {differs}")


def _following(resource: Resource) -> Composed:
    differs = SQL(_DIFFERS_IN_SHOW).format(**_said(resource))
    changed = (_PART_DIFFERS if resource.part else _OTHER_DIFFERS).format(differs=differs)
    return _FOLLOWING.format(type=Literal(resource.name), **_names(resource.name), changed=changed)


_ANNOUNCE: Final = (
    SQL("insert into outbox (entity_type, entity_id) {}")
    .format(SQL(" union all ").join(_following(CATALOG[name]) for name in _FOLLOWERS))
    .as_bytes()
)


async def following(connection: Connection, entity_type: str, after: UUID, limit: int) -> list[UUID]:
    """The next ids of entities, living or deleted, and of documents of this type."""
    query = SQL("""
        (select {key} as id from {table} where {key} > %(after)s order by id limit %(limit)s)
        union
        (select entity_id from search_documents where entity_type = %(type)s and entity_id > %(after)s
         order by entity_id limit %(limit)s)
        order by id limit %(limit)s
    """)
    params = {"type": entity_type, "after": after, "limit": limit}
    rows = await db.rows(connection, _Id, query.format(**_names(entity_type)).as_bytes(), params)
    return [row.entity_id for row in rows]


async def count(connection: Connection) -> int:
    """How many entities there are, living or deleted."""
    counts = [SQL("(select count(*) from {table})").format(**_names(entity_type)) for entity_type in TYPES]
    number: int = await db.value(connection, SQL("select {}").format(SQL(" + ").join(counts)).as_bytes())
    return number

"""Search: one document per findable thing, kept true by the index stage and by the outbox.

A document's vector holds each word as written and as stemmed, accents folded. A query is web-search syntax; where
nothing matches, titles and tags that look alike do.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.sql import SQL, Identifier

from models import database
from models.database import Connection
from models.errors import Invalid
from models.paging import decode_cursor, encode_cursor

log = structlog.get_logger()
SLICE: Final = 32  # entities locked at once: a change of one of them waits for so many, not for all
COUNT_LIMIT: Final = 10_000  # matches that are counted; more are not worth the time
# What an entity's own text can do; anything else is the database's trouble and passes.
_UNFIT: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)

# How each kind is found: its living rows as (id, title, description, the rest of its text, tags, status, show).
# They are locked, so that of two indexers at once the later one cannot write what it read earlier.
_SOURCES: Final[Mapping[str, LiteralString]] = {
    "show": """
        select show_id, name, description, null::text, '{}'::text[], status, show_id
        from shows where show_id = any(%(ids)s) and deleted_at is null for share""",
    "episode": """
        select episode_id, title, description, concat_ws(' ', category, script_text), tags, status, show_id
        from episodes where episode_id = any(%(ids)s) and deleted_at is null for share""",
    "clip": """
        select clip_id, clips.title, clips.description, clips.talent_source, clips.tags, clips.status, episodes.show_id
        from clips left join episodes using (episode_id)
        where clip_id = any(%(ids)s) and clips.deleted_at is null for share of clips""",
    "outfit": """
        select outfit_id, name, description,
               concat_ws(' ', brand, season, occasion, words(top), words(bottom), words(shoes), words(accessories)),
               tags, null::text, null::uuid
        from outfits where outfit_id = any(%(ids)s) and deleted_at is null for share""",
    "ui_element": """
        select ui_element_id, name, description, element_type, tags, null::text, null::uuid
        from ui_elements where ui_element_id = any(%(ids)s) and deleted_at is null for share""",
    "background": """
        select background_id, name, description, background_type, tags, null::text, null::uuid
        from backgrounds where background_id = any(%(ids)s) and deleted_at is null for share""",
    "component": """
        select component_id, name, description, concat_ws(' ', component_type, words(config)), tags,
               null::text, null::uuid
        from components where component_id = any(%(ids)s) and deleted_at is null for share""",
    "guest": """
        select guest_id, name, bio, concat_ws(' ', email, words(social_links)), tags, null::text, null::uuid
        from guests where guest_id = any(%(ids)s) and deleted_at is null for share""",
}
TYPES: Final = tuple(_SOURCES)

_UPSERT: Final = """
    insert into search_documents (entity_type, entity_id, title, body, tags, status, show_id, vector)
    select %(type)s, id, title, concat_ws(E'\\n', description, rest), tags, status, show_id,
           document_vector(title, description, tags, rest)
    from ({source}) as living (id, title, description, rest, tags, status, show_id) order by id
    on conflict (entity_type, entity_id) do update
    set title = excluded.title, body = excluded.body, tags = excluded.tags, status = excluded.status,
        show_id = excluded.show_id, vector = excluded.vector, indexed_at = clock_timestamp()
    returning entity_id
"""


async def index(connection: Connection, entity_type: str, ids: list[UUID]) -> None:
    """Make the documents of these entities say what the entities say; deleted ones go."""
    if entity_type not in _SOURCES:
        return
    await _lock(connection, entity_type, ids)
    params = {"type": entity_type, "ids": ids}
    upsert = _UPSERT.replace("{source}", _SOURCES[entity_type]).encode()
    written = {found.entity_id for found in await database.rows(connection, _Id, upsert, params)}
    gone = [entity_id for entity_id in ids if entity_id not in written]
    query = "delete from search_documents where entity_type = %s and entity_id = any(%s)"
    if gone:
        await database.execute(connection, query, [entity_type, gone])


async def _lock(connection: Connection, entity_type: str, ids: list[UUID]) -> None:
    """Living or deleted, they stay so until we have written; in one order, so that two indexers do not deadlock."""
    query = SQL("select from {table} where {key} = any(%s) order by {key} for share")
    await database.execute(connection, query.format(**_names(entity_type)), [ids])


def _names(entity_type: str) -> dict[str, Identifier]:
    return {"table": Identifier(f"{entity_type}s"), "key": Identifier(f"{entity_type}_id")}


async def _index_each(connection: Connection, entity_type: str, ids: list[UUID]) -> None:
    """Index them together; where that fails, one by one, so that the one that cannot be found hides no other."""
    try:
        async with connection.transaction():
            await index(connection, entity_type, ids)
    except _UNFIT as error:
        if len(ids) > 1:
            for entity_id in ids:
                await _index_each(connection, entity_type, [entity_id])
        else:
            log.warning("not indexed", entity_type=entity_type, entity_id=str(ids[0]), error=str(error))


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
    await _in_bulk(connection)
    changes = await database.rows(connection, _Change, query, [limit])
    for entity_type in TYPES:
        ids = {change.entity_id for change in changes if change.entity_type == entity_type}
        if ids:
            await _index_each(connection, entity_type, sorted(ids))
    await _announce_clips_of(connection, [change.entity_id for change in changes if change.entity_type == "episode"])
    return len(changes)


async def _in_bulk(connection: Connection) -> None:
    """Do not wait for the disk: work that a crash undoes is still announced. Plan for the rows there are by now."""
    settings = "set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
    await database.execute(connection, f"select {settings}".encode())


async def _announce_clips_of(connection: Connection, episode_ids: list[UUID]) -> None:
    """Clips are found by the show of their episode, so they follow it."""
    query = """
        insert into outbox (entity_type, entity_id)
        select 'clip', clip_id from clips join episodes using (episode_id)
        join search_documents on entity_type = 'clip' and entity_id = clip_id
        where episode_id = any(%s) and search_documents.show_id is distinct from episodes.show_id
    """
    if episode_ids:
        await database.execute(connection, query, [episode_ids])


async def reindex(connection: Connection) -> int:
    """Have every document written again, from the start where that is under way; how many entities there are."""
    query = """
        insert into reindexing (entity_type) select unnest(%s::text[])
        on conflict (entity_type) do update set after = excluded.after, started_at = excluded.started_at
    """
    await database.execute(connection, query, [sorted(TYPES)])
    counts = [SQL("(select count(*) from {table})").format(**_names(entity_type)) for entity_type in TYPES]
    number: int = await database.value(connection, SQL("select {}").format(SQL(" + ").join(counts)))
    return number


class _Reindexing(msgspec.Struct):
    entity_type: str
    after: UUID


async def reindex_slice(connection: Connection, limit: int = SLICE) -> bool:
    """Write the next documents of a reindex again; False where none is under way.

    It is no work of the outbox, so that changes which people make do not queue behind it.
    """
    query = "select entity_type, after from reindexing order by entity_type limit 1 for update skip locked"
    current = await database.row(connection, _Reindexing, query)
    if current is None:
        return False
    await _in_bulk(connection)
    ids = await _following(connection, current, limit)
    if ids:
        await _index_each(connection, current.entity_type, ids)
        query = "update reindexing set after = %s where entity_type = %s"
        await database.execute(connection, query, [ids[-1], current.entity_type])
    else:
        await database.execute(connection, "delete from reindexing where entity_type = %s", [current.entity_type])
    return True


async def _following(connection: Connection, current: _Reindexing, limit: int) -> list[UUID]:
    query = SQL("select {key} from {table} where {key} > %s order by {key} limit %s")
    params = [current.after, limit]
    found = await database.rows(connection, _Id, query.format(**_names(current.entity_type)), params)
    return [row.entity_id for row in found]


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a client looks for; ``type`` and ``tag`` hold any and all of several."""

    q: str = ""
    type: list[str] | None = None
    show_id: UUID | None = None
    tag: list[str] | None = None
    status: str | None = None
    limit: int = 20
    cursor: str | None = None


class Hit(msgspec.Struct):
    """A document that matched; ``thumbnail`` is the reference of its smallest picture."""

    entity_type: str
    entity_id: UUID
    title: str
    snippet: str
    rank: float
    tags: list[str]
    show_id: UUID | None
    thumbnail: str | None


class Results(msgspec.Struct):
    """One page of hits, how many there are, and how they spread over types and tags.

    ``total`` is exact up to ``COUNT_LIMIT``; ``capped`` says that there are more. Then ``types`` and ``tags`` count
    so many of the matches, whichever were found first; else they count all of them, on whatever page.
    """

    hits: list[Hit]
    total: int
    capped: bool
    types: dict[str, int]
    tags: dict[str, int]
    next_cursor: str | None


class _Summary(msgspec.Struct):
    total: int
    types: dict[str, int]
    tags: dict[str, int]


# The query, read once for all rows.
_ASKED: Final = """asked as materialized (
        select websearch_to_tsquery('folded', %(q)s) || websearch_to_tsquery('folded_english', %(q)s)
            || %(prefix)s::text::tsquery as query
    )"""
# How close the words stand to each other counts, but for a query of many words that would take milliseconds a row.
_RANK: Final = "(case when numnode(query) > 60 then ts_rank(vector, query) else ts_rank_cd(vector, query) end)::float8"
_BY_WORDS: Final = ("vector @@ query", _RANK)
_BY_LIKENESS: Final = (
    "fold(%(q)s) <%% likeness(title, tags)",
    "word_similarity(fold(%(q)s), likeness(title, tags))::float8",
)
_ALL: Final = ("true", None)

_SUMMARY: Final = """
    with {asked}, matching as materialized (
        select entity_type, tags from search_documents, asked where {where} limit %(most)s + 1
    )
    select (select count(*) from matching),
           (select coalesce(jsonb_object_agg(entity_type, number), '{{}}')
            from (select entity_type, count(*) as number from matching group by 1) as counted),
           (select coalesce(jsonb_object_agg(tag, number), '{{}}') from
            (select tag, count(*) as number from matching, unnest(tags) as tag
             group by 1 order by 2 desc, 1 limit 50) as counted)
"""
_PAGE: Final = """
    with {asked}, ranked as (
        select entity_type, entity_id, title, body, tags, show_id, {rank} as rank
        from search_documents, asked where {where}
    ), found as (
        select * from ranked where {after} order by {order} limit %(limit)s
    )
    select entity_type, entity_id, found.title,
           ts_headline('folded_english', translate(left(body, 20000), E'\\x02\\x03', ''),
                       (select query from asked), %(marks)s),
           rank, tags, show_id,
           (select file_reference from thumbnails
            where thumbnails.entity_type = found.entity_type and thumbnails.entity_id = found.entity_id
              and size_variant = 'small')
    from found order by {order}
"""
_MARKS: Final = "StartSel=\x02, StopSel=\x03, MaxFragments=2, MaxWords=20, MinWords=5, FragmentDelimiter=' … '"


async def search(connection: Connection, wanted: SearchQuery) -> Results:
    """What matches by words; where nothing does, what looks alike.

    Raises:
        Invalid: naming ``cursor``.
    """
    params = await _params(connection, wanted)
    for match, rank in _ways(wanted.q):
        where = " and ".join([match, *_filters(wanted)])
        summary = await database.row(connection, _Summary, _SUMMARY.format(asked=_ASKED, where=where).encode(), params)
        if summary and summary.total:
            hits = await _page(connection, where, rank, params)
            return _results(hits, summary, wanted)
    return Results([], 0, False, {}, {}, None)


def _ways(text: str) -> Sequence[tuple[LiteralString, LiteralString | None]]:
    """A phrase or an exclusion is meant to the letter; only plain words may be mistyped."""
    if not text.strip():
        return (_ALL,)
    meant = '"' in text or any(word.startswith("-") for word in text.split())
    return (_BY_WORDS,) if meant else (_BY_WORDS, _BY_LIKENESS)


def _filters(wanted: SearchQuery) -> list[str]:
    conditions = {
        "type": "entity_type = any(%(type)s)",
        "show_id": "show_id = %(show_id)s",
        "tag": "tags @> %(tag)s",
        "status": "status = %(status)s",
    }
    return [condition for name, condition in conditions.items() if getattr(wanted, name) is not None]


async def _params(connection: Connection, wanted: SearchQuery) -> dict[str, Any]:
    params = msgspec.structs.asdict(wanted) | {"limit": wanted.limit + 1, "most": COUNT_LIMIT, "marks": _MARKS}
    params |= {"prefix": "", "after": None}
    last = prefix_of(wanted.q)
    if last:
        query = "select regexp_replace(websearch_to_tsquery('folded', %s)::text, '''$', ''':*')"
        params["prefix"] = await database.value(connection, query, [wanted.q])
    if wanted.cursor is not None:
        position = decode_cursor(wanted.cursor, "-rank")
        if not isinstance(position.value, float):
            raise Invalid("this is not a cursor that a search returned", field="cursor")
        params |= {"after": position.value, "after_id": position.id}
    return params


def prefix_of(text: str) -> str:
    """The word a person may still be typing: the last one, unless it is quoted, negated or an operator."""
    words = text.split()
    if not words or text.count('"') % 2 or text != text.rstrip():
        return ""
    last = words[-1]
    plain = last[-1].isalnum() and not last.startswith("-") and '"' not in last and last.lower() != "or"
    return last if plain else ""


async def _page(connection: Connection, where: str, rank: str | None, params: Mapping[str, Any]) -> list[Hit]:
    """Where nothing ranks them, the newest come first, read off an index."""
    position = ("rank, entity_id", "%(after)s::float8, %(after_id)s") if rank else ("entity_id", "%(after_id)s")
    after = "true" if params["after"] is None else "({}) < ({})".format(*position)
    order = "rank desc, entity_id desc" if rank else "entity_id desc"
    query = _PAGE.format(asked=_ASKED, rank=rank or "0::float8", where=where, after=after, order=order)
    return await database.rows(connection, Hit, query.encode(), params)


def _results(hits: list[Hit], summary: _Summary, wanted: SearchQuery) -> Results:
    page = hits[: wanted.limit]
    for hit in page:
        hit.snippet = escape(hit.snippet).replace("\x02", "<mark>").replace("\x03", "</mark>")
    following = None
    if len(hits) > wanted.limit:
        following = encode_cursor("-rank", page[-1].rank, page[-1].entity_id)
    total = min(summary.total, COUNT_LIMIT)
    return Results(page, total, summary.total > COUNT_LIMIT, summary.types, summary.tags, following)

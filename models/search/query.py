"""Search: web-search syntax over one document per findable thing, at a cost that does not grow with their number.

A common word matches more than anybody reads. So the newest ``MOST`` matches are ranked and no others, what has the
words in its title before what has them elsewhere (``ops/docs/decisions/0009-search-has-an-early-end.md``).
Where nothing matches, words a slip of the finger apart do.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

import msgspec

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import decode_cursor, encode_cursor

LIST: Final = "search"
SORT: Final = "-rank"
MOST: Final = 300  # matches that are ranked and counted
FEW: Final = 50  # so many with the words as they are typed, and nobody waits for what the last one may become
LAST: Final = 2**40  # a number that no document reaches
Serial = Annotated[int, msgspec.Meta(ge=0, le=LAST)]


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
    """A document that matched; ``thumbnail`` is the reference of its smallest picture, ``serial`` its place in time."""

    serial: int
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

    ``total`` is exact up to ``MOST``; ``capped`` says that there are more. Then the pages of a query end after ``MOST``
    hits, and ``types`` and ``tags`` count those; else they count all, on whatever page.
    """

    hits: list[Hit]
    total: int
    capped: bool
    types: dict[str, int]
    tags: dict[str, int]
    next_cursor: str | None


class _Page(msgspec.Struct):
    newest: int
    total: int
    types: dict[str, int]
    tags: dict[str, int]
    hits: list[Hit]


# What is asked, read once for all rows; ``newest`` is the last document that the first page knew.
_ASKED: Final = """
    asked as materialized (
        select complete, begun, ranking, shown, %(filter)s::text::tsquery as filter,
               least(%(newest)s, (select last_value from search_documents_serial_seq)) as newest
        from {reading}
    )"""
# The ways in which a document may match, in the order in which they are gone: only where none of those before has found
# all that is ranked, and for what goes on after the last word only where complete words are in few documents.
_CALLED: Final = """
    called as materialized (
        select 4 as worth, serial, entity_type, entity_id, tags, status, vector from search_documents, asked
        where left(fold(title), 100) = left(fold(btrim(normalize(%(q)s), ' "')), 100) and -serial >= -newest
          and numnode(complete) > 0 and (filter is null or vector @@ filter)
        order by -serial limit %(most)s + 1
    )"""
_WAY: Final = """
    {name} as materialized (
        select {worth} as worth, found.* from asked, newest_matches(
            case when filter is null then {query} else {query} && filter end, {titled}, newest, %(most)s + 1
        ) as found where numnode(complete) > 0 and {needed}
    )"""
# name, what a match is worth, the words, whether all of them are in the title, how many found before are enough
_WAYS: Final = (
    ("titled", 3, "complete", "true", MOST),
    ("mentioned", 1, "complete", "false", MOST),
    ("begun_titled", 2, "begun", "true", FEW),
    ("begun_mentioned", 0, "begun", "false", FEW),
)
# How close the words stand to each other counts, but for a query of many words that would take milliseconds a row.
# Of the versions of a script, the active one comes first.
_RANKED: Final = """
    found as materialized (
        select entity_type, entity_id, tags, serial, worth + closeness / (1 + closeness) as rank
        from asked, (select distinct on (serial) * from ({together}) as ways order by serial, worth desc) as best,
             lateral (select (case when status = 'inactive' then 0.9 else 1 end * case when numnode(ranking) > 60
                then ts_rank(vector, ranking) else ts_rank_cd(vector, ranking) end)::float8 as closeness) as measured
    ), matches as materialized (
        select * from found order by rank desc, serial desc limit %(most)s
    )"""
# Without words there is nothing to rank: the newest come first, and the pages go on.
_NEWEST: Final = """
    found as materialized (
        select entity_type, entity_id, tags, serial, 0::float8 as rank
        from asked, newest_matches(coalesce(filter, '''=all'''), false, newest, %(most)s + 1)
    ), matches as (
        select * from found order by serial desc limit %(most)s
    ), walked as (
        select entity_type, entity_id, serial, 0::float8 as rank
        from asked, newest_matches(coalesce(filter, '''=all'''), false, least(newest, %(last)s - 1), %(limit)s + 1)
    )"""
_PAGE: Final = """
    with {asked}, {matching}, page as materialized (
        select entity_type, entity_id, serial, rank from {source} where {after}
        order by rank desc, serial desc limit %(limit)s + 1
    ), hits as (
        select document.serial, entity_type, entity_id, title, rank, tags, show_id,
               ts_headline(('public.folded_' || language)::regconfig, separated(said), shown,
                           %(marks)s || case when dense(said) then %(dense)s else '' end) as snippet,
               (select file_reference from thumbnails
                where thumbnails.entity_type = document.entity_type and thumbnails.entity_id = document.entity_id
                  and size_variant = 'small') as thumbnail
        from page join search_documents as document using (entity_type, entity_id), asked,
             translate(left(body, 20000), E'\\x02\\x03\\x1f', '') as said
    )
    select newest, (select count(*) from found),
           (select coalesce(jsonb_object_agg(entity_type, number), '{{}}')
            from (select entity_type, count(*) as number from matches group by 1) as counted),
           (select coalesce(jsonb_object_agg(tag, number), '{{}}') from
            (select tag, count(*) as number from matches, unnest(tags) as tag
             group by 1 order by 2 desc, 1 limit 50) as counted),
           (select coalesce(jsonb_agg(to_jsonb(hits) order by rank desc, serial desc), '[]') from hits)
    from asked
"""
_MARKS: Final = "StartSel=\x02, StopSel=\x03, MaxFragments=2, MaxWords=20, MinWords=5, FragmentDelimiter=' … '"
_DENSE: Final = ", MaxWords=40, ShortWord=0"  # where each syllable is taken for a word


async def search(connection: Connection, wanted: SearchQuery) -> Results:
    """What matches by words; where nothing does, what does when they are taken for mistyped.

    Raises:
        Invalid: naming ``cursor``.
    """
    params = _params(wanted)
    if not wanted.q.strip() and params["filter"] is None:
        return Results([], 0, False, {}, {}, None)
    for reading in _readings(wanted.q):
        query = _query(reading, browsing=not wanted.q.strip(), first=wanted.cursor is None)
        page = await _page(connection, query, params)
        if page.total:
            return _results(page, wanted)
    return Results([], 0, False, {}, {}, None)


async def _page(connection: Connection, query: bytes, params: Mapping[str, Any]) -> _Page:
    page = await db.row(connection, _Page, query, params)
    assert page is not None  # noqa: S101  (it is made of aggregates)
    page.hits = msgspec.convert(page.hits, list[Hit])
    return page


def _readings(text: str) -> Sequence[LiteralString]:
    """How the query may be understood, one after the other.

    A phrase or an exclusion is meant to the letter; only plain words may be mistyped.
    """
    literal: LiteralString = "search_query(%(q)s, %(typing)s)"
    # nothing is excluded where this is gone: a hyphen is one of a code, whose numbers come to stand alone
    forgiving: LiteralString = "forgiving_query(translate(%(q)s, '-', ' '))"
    meant = not text.strip() or '"' in text or any(word.startswith("-") for word in text.split())
    return (literal,) if meant else (literal, forgiving)


@cache
def _query(reading: LiteralString, *, browsing: bool, first: bool) -> bytes:
    query = _PAGE.format(
        asked=_ASKED.format(reading=reading),
        matching=_NEWEST if browsing else _matching(),
        source="walked" if browsing and not first else "matches",
        after="true" if browsing or first else "(rank, serial) < (%(rank)s::float8, %(last)s)",
    )
    return query.encode()


def _matching() -> str:
    names = ["called", *(way[0] for way in _WAYS)]
    ways = [
        _WAY.format(name=name, worth=worth, query=query, titled=titled, needed=_fewer(names[1:place], enough))
        for place, (name, worth, query, titled, enough) in enumerate(_WAYS, 1)
    ]
    together = " union all ".join(f"select * from {name}" for name in names)
    return ",".join([_CALLED, *ways, _RANKED.format(together=together)])


def _fewer(names: Sequence[str], enough: int) -> str:
    return " and ".join(["true", *(f"(select count(*) from {name}) <= {enough}" for name in names)])


def _filter(wanted: SearchQuery) -> str | None:
    """The marks that a document must have, as a tsquery: one of each list."""
    marks = [[f"tag {tag}"] for tag in wanted.tag or ()]
    marks += [wanted.type] if wanted.type else []
    marks += [[f"show {wanted.show_id}"]] if wanted.show_id else []
    marks += [[f"status {wanted.status}"]] if wanted.status is not None else []
    return " & ".join("(" + " | ".join(map(_mark, some)) + ")" for some in marks) or None


def _mark(text: str) -> str:
    """A mark as ``document_vector`` writes it; no tag is so long that anything is cut off."""
    escaped = text[:200].replace("\\", "\\\\").replace("'", "''")
    return f"'={escaped}'"


class _Place(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page ended: rank and number of its last document, and the newest that the first page knew."""

    rank: float
    last: Serial
    newest: Serial


def _params(wanted: SearchQuery) -> dict[str, Any]:
    place = _Place(0.0, LAST, LAST) if wanted.cursor is None else _place(wanted.cursor)
    return {
        "q": wanted.q,
        "typing": bool(prefix_of(wanted.q)),
        "filter": _filter(wanted),
        "limit": wanted.limit,
        "most": MOST,
        "marks": _MARKS,
        "dense": _DENSE,
        **msgspec.structs.asdict(place),
    }


def _place(cursor: str) -> _Place:
    place: _Place = decode_cursor(cursor, LIST, SORT, _Place).value
    return place


def prefix_of(text: str) -> str:
    """The word a person may still be typing: the last one, unless it is quoted, negated or an operator."""
    words = text.split()
    if not words or text.count('"') % 2 or text != text.rstrip():
        return ""
    last = words[-1]
    plain = last[-1].isalnum() and not last.startswith("-") and '"' not in last and last.lower() != "or"
    return last if plain else ""


def _results(page: _Page, wanted: SearchQuery) -> Results:
    hits = page.hits[: wanted.limit]
    for hit in hits:
        hit.snippet = _marked(hit.snippet)
    following = None
    if len(page.hits) > wanted.limit:
        place = _Place(hits[-1].rank, hits[-1].serial, page.newest)
        following = encode_cursor(LIST, SORT, place, hits[-1].entity_id)
    return Results(hits, min(page.total, MOST), page.total > MOST, page.types, page.tags, following)


def _marked(snippet: str) -> str:
    """As HTML; marks of what stands together become one."""
    text = escape(snippet).replace("\x1f", "").replace("\x03\x02", "")
    return text.replace("\x02", "<mark>").replace("\x03", "</mark>")

"""Whether stored objects still are what they were: which are to be read again, and what was found.

Objects are of four sorts: the ``file`` of a content, its ``picture``s, the ``place`` where an entity has a picture, and
a ``copy``: whatever else a row refers to, a second copy that was kept or a reference that somebody wrote by hand. Of
what came before its hash was noted, the first reading tells what it is.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct, structs
from psycopg.sql import SQL

from models.catalog.references import HELD
from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor

FindingKind = Literal["corrupt", "missing"]
Sort = Literal["file", "picture", "place", "copy"]
LIST: Final = "findings"  # the list whose cursors these are
SORT: Final = "-found_at"  # of a list; ids are as old as their rows
FIRST: Final = 100  # findings that a run looks at again, before all else


class Unproved(Struct):
    """An object that is to be read; its size in bytes, its hash and size None where they are not known yet.

    The entity is the one that shows it, of a content the one that brought it. ``since``: when it was put in its place.
    """

    sort: Sort
    entity_type: str
    entity_id: UUID
    file_reference: str
    sha256: str | None
    file_size: int | None
    since: datetime | None


class Finding(Struct):
    """An object that was not what it should be: ``corrupt`` where it has another hash, ``missing`` where it is gone.

    ``resolved_at`` is null while it is so; the entity is the one that shows it, of a content the one that brought it.
    ``sha256`` is the hash that it should have, where one is known.
    """

    finding_id: UUID
    kind: FindingKind
    sha256: str | None
    actual_sha256: str | None
    file_reference: str
    file_size: int | None
    entity_type: str
    entity_id: UUID
    found_at: datetime
    looked_at: datetime
    resolved_at: datetime | None


class Integrity(Struct):
    """How many files are stored, how many of them were not read in time, and how many are corrupt or missing.

    ``oldest_check_at`` is when the file was read, or stored, that was not read for longest.
    """

    files: int
    overdue: int
    corrupt: int
    missing: int
    oldest_check_at: datetime | None


async def summary(connection: Connection, days: int) -> Integrity:
    """How the stored files are."""
    query = """
        select count(*), count(*) filter (where coalesce(verified_at, stored_at) < now() - make_interval(days => %s)),
               (select count(*) from integrity_findings where resolved_at is null and kind = 'corrupt'),
               (select count(*) from integrity_findings where resolved_at is null and kind = 'missing'),
               min(coalesce(verified_at, stored_at))
        from files where stored_at is not null
    """
    row = await db.row(connection, Integrity, query, [days])
    assert row is not None  # noqa: S101
    return row


# The sorts of objects; each takes what else must hold.
_FILE: Final = """
    select 'file', entity_type, entity_id, file_reference, sha256, file_size, stored_at from files
    where stored_at is not null and {where}
"""
_PICTURE: Final = """
    select 'picture', entity_type, entity_id, picture ->> 'file_reference', picture ->> 'picture_sha256',
           (picture ->> 'file_size')::bigint, coalesce(rendered_at, stored_at)
    from files, jsonb_array_elements(thumbnails) as picture where stored_at is not null and {where}
"""
_PLACE: Final = """
    select 'place', entity_type, entity_id, file_reference, coalesce(picture_sha256, (
               select picture ->> 'picture_sha256' from files, jsonb_array_elements(files.thumbnails) as picture
               where files.sha256 = thumbnails.sha256 and picture ->> 'size_variant' = size_variant)),
           file_size, processed_at
    from thumbnails where {where}
"""
_COPY: Final = """
    select 'copy', entity_type, entity_id, file_reference, sha256, file_size, null::timestamptz
    from held_objects as held
    where entity_id is not null and {where}
      and not exists (select from files where files.file_reference = held.file_reference)
"""


async def suspects(connection: Connection, before: datetime) -> list[Unproved]:
    """Objects with an open finding that were not looked at since then; what nobody shows any more is nobody's loss."""
    query = """
        select finding_id, file_reference, entity_type, entity_id from integrity_findings
        where resolved_at is null and looked_at < %s order by looked_at limit %s
    """
    known = {}
    for finding_id, *of in await db.tuples(connection, query, [before, FIRST]):
        if (found := await _again(connection, *of)) is not None:
            known[finding_id] = found
        else:
            await db.execute(connection, "delete from integrity_findings where finding_id = %s", [finding_id])
    return list(known.values())


async def _again(connection: Connection, reference: str, entity_type: str, entity_id: UUID) -> Unproved | None:
    """An object by its name, as what it is now."""
    params = {"reference": reference, "entity_type": entity_type, "entity_id": entity_id}
    return await db.row(connection, Unproved, _AGAIN, params)


_AGAIN: Final = " union all ".join(
    (
        _FILE.format(where="file_reference = %(reference)s"),
        _PICTURE.format(
            where="sha256 = split_part(%(reference)s, '/', 6) and picture ->> 'file_reference' = %(reference)s"
        ),
        _PLACE.format(
            where="entity_type = %(entity_type)s and entity_id = %(entity_id)s and file_reference = %(reference)s"
        ),
        _COPY.format(where="file_reference = %(reference)s"),
    )
).encode()


async def due_contents(connection: Connection, days: int, limit: int) -> list[Unproved]:
    """The pictures and files of the contents that were not read for longest, of those that were not for so many days.

    A content counts as read when its file is, which comes last.
    """
    return await db.rows(connection, Unproved, _CONTENTS, {"days": days, "limit": limit})


_CONTENTS: Final = f"""
    with due as materialized (
        select sha256 from files
        where stored_at is not null and coalesce(verified_at, stored_at) < now() - make_interval(days => %(days)s)
        order by coalesce(verified_at, stored_at) limit %(limit)s
    ), theirs (sort, entity_type, entity_id, file_reference, sha256, file_size, since) as (
        {_PICTURE.format(where="sha256 in (select sha256 from due)")}
        union all {_FILE.format(where="sha256 in (select sha256 from due)")}
    )
    select * from theirs order by sort = 'file'
""".encode()


async def due_places(connection: Connection, days: int, limit: int) -> list[Unproved]:
    """The pictures of entities that were not read for longest, of those that were not for so many days."""
    return await db.rows(connection, Unproved, _PLACES, {"days": days, "limit": limit})


_PLACES: Final = _PLACE.format(
    where="""coalesce(verified_at, processed_at) < now() - make_interval(days => %(days)s)
        order by coalesce(verified_at, processed_at) limit %(limit)s"""
).encode()


async def due_copies(connection: Connection, days: int, limit: int) -> list[Unproved]:
    """Those copies that were not read for longest, of those that never were, or not for so many days."""
    return await db.rows(connection, Unproved, _COPIES, {"days": days, "limit": limit})


_COPIES: Final = (
    _COPY.format(
        where="""verified_at < now() - make_interval(days => %(days)s)
            and not exists (select from integrity_findings as finding
                            where finding.file_reference = held.file_reference and resolved_at is null)"""
    )
    + " order by verified_at limit %(limit)s"
).encode()


async def note_copies(connection: Connection, buckets: list[str]) -> None:
    """Note what rows refer to in our buckets now, and forget what they do not; a look at all of them."""
    await db.execute(connection, _FORGET)
    await db.execute(connection, _NOTE, [buckets])


_FORGET: Final = (
    SQL("""
    delete from held_objects where not exists (select from {held} as held where reference = file_reference)
""")
    .format(held=HELD)
    .as_bytes()
)
_NOTE: Final = (
    SQL("""
    insert into held_objects as known (file_reference, entity_type, entity_id, sha256, file_size)
    select distinct on (reference) reference, entity_type, entity_id, sha256, file_size from {held} as held
    where split_part(reference, '/', 3) = any(%s)
      and not exists (select from files where files.file_reference = reference)
    order by reference, entity_id
    on conflict (file_reference) do update set entity_type = excluded.entity_type, entity_id = excluded.entity_id
    where known.entity_id is distinct from excluded.entity_id
""")
    .format(held=HELD)
    .as_bytes()
)


async def sound(connection: Connection, read: Unproved, sha256: str, file_size: int) -> None:
    """An object was read and is what it was, or is known from now on; what was found of it earlier is over."""
    await _read(connection, read, sha256, file_size)
    query = """
        update integrity_findings set resolved_at = clock_timestamp(), looked_at = clock_timestamp()
        where file_reference = %s and resolved_at is null
    """
    await db.execute(connection, query, [read.file_reference])


async def _read(connection: Connection, read: Unproved, sha256: str | None, file_size: int | None) -> None:
    params = structs.asdict(read) | {"sha256": sha256, "file_size": file_size}
    await db.execute(connection, _READ[read.sort].encode(), params)


# Noted: when an object was read, and what it holds where that was not known.
_READ: Final[Mapping[Sort, str]] = {
    "file": "update files set verified_at = clock_timestamp() where file_reference = %(file_reference)s",
    "picture": """
        update files set thumbnails = (
            select jsonb_agg(case when picture ->> 'file_reference' = %(file_reference)s
                then picture || jsonb_build_object('picture_sha256', %(sha256)s::text) else picture end)
            from jsonb_array_elements(thumbnails) as picture)
        where sha256 = split_part(%(file_reference)s, '/', 6) and coalesce(rendered_at, stored_at) = %(since)s
          and exists (select from jsonb_array_elements(thumbnails) as picture
                      where picture ->> 'file_reference' = %(file_reference)s
                        and picture ->> 'picture_sha256' is null and %(sha256)s::text is not null)
    """,
    "place": """
        update thumbnails
        set verified_at = clock_timestamp(), picture_sha256 = coalesce(picture_sha256, %(sha256)s)
        where entity_type = %(entity_type)s and entity_id = %(entity_id)s and file_reference = %(file_reference)s
          and processed_at = %(since)s
    """,
    "copy": """
        update held_objects
        set verified_at = clock_timestamp(), sha256 = coalesce(sha256, %(sha256)s),
            file_size = coalesce(file_size, %(file_size)s)
        where file_reference = %(file_reference)s
    """,
}


async def broken(connection: Connection, read: Unproved, kind: FindingKind, actual_sha256: str | None) -> bool | None:
    """Note what is wrong with an object; whether that is new. None: it was replaced meanwhile, which is not wrong."""
    await _read(connection, read, read.sha256, read.file_size)
    params = structs.asdict(read) | {"kind": kind, "actual": actual_sha256}
    new: bool | None = await db.value(connection, _BROKEN[read.sort].encode(), params)
    return new


# Whether what was read still is what should be there.
_STILL: Final[Mapping[Sort, str]] = {
    "file": "exists (select from files where file_reference = %(file_reference)s and sha256 = %(sha256)s)",
    "picture": """exists (select from files where sha256 = split_part(%(file_reference)s, '/', 6)
                            and coalesce(rendered_at, stored_at) = %(since)s)""",
    "place": """exists (select from thumbnails where entity_type = %(entity_type)s and entity_id = %(entity_id)s
                          and file_reference = %(file_reference)s and processed_at = %(since)s)
        and not exists (select from ingest_jobs where entity_id = %(entity_id)s and entity_type = %(entity_type)s
                          and stage = 'index' and status in ('queued', 'running'))""",
    "copy": f"exists (select from {HELD.as_string()} as held where reference = %(file_reference)s)",
}
_BROKEN: Final = {
    sort: f"""
        insert into integrity_findings (entity_type, entity_id, file_reference, file_size, sha256, kind, actual_sha256)
        select %(entity_type)s, %(entity_id)s, %(file_reference)s, %(file_size)s, %(sha256)s, %(kind)s, %(actual)s
        where {still}
        on conflict (file_reference) where resolved_at is null do update
        set kind = excluded.kind, actual_sha256 = excluded.actual_sha256, looked_at = clock_timestamp()
        returning xmax = 0
    """
    for sort, still in _STILL.items()
}


async def page(
    connection: Connection, limit: int, cursor: str | None, *, resolved: bool, kind: FindingKind | None
) -> Page[Finding]:
    """Findings, the newest first: those that are open, or those that are over.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    where = f"resolved_at is {'not ' if resolved else ''}null and (%(kind)s::text is null or kind = %(kind)s)"
    before = decode_cursor(cursor, LIST, SORT, None).id if cursor is not None else None
    params = {"kind": kind, "before": before, "limit": limit + 1}
    total = await db.value(connection, f"select count(*) from integrity_findings where {where}".encode(), params)
    query = f"""
        select finding_id, kind, sha256, actual_sha256, file_reference, file_size, entity_type, entity_id, found_at,
               looked_at, resolved_at
        from integrity_findings
        where {where} and (%(before)s::uuid is null or finding_id < %(before)s)
        order by finding_id desc limit %(limit)s
    """
    rows = await db.rows(connection, Finding, query.encode(), params)
    page = Page(rows[:limit], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(rows) > limit:
        page.next_cursor = encode_cursor(LIST, SORT, None, page.rows[-1].finding_id)
    return page

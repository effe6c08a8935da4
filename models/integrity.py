"""Whether stored files still are what they were: which are to be read again, and what was found."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from models import database
from models.database import Connection
from models.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor

FindingKind = Literal["rot", "loss"]
LIST: Final = "findings"  # the list whose cursors these are
SORT: Final = "-found_at"  # of a list; ids are as old as their rows
FIRST: Final = 100  # findings that a run looks at again, before all else


class Unproved(Struct):
    """A stored file that has not been read for long; its size in bytes."""

    sha256: str
    file_reference: str
    file_size: int


class Finding(Struct):
    """A file that was not what it should be: ``rot`` where it has another hash, ``loss`` where it is gone.

    ``resolved_at`` is null while it is so; the entity is the one that brought the file.
    """

    finding_id: UUID
    kind: FindingKind
    sha256: str
    actual_sha256: str | None
    file_reference: str
    file_size: int
    entity_type: str
    entity_id: UUID
    found_at: datetime
    looked_at: datetime
    resolved_at: datetime | None


class Integrity(Struct):
    """How many files are stored, how many of them were not read in time, and how many are rotten or lost.

    ``oldest_check_at`` is when the file was read, or stored, that was not read for longest.
    """

    files: int
    overdue: int
    rot: int
    loss: int
    oldest_check_at: datetime | None


async def summary(connection: Connection, days: int) -> Integrity:
    """How the stored files are."""
    query = """
        select count(*), count(*) filter (where coalesce(verified_at, stored_at) < now() - make_interval(days => %s)),
               (select count(*) from integrity_findings where resolved_at is null and kind = 'rot'),
               (select count(*) from integrity_findings where resolved_at is null and kind = 'loss'),
               min(coalesce(verified_at, stored_at))
        from files where stored_at is not null
    """
    found = await database.row(connection, Integrity, query, [days])
    assert found is not None  # noqa: S101
    return found


async def suspects(connection: Connection, before: datetime) -> list[Unproved]:
    """Files with an open finding that were not looked at since then."""
    query = """
        select sha256, file_reference, file_size from files join integrity_findings using (sha256)
        where resolved_at is null and looked_at < %s order by looked_at limit %s
    """
    return await database.rows(connection, Unproved, query, [before, FIRST])


async def due(connection: Connection, days: int, limit: int) -> list[Unproved]:
    """The files that were not read for longest, of those that were not for so many days."""
    query = """
        select sha256, file_reference, file_size from files
        where stored_at is not null and coalesce(verified_at, stored_at) < now() - make_interval(days => %s)
        order by coalesce(verified_at, stored_at) limit %s
    """
    return await database.rows(connection, Unproved, query, [days, limit])


async def sound(connection: Connection, sha256: str) -> None:
    """A file was read and is what it was: what was found of it earlier is over."""
    query = """
        with read as (
            update files set verified_at = clock_timestamp() where sha256 = %(sha256)s
        )
        update integrity_findings set resolved_at = clock_timestamp(), looked_at = clock_timestamp()
        where sha256 = %(sha256)s and resolved_at is null
    """
    await database.execute(connection, query, {"sha256": sha256})


async def broken(connection: Connection, file: Unproved, kind: FindingKind, actual_sha256: str | None) -> bool:
    """Note what is wrong with a file; whether that is new. A file that was removed meanwhile is nobody's loss."""
    query = """
        with read as (
            update files set verified_at = clock_timestamp()
            where sha256 = %(sha256)s and file_reference = %(file_reference)s returning sha256
        )
        insert into integrity_findings (sha256, kind, actual_sha256)
        select sha256, %(kind)s, %(actual)s from read
        on conflict (sha256) where resolved_at is null do update
        set kind = excluded.kind, actual_sha256 = excluded.actual_sha256, looked_at = clock_timestamp()
        returning xmax = 0
    """
    params = {"sha256": file.sha256, "file_reference": file.file_reference, "kind": kind, "actual": actual_sha256}
    return await database.value(connection, query, params) is True


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
    total = await database.value(connection, f"select count(*) from integrity_findings where {where}".encode(), params)  # noqa: S608
    query = f"""
        select finding_id, kind, sha256, actual_sha256, file_reference, file_size, entity_type, entity_id, found_at,
               looked_at, resolved_at
        from integrity_findings join files using (sha256)
        where {where} and (%(before)s::uuid is null or finding_id < %(before)s)
        order by finding_id desc limit %(limit)s
    """  # noqa: S608
    found = await database.rows(connection, Finding, query.encode(), params)
    page = Page(found[:limit], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(found) > limit:
        page.next_cursor = encode_cursor(LIST, SORT, None, page.rows[-1].finding_id)
    return page

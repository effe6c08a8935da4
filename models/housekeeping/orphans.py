"""Objects in the storage that no row refers to.

They are marked when they are first seen, and may go when they are still such after a grace time. What somebody else
put into the buckets is listed and stays: only names that this application gave are its own to remove.

The mark is the lock. A transaction that begins to refer to an object deletes its mark (by triggers, and ``spare``);
where a removal is under way it fails with 503, and the caller tries again. An object without a mark is not removed.
"""

import time
from datetime import datetime
from typing import Final

from msgspec import Struct
from psycopg.sql import SQL

from models.catalog.references import HELD, MENTIONED
from models.db import connection as db
from models.db.connection import Connection
from models.media.references import OURS, Reference
from models.media.s3 import StoredObject
from models.media.s3_signing import SLACK

# What is announced lasts longer than what is signed: by what the storage's clock may be taken wrong, and a second.
MARGIN_SECONDS: Final = SLACK.total_seconds() + 1


class Orphan(Struct):
    """An object that nothing refers to, since when; only what is ``ours`` will be removed. Size in bytes."""

    bucket: str
    key: str
    file_size: int
    modified_at: datetime
    ours: bool
    found_at: datetime


class ObjectPage(Struct):
    """Objects of a bucket in the order of their keys, all there are after ``after`` up to ``last``."""

    bucket: str
    after: str
    last: str | None  # None: up to the end
    objects: list[StoredObject]


async def without_reference(connection: Connection, bucket: str, keys: list[str]) -> set[str]:
    """Those of these keys that no row, no text in a row, and no job that may still run refers to."""
    unknown = await _keys(connection, _UNKNOWN, bucket, keys)
    return set(await _keys(connection, _UNMENTIONED, bucket, unknown)) if unknown else set()


async def _keys(connection: Connection, query: bytes, bucket: str, keys: list[str]) -> list[str]:
    found: list[str] = await db.value(connection, query, {"bucket": bucket, "keys": keys})
    return found


# What nearly all objects are: the first question, answered by indexes alone.
_UNKNOWN: Final = b"""
    select coalesce(array_agg(key), '{}') from unnest(%(keys)s::text[]) as key
    where not exists (select from files where file_reference = concat('s3://', %(bucket)s::text, '/', key))
      and not exists (select from files where key like 'content/%%' and sha256 = split_part(key, '/', 3))
      and not exists (
        select from thumbnails
        where entity_type = left(split_part(key, '/', 1), -1)
          and size_variant = split_part(split_part(key, '/', 3), '.', 1)
          and entity_id = case when split_part(key, '/', 2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                              then split_part(key, '/', 2)::uuid end
          and file_reference = concat('s3://', %(bucket)s::text, '/', key))
      and not exists (  -- pictures that are put in place, before there are rows of them
        select from ingest_jobs
        where entity_id = case when split_part(key, '/', 2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                              then split_part(key, '/', 2)::uuid end
          and entity_type = left(split_part(key, '/', 1), -1) and status in ('queued', 'running'))
"""
# And of those that are left, few where this is done from time to time: whether anything at all names them.
_UNMENTIONED: Final = (
    SQL("""
    with looked as materialized (
        select key, concat('s3://', %(bucket)s::text, '/', key) as reference from unnest(%(keys)s::text[]) as key
    ), named as materialized (
        select reference from {held} as held where reference = any(select reference from looked)
        union select reference from {mentioned} as mentioned where reference = any(select reference from looked)
        union select source_reference from ingest_jobs
              where status in ('queued', 'running', 'failed', 'cancelled') and kind = 'ingest'
                and source_reference = any(select reference from looked)
    )
    select coalesce(array_agg(key), '{{}}') from looked where reference not in (select reference from named)
""")
    .format(held=HELD, mentioned=MENTIONED)
    .as_bytes()
)


async def mark(connection: Connection, page: ObjectPage, orphans: set[str]) -> int:
    """Note those of a page that are orphans, and forget the notes of those that are none; how many are new."""
    forget = """
        delete from orphan_objects
        where bucket = %(bucket)s and key > %(after)s and (%(last)s::text is null or key <= %(last)s)
          and not key = any(%(keys)s)
    """
    params = {"bucket": page.bucket, "after": page.after, "last": page.last, "keys": sorted(orphans)}
    await db.execute(connection, forget, params)
    found = [stored for stored in page.objects if stored.key in orphans]
    query = """
        insert into orphan_objects (bucket, key, file_size, modified_at, ours)
        select %s, * from unnest(%s::text[], %s::bigint[], %s::timestamptz[], %s::boolean[])
        on conflict (bucket, key) do update set modified_at = excluded.modified_at, file_size = excluded.file_size,
            found_at = case when excluded.modified_at > orphan_objects.modified_at then excluded.found_at
                            else orphan_objects.found_at end
        returning xmax = 0
    """
    columns = ([one.key for one in found], [one.size for one in found], [one.modified_at for one in found])
    ours = [OURS.fullmatch(one.key) is not None for one in found]
    rows = await db.tuples(connection, query, [page.bucket, *columns, ours])
    return sum(new for (new,) in rows)


async def removable(connection: Connection, page: ObjectPage, orphans: set[str], before: datetime) -> list[str]:
    """Those orphans of a page that are ours, and were found before that time."""
    query = """
        select coalesce(array_agg(key), '{}') from orphan_objects
        where bucket = %s and key = any(%s) and ours and found_at < %s and modified_at < %s
    """
    found: list[str] = await db.value(connection, query, [page.bucket, sorted(orphans), before, before])
    return found


async def condemn(connection: Connection, target: Reference, seconds: float) -> float | None:
    """Announce that an orphan is removed within so many seconds: from when they count; None where it is none any more.

    By this machine's monotonic clock. Who named the object in a row since it was last looked for has taken its mark
    away, which is locked here, or comes after us; what has no trigger is looked for once more, by indexes alone.
    """
    lock = "select true from orphan_objects where bucket = %s and key = %s and ours for update"
    if not await db.value(connection, lock, list(target)):
        return None
    if not await _keys(connection, _UNKNOWN, target.bucket, [target.key]):
        return None
    announce = """
        update orphan_objects set removing_until = clock_timestamp() + make_interval(secs => %s)
        where bucket = %s and key = %s
    """
    now = time.monotonic()
    await db.execute(connection, announce, [seconds + MARGIN_SECONDS, *target])
    return now


async def spare(connection: Connection, targets: list[Reference]) -> None:
    """Somebody is about to write or to refer to these objects: they are orphans no more.

    Raises:
        LockNotAvailable: where one is being removed; in seconds it is gone.
    """
    await db.execute(connection, "select spare_objects(%s::text[])", [[str(target) for target in targets]])


async def forget(connection: Connection, target: Reference) -> None:
    """An orphan is gone."""
    await db.execute(connection, "delete from orphan_objects where bucket = %s and key = %s", list(target))


async def read_all(connection: Connection, limit: int) -> list[Orphan]:
    """The orphans that are known, those found first first."""
    query = """
        select bucket, key, file_size, modified_at, ours, found_at from orphan_objects order by found_at, key limit %s
    """
    return await db.rows(connection, Orphan, query, [limit])

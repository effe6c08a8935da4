"""Stored files: one row per content, whichever entities show it."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from psycopg.sql import SQL

from models.catalog.references import HELD
from models.db import connection as db
from models.db.connection import Connection
from models.entities import EntityType, FileRole


class StoredFile(msgspec.Struct):
    """The one row of a content.

    ``stored`` is true once its first job has decoded it; ``displaced`` is true where the entity that brought it now
    shows another content. ``thumbnails`` lie under the content's own name and are never overwritten.
    """

    sha256: str
    file_reference: str
    file_size: int
    entity_type: EntityType
    entity_id: UUID
    role: FileRole
    job_id: UUID
    thumbnails: list[dict[str, object]]
    stored: bool
    displaced: bool


class Owner(msgspec.Struct, frozen=True):
    """Which job brings a content, to which entity, in which role."""

    job_id: UUID
    entity_type: EntityType
    entity_id: UUID
    role: FileRole


async def claim_content(connection: Connection, sha256: str, file_reference: str, file_size: int, owner: Owner) -> bool:
    """Write the row of a content, or take over one that nobody shows any more; False where it is another's.

    The database decides the race.
    """
    query = """
        insert into files as kept (sha256, file_reference, file_size, entity_type, entity_id, role, job_id)
        values (%(sha256)s, %(file_reference)s, %(file_size)s, %(entity_type)s, %(entity_id)s, %(role)s, %(job_id)s)
        on conflict (sha256) do update
        set entity_type = excluded.entity_type, entity_id = excluded.entity_id, role = excluded.role,
            job_id = excluded.job_id, displaced_at = null
        where kept.displaced_at is not null and kept.stored_at is not null
    """
    params = {"sha256": sha256, "file_reference": file_reference, "file_size": file_size}
    return await db.execute(connection, query, params | msgspec.structs.asdict(owner)) == 1


async def find(connection: Connection, sha256: str) -> StoredFile | None:
    """The row of a content."""
    return await db.row(connection, StoredFile, f"{_FILE} where sha256 = %s", [sha256])


_FILE: Final = """
    select sha256, file_reference, file_size, entity_type, entity_id, role, job_id, thumbnails,
           stored_at is not null, displaced_at is not null
    from files
"""
_BROUGHT: Final = """
    entity_type = %(entity_type)s and entity_id = %(entity_id)s and displaced_at is null and stored_at is not null
"""


async def pictured(
    connection: Connection, entity_type: EntityType, entity_id: UUID, before: datetime
) -> list[StoredFile]:
    """The contents that an entity shows or brought whose pictures were made before a time; documents have none."""
    query = f"""
        {_FILE} where coalesce(rendered_at, stored_at) < %(before)s and thumbnails <> '[]' and (({_BROUGHT})
            or sha256 in (select sha256 from thumbnails where entity_type = %(entity_type)s
                          and entity_id = %(entity_id)s))
    """
    params = {"entity_type": entity_type, "entity_id": entity_id, "before": before}
    return await db.rows(connection, StoredFile, query.encode(), params)


async def shown(connection: Connection, entity_type: EntityType, entity_id: UUID) -> StoredFile | None:
    """The content whose pictures an entity shows, or should show; None where it has no pictures."""
    query = f"""
        {_FILE} where sha256 = coalesce(
            (select sha256 from thumbnails where entity_type = %(entity_type)s and entity_id = %(entity_id)s limit 1),
            (select sha256 from files where {_BROUGHT} and thumbnails <> '[]' order by role = 'trailer' limit 1))
    """
    params = {"entity_type": entity_type, "entity_id": entity_id}
    return await db.row(connection, StoredFile, query.encode(), params)


async def rendered(connection: Connection, sha256: str, thumbnails: object) -> None:
    """The pictures of a stored content were made again."""
    query = "update files set rendered_at = clock_timestamp(), thumbnails = %s::jsonb where sha256 = %s"
    await db.execute(connection, query, [msgspec.json.encode(thumbnails).decode(), sha256])


async def settle(connection: Connection, sha256: str, job_id: UUID, thumbnails: object) -> None:
    """The content decodes: from now on others may be its duplicates, and those that wait for it go on."""
    query = """
        with settled as (
            update files set stored_at = clock_timestamp(), thumbnails = %(thumbnails)s::jsonb
            where sha256 = %(sha256)s and job_id = %(job_id)s and stored_at is null
        ), woken as (
            update ingest_jobs set run_at = clock_timestamp() where job_id in (
                select job_id from ingest_jobs
                where sha256 = %(sha256)s and stage = 'deduplicate' and status = 'queued'
                  and run_at > clock_timestamp()
                order by job_id for update skip locked)
            returning job_id
        )
        select count(pg_notify('jobs', '')) from (select from woken limit 1) as any_woken
    """
    pictures = msgspec.json.encode(thumbnails).decode()
    await db.execute(connection, query, {"sha256": sha256, "job_id": job_id, "thumbnails": pictures})


async def keep(connection: Connection, file: StoredFile) -> None:
    """Note what a second copy holds that an entity shows, so that it can be proved later."""
    query = """
        insert into held_objects (file_reference, sha256, file_size, verified_at)
        select %(file_reference)s, %(sha256)s, %(file_size)s, clock_timestamp()
        where not exists (select from files where file_reference = %(file_reference)s)
        on conflict (file_reference) do update set sha256 = excluded.sha256, file_size = excluded.file_size
    """
    sent = {"file_reference": file.file_reference, "sha256": file.sha256, "file_size": file.file_size}
    await db.execute(connection, query, sent)


async def displace(connection: Connection, owner: Owner, shown: str) -> None:
    """The entity shows the content ``shown`` now: what it showed before has no entity any more."""
    query = """
        update files set displaced_at = clock_timestamp()
        where entity_type = %(entity_type)s and entity_id = %(entity_id)s and role = %(role)s
          and sha256 <> %(shown)s and displaced_at is null and stored_at is not null
    """
    await db.execute(connection, query, msgspec.structs.asdict(owner) | {"shown": shown})


async def release(connection: Connection, *job_ids: UUID) -> None:
    """Give up the content that jobs claimed and never proved, so that a waiting twin may take its place.

    What they stored and nobody came to show belongs to nobody: the next who brings it takes it over. What they may have
    put into the places of an entity that shows something else is put right by a job of its own.
    """
    await db.execute(connection, _RELEASE, {"ids": list(job_ids)})


_RELEASE: Final = (
    SQL("""
    with released as (
        delete from files where job_id = any(%(ids)s) and stored_at is null returning sha256
    ), displaced as (
        update files set displaced_at = clock_timestamp()
        where job_id = any(%(ids)s) and stored_at is not null and displaced_at is null
          and not exists (select from {held} as held where reference = file_reference)
    ), woken as (
        update ingest_jobs set run_at = clock_timestamp() where job_id in (
            select waiting.job_id from ingest_jobs as waiting join released using (sha256)
            where stage = 'deduplicate' and status = 'queued' and run_at > clock_timestamp()
            order by waiting.job_id for update of waiting skip locked)
        returning job_id
    ), put_right as (
        insert into ingest_jobs (kind, stage, entity_type, entity_id, role, source_reference, on_duplicate,
                                 priority, request_id, created_by)
        select distinct on (entity_type, entity_id) 'reprocess', 'index', entity_type, entity_id, role,
               source_reference, 'link', priority, request_id, created_by
        from ingest_jobs as ended
        where job_id = any(%(ids)s) and kind = 'ingest' and stage = 'index'
          and exists (select from thumbnails where thumbnails.entity_type = ended.entity_type
                        and thumbnails.entity_id = ended.entity_id and thumbnails.sha256 <> ended.sha256)
        order by entity_type, entity_id, job_id
        on conflict (kind, entity_type, entity_id) where kind <> 'ingest' and status in ('queued', 'running')
            do nothing
        returning job_id
    )
    select count(pg_notify('jobs', ''))
    from (select from woken union all select from put_right limit 1) as any_woken
""")
    .format(held=HELD)
    .as_bytes()
)

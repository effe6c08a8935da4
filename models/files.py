"""Stored files: one row per content, whichever entities show it."""

from typing import Final
from uuid import UUID

import msgspec

from models import database
from models.database import Connection
from models.media import EntityType, Role


class StoredFile(msgspec.Struct):
    """The one row of a content; ``stored`` once its first job has proved that it decodes."""

    sha256: str
    file_reference: str
    file_size: int
    media: dict[str, object]
    entity_type: EntityType
    entity_id: UUID
    role: Role
    job_id: UUID
    thumbnails: list[dict[str, object]]
    stored: bool


_FILE: Final = """
    select sha256, file_reference, file_size, media, entity_type, entity_id, role, job_id, thumbnails,
           stored_at is not null from files
"""


async def claim_content(connection: Connection, file: StoredFile) -> bool:
    """Write the row of a content; False where another job was first. The database decides the race."""
    query = """
        insert into files (sha256, file_reference, file_size, media, entity_type, entity_id, role, job_id)
        values (%s, %s, %s, %s::jsonb, %s, %s, %s, %s) on conflict (sha256) do nothing
    """
    media = msgspec.json.encode(file.media).decode()
    params = [file.sha256, file.file_reference, file.file_size, media]
    params += [file.entity_type, file.entity_id, file.role, file.job_id]
    return await database.execute(connection, query, params) == 1


async def find(connection: Connection, sha256: str) -> StoredFile | None:
    """The row of a content."""
    return await database.row(connection, StoredFile, f"{_FILE} where sha256 = %s", [sha256])


async def settle(
    connection: Connection, file: StoredFile, job_id: UUID, shown_by: tuple[EntityType, UUID], thumbnails: list[object]
) -> None:
    """The content decodes: from now on others may be its duplicates, and those that wait for it go on.

    ``shown_by`` is the entity whose pictures show it now, so that earlier contents of it can no longer lend theirs.
    """
    query = """
        with settled as (
            update files set stored_at = coalesce(stored_at, clock_timestamp()), thumbnails = %(thumbnails)s::jsonb
            where sha256 = %(sha256)s and job_id = %(job_id)s
        ), overwritten as (
            update files set thumbnails = '[]'
            where entity_type = %(entity_type)s and entity_id = %(entity_id)s and sha256 <> %(sha256)s
              and thumbnails <> '[]' and %(thumbnails)s <> '[]'
        ), woken as (
            update ingest_jobs set run_at = clock_timestamp()
            where sha256 = %(sha256)s and stage = 'deduplicate' and status in ('queued', 'running')
              and lease_expires_at is null and run_at > clock_timestamp()
            returning job_id
        )
        select count(pg_notify('jobs', '')) from (select from woken limit 1) as any_woken
    """
    pictures = msgspec.json.encode(thumbnails).decode()
    params = {"sha256": file.sha256, "job_id": job_id, "thumbnails": pictures}
    await database.execute(connection, query, params | {"entity_type": shown_by[0], "entity_id": shown_by[1]})


async def release(connection: Connection, job_id: UUID) -> None:
    """Give up the content that a job claimed and never proved, so that a waiting twin may take its place."""
    query = """
        with released as (
            delete from files where job_id = %s and stored_at is null returning sha256
        ), woken as (
            update ingest_jobs set run_at = clock_timestamp() from released
            where ingest_jobs.sha256 = released.sha256 and stage = 'deduplicate' and status in ('queued', 'running')
              and lease_expires_at is null and run_at > clock_timestamp()
            returning ingest_jobs.job_id
        )
        select count(pg_notify('jobs', '')) from (select from woken limit 1) as any_woken
    """
    await database.execute(connection, query, [job_id])

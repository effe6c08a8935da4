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


async def mark_stored(connection: Connection, sha256: str, job_id: UUID, thumbnails: list[dict[str, object]]) -> None:
    """The content decodes: from now on others may be its duplicates."""
    query = """
        update files set stored_at = coalesce(stored_at, clock_timestamp()), thumbnails = %s::jsonb
        where sha256 = %s and job_id = %s
    """
    await database.execute(connection, query, [msgspec.json.encode(thumbnails).decode(), sha256, job_id])


async def forget_thumbnails(connection: Connection, entity_type: EntityType, entity_id: UUID, keep: str) -> None:
    """The entity's pictures show another content now: its earlier files can no longer lend theirs."""
    query = """
        update files set thumbnails = '[]'
        where entity_type = %s and entity_id = %s and sha256 <> %s and thumbnails <> '[]'
    """
    await database.execute(connection, query, [entity_type, entity_id, keep])

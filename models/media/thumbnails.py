"""Thumbnails: three sizes per entity, each one row and one object."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from models.db import connection as db
from models.db.connection import Connection
from models.entities import EntityType
from models.media.references import Reference

Variant = Literal["primary", "medium", "small"]


class ThumbnailRow(msgspec.Struct):
    """A row of ``thumbnails``."""

    thumbnail_id: UUID
    entity_type: EntityType
    entity_id: UUID
    size_variant: Variant
    file_reference: str
    width: int
    height: int
    file_size: int
    status: Literal["ready"]
    processed_at: datetime


class NewThumbnail(msgspec.Struct):
    """A picture that has been stored; the SHA-256 of its bytes, where that is known."""

    size_variant: Variant
    file_reference: str
    width: int
    height: int
    file_size: int
    picture_sha256: str | None = None


def reference(bucket: str, entity_type: EntityType, entity_id: UUID, variant: Variant) -> Reference:
    """Where the picture of an entity lies."""
    return Reference(bucket, f"{entity_type}s/{entity_id}/{variant}.jpg")


def of_content(bucket: str, sha256: str, variant: Variant) -> Reference:
    """Where the picture of a content lies, whichever entities show it."""
    return Reference(bucket, f"content/{sha256[:2]}/{sha256}/{variant}.jpg")


async def read_all(connection: Connection, entity_type: str, entity_id: UUID) -> list[ThumbnailRow]:
    """The thumbnails of an entity, largest first."""
    query = """
        select thumbnail_id, entity_type, entity_id, size_variant, file_reference, width, height, file_size, status,
               processed_at
        from thumbnails where entity_type = %s and entity_id = %s order by width desc
    """
    return await db.rows(connection, ThumbnailRow, query, [entity_type, entity_id])


async def replace(
    connection: Connection, entity_type: EntityType, entity_id: UUID, sha256: str, made: list[NewThumbnail]
) -> None:
    """Write the rows of pictures that have been stored; ``sha256`` is of the file they show."""
    query = """
        insert into thumbnails (entity_type, entity_id, sha256, size_variant, file_reference, width, height, file_size,
                                picture_sha256)
        select %s, %s, %s, size_variant, file_reference, width, height, file_size, picture_sha256
        from jsonb_to_recordset(%s::jsonb) as made (size_variant text, file_reference text, width integer,
            height integer, file_size bigint, picture_sha256 text)
        on conflict (entity_type, entity_id, size_variant) do update
        set sha256 = excluded.sha256, file_reference = excluded.file_reference, width = excluded.width,
            height = excluded.height, file_size = excluded.file_size, picture_sha256 = excluded.picture_sha256,
            processed_at = now(), verified_at = null
    """
    params = [entity_type, entity_id, sha256, msgspec.json.encode(made).decode()]
    await db.execute(connection, query, params)

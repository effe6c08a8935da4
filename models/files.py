"""Stored files: which kinds each entity takes, how large they may be, and the one row per SHA-256."""

from typing import Final, Literal
from uuid import UUID

import msgspec

from models import database
from models.database import Connection

MB: Final = 1024 * 1024
Kind = Literal["image", "video", "audio", "document"]
EntityType = Literal["episode", "clip", "outfit", "ui_element", "background", "component", "guest"]
Role = Literal["primary", "thumbnail", "trailer", "script"]

IMAGE_TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif", "image/bmp"}
)
VIDEO_TYPES: Final = frozenset({"video/mp4", "video/quicktime", "video/x-matroska", "video/webm", "video/x-msvideo"})
AUDIO_TYPES: Final = frozenset({"audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/ogg"})
DOCUMENT_TYPES: Final = frozenset({"application/pdf", "text/plain"})


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What a look inside a file tells: MIME type, and size, length and codec where it has them."""

    mime_type: str
    kind: Kind
    width: int | None = None  # pixels, upright
    height: int | None = None  # pixels, upright
    duration_seconds: float | None = None
    frame_rate: float | None = None  # frames per second
    codec: str | None = None


def kind_of(mime_type: str) -> Kind | None:
    """The kind of a MIME type we take, or None."""
    kinds: tuple[tuple[Kind, frozenset[str]], ...] = (
        ("image", IMAGE_TYPES),
        ("video", VIDEO_TYPES),
        ("audio", AUDIO_TYPES),
        ("document", DOCUMENT_TYPES),
    )
    return next((kind for kind, types in kinds if mime_type in types), None)


def accepted(entity_type: EntityType, role: Role = "primary") -> frozenset[Kind]:
    """The kinds of file that an entity takes in a role."""
    if entity_type == "episode":
        return {
            "trailer": frozenset[Kind]({"video"}),
            "script": frozenset[Kind]({"document"}),
        }.get(role, frozenset[Kind]({"image"}))
    if entity_type in ("clip", "component"):
        return frozenset({"image", "video", "audio"})
    if entity_type == "background":
        return frozenset({"image", "video"})
    return frozenset({"image"})


def size_limit(kind: Kind, entity_type: EntityType) -> int:
    """The largest file of a kind that an entity takes, in bytes."""
    if kind == "image":
        return 5 * MB if entity_type == "ui_element" else 10 * MB
    if kind == "video":
        return 500 * MB if entity_type == "episode" else 5 * 1024 * MB
    return 100 * MB if kind == "audio" else 50 * MB


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

"""Clips: the raw footage of an episode, or of none yet."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from models.catalog.resource import RECORDED, File, Resource, Searched
from models.db.fields import Json, Tagged, Tags, Text, Title
from models.db.table import Entity, Table

TalentSource = Literal["Lala", "JustAWomanInHerPrime", "Guest"]
Quality = Literal["hero", "good", "maybe", "reject"]
ClipStatus = Literal["pending_review", "approved", "rejected", "used"]


class Clip(Entity):
    """A row of ``clips``; what describes the file is set by the pipeline."""

    clip_id: UUID
    title: str
    description: str | None
    episode_id: UUID | None
    talent_source: TalentSource | None
    quality: Quality | None
    status: ClipStatus
    recorded_at: datetime | None
    file_reference: str | None
    file_hash: str | None
    file_size: int | None
    mime_type: str | None
    width: int | None
    height: int | None
    duration_seconds: float | None
    frame_rate: float | None
    codec: str | None
    duplicate_of: UUID | None
    tags: list[str]


class NewClip(Tagged, forbid_unknown_fields=True):
    """What a client says of a new clip."""

    title: Title
    description: Text | None = None
    episode_id: UUID | None = None
    talent_source: TalentSource | None = None
    quality: Quality | None = None
    status: ClipStatus = "pending_review"
    recorded_at: datetime | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class ClipPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a clip."""

    title: Title | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    episode_id: UUID | UnsetType | None = UNSET
    talent_source: TalentSource | UnsetType | None = UNSET
    quality: Quality | UnsetType | None = UNSET
    status: ClipStatus | UnsetType = UNSET
    recorded_at: datetime | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class Assignment(Struct, forbid_unknown_fields=True):
    """The episode that a clip goes to."""

    episode_id: UUID


CLIPS: Final = Table(
    "clips",
    Clip,
    key="clip_id",
    title="title",
    filters={
        "episode_id": "episode_id = %(episode_id)s",
        "show_id": "episode_id in (select episode_id from episodes where show_id = %(show_id)s and deleted_at is null)",
        "unassigned": "(episode_id is null) = %(unassigned)s",
        "talent_source": "talent_source = %(talent_source)s",
        "quality": "quality = %(quality)s",
        "status": "status = %(status)s",
        "tag": "tags @> %(tag)s",
        "file_hash": "file_hash = %(file_hash)s",
        "duplicates": "(duplicate_of is not null) = %(duplicates)s",
    },
)
# What a clip says of its file, and where that is from.
FACTS: Final = {
    "file_hash": "sha256",
    "duplicate_of": "duplicate_of",
    **{name: name for name in ("file_size", "mime_type", "width", "height", "duration_seconds", "frame_rate", "codec")},
}
RESOURCE: Final = Resource(
    table=CLIPS,
    new=NewClip,
    patch=ClipPatch,
    parent="episode",
    search=Searched(
        rest="it.talent_source",
        status="it.status",
        show="episode.show_id",
        language="language_of(coalesce(episode.language, 'en'))",
    ),
    files={"primary": File("file_reference", RECORDED, FACTS)},
)

"""Guests: who visits an episode."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.db.fields import Email, Json, Name, Reference, Tagged, Tags, Text
from models.db.table import Entity, Table


class Guest(Entity):
    """A row of ``guests``."""

    guest_id: UUID
    name: str
    bio: str | None
    email: str | None
    social_links: Json | None
    photo_reference: str | None
    tags: list[str]
    usage_count: int
    last_used_at: datetime | None


class NewGuest(Tagged, forbid_unknown_fields=True):
    """What a client says of a new guest."""

    name: Name
    bio: Text | None = None
    email: Email | None = None
    social_links: Json | None = None
    photo_reference: Reference | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class GuestPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a guest."""

    name: Name | UnsetType = UNSET
    bio: Text | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    social_links: Json | UnsetType | None = UNSET
    photo_reference: Reference | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


GUESTS: Final = Table(
    "guests",
    Guest,
    key="guest_id",
    title="name",
    about="bio",
    filters={"tag": "tags @> %(tag)s"},
)

"""Guests: who visits an episode."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.link_table import OF_SHOW, Link, LinkedEpisode, LinkTable, NewLink
from models.catalog.resource import File, Resource, Searched
from models.db.fields import Email, Json, Name, ReferenceText, Tagged, Tags, Text
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
    photo_reference: ReferenceText | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class GuestPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a guest."""

    name: Name | UnsetType = UNSET
    bio: Text | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    social_links: Json | UnsetType | None = UNSET
    photo_reference: ReferenceText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


GUESTS: Final = Table(
    "guests",
    Guest,
    key="guest_id",
    title="name",
    about="bio",
    filters={
        "tag": "tags @> %(tag)s",
        "show_id": "guest_id in (select guest_id from episode_guests" + OF_SHOW,
    },
)


class GuestLink(Link):
    """A row of ``episode_guests``."""

    guest_id: UUID


class LinkedGuest(Guest):
    """A guest as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


GUESTS_OF_EPISODES: Final = LinkTable(
    "episode_guests",
    GuestLink,
    NewLink,
    things=GUESTS,
    of_episode=LinkedGuest,
    of_thing=LinkedEpisode,
)
RESOURCE: Final = Resource(
    table=GUESTS,
    new=NewGuest,
    patch=GuestPatch,
    links=GUESTS_OF_EPISODES,
    search=Searched(rest="concat_ws(' ', it.email, words(it.social_links))"),
    files={"primary": File("photo_reference")},
    person=True,
)

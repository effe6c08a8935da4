"""Backgrounds: where an episode plays."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.link_table import OF_SHOW, Link, LinkedEpisode, LinkTable, NewLink
from models.catalog.resource import MOVING, File, Resource, Searched
from models.db.fields import Json, Name, ReferenceText, Tagged, Tags, Text
from models.db.table import Entity, Table

BackgroundType = Literal["studio", "location", "virtual", "green_screen", "graphic", "other"]


class Background(Entity):
    """A row of ``backgrounds``."""

    background_id: UUID
    name: str
    description: str | None
    background_type: BackgroundType
    file_reference: str | None
    tags: list[str]
    usage_count: int
    last_used_at: datetime | None


class NewBackground(Tagged, forbid_unknown_fields=True):
    """What a client says of a new background."""

    name: Name
    description: Text | None = None
    background_type: BackgroundType = "other"
    file_reference: ReferenceText | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class BackgroundPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a background."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    background_type: BackgroundType | UnsetType = UNSET
    file_reference: ReferenceText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


BACKGROUNDS: Final = Table(
    "backgrounds",
    Background,
    key="background_id",
    title="name",
    filters={
        "background_type": "background_type = %(background_type)s",
        "tag": "tags @> %(tag)s",
        "show_id": "background_id in (select background_id from episode_backgrounds" + OF_SHOW,
    },
)


class BackgroundLink(Link):
    """A row of ``episode_backgrounds``."""

    background_id: UUID


class LinkedBackground(Background):
    """A background as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


BACKGROUNDS_OF_EPISODES: Final = LinkTable(
    "episode_backgrounds",
    BackgroundLink,
    NewLink,
    things=BACKGROUNDS,
    of_episode=LinkedBackground,
    of_thing=LinkedEpisode,
)
RESOURCE: Final = Resource(
    table=BACKGROUNDS,
    new=NewBackground,
    patch=BackgroundPatch,
    links=BACKGROUNDS_OF_EPISODES,
    search=Searched(rest="it.background_type"),
    files={"primary": File("file_reference", MOVING)},
)

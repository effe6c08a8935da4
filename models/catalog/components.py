"""Components: the recurring parts that episodes are built from."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.link_table import OF_SHOW, Link, LinkedEpisode, LinkTable, NewLink
from models.catalog.resource import RECORDED, File, Resource, Searched
from models.db.fields import Json, Name, ReferenceText, Tagged, Tags, Text
from models.db.table import Entity, Table

ComponentType = Literal["intro", "outro", "segment", "jingle", "template", "other"]


class Component(Entity):
    """A row of ``components``."""

    component_id: UUID
    name: str
    description: str | None
    component_type: ComponentType
    config: Json | None
    file_reference: str | None
    tags: list[str]
    usage_count: int
    last_used_at: datetime | None


class NewComponent(Tagged, forbid_unknown_fields=True):
    """What a client says of a new component."""

    name: Name
    description: Text | None = None
    component_type: ComponentType = "other"
    config: Json | None = None
    file_reference: ReferenceText | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class ComponentPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a component."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    component_type: ComponentType | UnsetType = UNSET
    config: Json | UnsetType | None = UNSET
    file_reference: ReferenceText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


COMPONENTS: Final = Table(
    "components",
    Component,
    key="component_id",
    title="name",
    filters={
        "component_type": "component_type = %(component_type)s",
        "tag": "tags @> %(tag)s",
        "show_id": "component_id in (select component_id from episode_components" + OF_SHOW,
    },
)


class ComponentLink(Link):
    """A row of ``episode_components``."""

    component_id: UUID


class LinkedComponent(Component):
    """A component as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


COMPONENTS_OF_EPISODES: Final = LinkTable(
    "episode_components",
    ComponentLink,
    NewLink,
    things=COMPONENTS,
    of_episode=LinkedComponent,
    of_thing=LinkedEpisode,
)
RESOURCE: Final = Resource(
    table=COMPONENTS,
    new=NewComponent,
    patch=ComponentPatch,
    links=COMPONENTS_OF_EPISODES,
    search=Searched(rest="concat_ws(' ', it.component_type, words(it.config))"),
    files={"primary": File("file_reference", RECORDED)},
)

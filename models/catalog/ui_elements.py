"""UI elements: what is laid over the picture."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.link_table import OF_SHOW, Link, LinkedEpisode, LinkTable, NewLink
from models.catalog.resource import File, Resource, Searched
from models.db.fields import Json, Moment, Name, ReferenceText, Tagged, Tags, Text
from models.db.table import Entity, Table
from models.entities import MB
from models.errors import Invalid

ElementType = Literal["lower_third", "logo", "overlay", "transition", "title_card", "icon", "other"]


class UiElement(Entity):
    """A row of ``ui_elements``."""

    ui_element_id: UUID
    name: str
    description: str | None
    element_type: ElementType
    file_reference: str | None
    tags: list[str]
    usage_count: int
    last_used_at: datetime | None


class NewUiElement(Tagged, forbid_unknown_fields=True):
    """What a client says of a new UI element."""

    name: Name
    description: Text | None = None
    element_type: ElementType = "other"
    file_reference: ReferenceText | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class UiElementPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a UI element."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    element_type: ElementType | UnsetType = UNSET
    file_reference: ReferenceText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


UI_ELEMENTS: Final = Table(
    "ui_elements",
    UiElement,
    key="ui_element_id",
    title="name",
    filters={
        "element_type": "element_type = %(element_type)s",
        "tag": "tags @> %(tag)s",
        "show_id": "ui_element_id in (select ui_element_id from episode_ui_elements" + OF_SHOW,
    },
)


class UiElementLink(Link):
    """A row of ``episode_ui_elements``."""

    ui_element_id: UUID
    start_seconds: float | None
    end_seconds: float | None


class NewUiElementLink(NewLink):
    """What a client says of a UI element in an episode."""

    start_seconds: Moment | None = None
    end_seconds: Moment | None = None

    def check(self) -> None:
        """It ends no sooner than it starts.

        Raises:
            Invalid: naming ``end_seconds``.
        """
        if self.start_seconds is not None and self.end_seconds is not None and self.end_seconds < self.start_seconds:
            raise Invalid("this is before start_seconds", field="end_seconds")


class LinkedUiElement(UiElement):
    """A UI element as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str
    start_seconds: float | None
    end_seconds: float | None


class EpisodeOfUiElement(LinkedEpisode):
    """An episode as a list of a UI element's shows it."""

    start_seconds: float | None
    end_seconds: float | None


UI_ELEMENTS_OF_EPISODES: Final = LinkTable(
    "episode_ui_elements",
    UiElementLink,
    NewUiElementLink,
    things=UI_ELEMENTS,
    of_episode=LinkedUiElement,
    of_thing=EpisodeOfUiElement,
)
RESOURCE: Final = Resource(
    table=UI_ELEMENTS,
    new=NewUiElement,
    patch=UiElementPatch,
    links=UI_ELEMENTS_OF_EPISODES,
    search=Searched(rest="it.element_type"),
    files={"primary": File("file_reference")},
    largest={"image": 5 * MB},
)

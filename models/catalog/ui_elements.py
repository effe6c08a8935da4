"""UI elements: what is laid over the picture."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.db.fields import Json, Name, Reference, Tagged, Tags, Text
from models.db.table import Entity, Table

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
    file_reference: Reference | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class UiElementPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of a UI element."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    element_type: ElementType | UnsetType = UNSET
    file_reference: Reference | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


UI_ELEMENTS: Final = Table(
    "ui_elements",
    UiElement,
    key="ui_element_id",
    title="name",
    filters={"element_type": "element_type = %(element_type)s", "tag": "tags @> %(tag)s"},
)

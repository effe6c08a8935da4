"""Shows: what a series of episodes belongs to."""

from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from models.db.fields import Json, Name, Text
from models.db.table import Entity, Table

ShowStatus = Literal["active", "archived", "on_hold"]


class Show(Entity):
    """A row of ``shows``."""

    show_id: UUID
    name: str
    description: str | None
    status: ShowStatus


class NewShow(Struct, forbid_unknown_fields=True):
    """What a client says of a new show."""

    name: Name
    description: Text | None = None
    status: ShowStatus = "active"
    metadata: Json | UnsetType = UNSET


class ShowPatch(Struct, forbid_unknown_fields=True):
    """What a client changes of a show."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    status: ShowStatus | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


SHOWS: Final = Table(
    "shows", Show, key="show_id", title="name", unique=("name",), filters={"status": "status = %(status)s"}
)

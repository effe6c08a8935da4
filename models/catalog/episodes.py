"""Episodes of a show's seasons."""

from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.resource import DOCUMENT, VIDEO, File, Resource, Searched
from models.db.fields import (
    Json,
    Label,
    Language,
    Note,
    Ordinal,
    ReferenceText,
    ScriptText,
    Seconds,
    Tagged,
    Tags,
    Text,
    Title,
)
from models.db.table import Entity, Table
from models.entities import MB

EpisodeStatus = Literal["draft", "in_production", "ready_for_publish", "published", "archived", "on_hold", "canceled"]
ApprovalStatus = Literal["draft", "approved", "rejected"]


class Episode(Entity):
    """A row of ``episodes``."""

    episode_id: UUID
    show_id: UUID
    title: str
    episode_number: int
    season_number: int
    status: EpisodeStatus
    description: str | None
    duration_seconds: int | None
    filming_date: date | None
    edit_deadline: date | None
    publish_date: date | None
    released_at: datetime | None
    script_text: str | None
    script_file_reference: str | None
    trailer_reference: str | None
    thumbnail_reference: str | None
    category: str | None
    language: str
    copyright: str | None
    approval_status: ApprovalStatus
    uploaded_by: str | None
    original_approver: str | None
    tags: list[str]


class NewEpisode(Tagged, forbid_unknown_fields=True):
    """What a client says of a new episode."""

    show_id: UUID
    title: Title
    episode_number: Ordinal
    season_number: Ordinal = 1
    status: EpisodeStatus = "draft"
    description: Text | None = None
    duration_seconds: Seconds | None = None
    filming_date: date | None = None
    edit_deadline: date | None = None
    publish_date: date | None = None
    released_at: datetime | None = None
    script_text: ScriptText | None = None
    script_file_reference: ReferenceText | None = None
    trailer_reference: ReferenceText | None = None
    thumbnail_reference: ReferenceText | None = None
    category: Label | None = None
    language: Language = "en-US"
    copyright: Note | None = None
    approval_status: ApprovalStatus = "approved"
    uploaded_by: Label | None = None
    original_approver: Label | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class EpisodePatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of an episode."""

    show_id: UUID | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    episode_number: Ordinal | UnsetType = UNSET
    season_number: Ordinal | UnsetType = UNSET
    status: EpisodeStatus | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    duration_seconds: Seconds | UnsetType | None = UNSET
    filming_date: date | UnsetType | None = UNSET
    edit_deadline: date | UnsetType | None = UNSET
    publish_date: date | UnsetType | None = UNSET
    released_at: datetime | UnsetType | None = UNSET
    script_text: ScriptText | UnsetType | None = UNSET
    script_file_reference: ReferenceText | UnsetType | None = UNSET
    trailer_reference: ReferenceText | UnsetType | None = UNSET
    thumbnail_reference: ReferenceText | UnsetType | None = UNSET
    category: Label | UnsetType | None = UNSET
    language: Language | UnsetType = UNSET
    copyright: Note | UnsetType | None = UNSET
    approval_status: ApprovalStatus | UnsetType = UNSET
    uploaded_by: Label | UnsetType | None = UNSET
    original_approver: Label | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


EPISODES: Final = Table(
    "episodes",
    Episode,
    key="episode_id",
    title="title",
    unique=("show_id", "season_number", "episode_number"),
    filters={
        "show_id": "show_id = %(show_id)s",
        "season_number": "season_number = %(season_number)s",
        "status": "status = %(status)s",
        "approval_status": "approval_status = %(approval_status)s",
        "category": "category = %(category)s",
        "language": "language = %(language)s",
        "tag": "tags @> %(tag)s",
        "publish_date_from": "publish_date >= %(publish_date_from)s",
        "publish_date_to": "publish_date <= %(publish_date_to)s",
    },
)
RESOURCE: Final = Resource(
    table=EPISODES,
    new=NewEpisode,
    patch=EpisodePatch,
    parent="show",
    search=Searched(
        rest="concat_ws(' ', it.category, it.script_text)",
        status="it.status",
        show="it.show_id",
        language="language_of(it.language)",
    ),
    files={
        "thumbnail": File("thumbnail_reference"),
        "trailer": File("trailer_reference", VIDEO),
        "script": File("script_file_reference", DOCUMENT),
    },
    largest={"video": 500 * MB},
)

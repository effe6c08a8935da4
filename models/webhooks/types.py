"""What a webhook is, and a delivery, as their clients see them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from models.entities import EntityName

EventKind = Literal[
    "job.succeeded",
    "job.failed",
    "batch.ended",
    "entity.created",
    "entity.changed",
    "entity.deleted",
    "entity.restored",
]
Subscribed = Literal[EventKind, "job.*", "entity.*"]  # the latter also of kinds that are added later
TEST: Final = "webhook.test"  # the kind of a test delivery; nobody asks for it
DeliveryStatus = Literal["pending", "succeeded", "failed"]
Url = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^https?://[!-~]+$(?!\n)")]


class WebhookFilter(Struct, forbid_unknown_fields=True):
    """Of which entities: of one type or several, of a show and what belongs to it; what is left out does not count.

    A job is of the entity that it is for. A batch is of none, so that a filter leaves it out.
    """

    entity_type: EntityName | Annotated[list[EntityName], Meta(min_length=1, max_length=20)] | UnsetType = UNSET
    show_id: UUID | UnsetType = UNSET


class NewWebhook(Struct, forbid_unknown_fields=True):
    """Who wants to be told of what."""

    url: Url
    events: Annotated[list[Subscribed], Meta(min_length=1, max_length=20)]
    filter: WebhookFilter | UnsetType = UNSET


class Webhook(Struct):
    """A webhook; ``failing_since`` is its first failure after its last success.

    A disabled one is told of nothing until it is enabled again; the reason says why.
    """

    webhook_id: UUID
    url: str
    events: list[Subscribed]
    filter: WebhookFilter
    created_by: str
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class CreatedWebhook(Webhook):
    """A new webhook and the secret that its deliveries are signed with, which is told this once."""

    secret: str


class DeliveryAttempt(Struct):
    """One try: what the receiver answered, or why there was no answer; neither where nobody noted the end of it."""

    attempt: int
    started_at: datetime
    finished_at: datetime | None
    status_code: int | None
    error: str | None
    response: str | None


class Delivery(Struct):
    """An event on its way to a webhook, with its last hundred attempts; ``body`` is what is sent.

    The header webhook-id is its ``event_id``.
    """

    delivery_id: UUID
    event_id: UUID
    event: str
    entity_id: UUID
    status: DeliveryStatus
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None
    attempts: list[DeliveryAttempt]
    body: dict[str, Any]

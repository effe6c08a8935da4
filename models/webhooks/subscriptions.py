"""Webhooks as their owners make, read, enable and remove them; each change has its row in the audit log."""

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import UNSET, Struct, structs

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, decode_cursor, encode_cursor
from models.db.recording import Actor
from models.entities import EntityName
from models.errors import Conflict, Invalid, NotFound
from models.webhooks.signatures import new_secret
from models.webhooks.types import CreatedWebhook, NewWebhook, Subscribed, Webhook, WebhookFilter

LIST: Final = "webhooks"
SORT: Final = "-created_at"  # ids are as old as their rows
MOST: Final = 50  # of one caller: each change of an entity may become a row for each of them

_COLUMNS: Final = """
    webhook_id, url, events, entity_types, show_id, created_by, created_at, failing_since, disabled_at, disabled_reason
"""
_AUDITED: Final = """
    insert into audit_log (actor, action, entity_type, entity_id, {side}, request_id)
    select %(actor)s, %(action)s, 'webhook', webhook_id,
           jsonb_build_object('host', %(host)s::text, 'events', events, 'created_by', created_by), %(request_id)s
    from changed
"""


class _Row(Struct):
    webhook_id: UUID
    url: str
    events: list[Subscribed]
    entity_types: list[EntityName] | None
    show_id: UUID | None
    created_by: str
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None

    def webhook(self) -> Webhook:
        fields = {name: getattr(self, name) for name in Webhook.__struct_fields__ if hasattr(self, name)}
        return Webhook(**fields, filter=WebhookFilter(self.entity_types or UNSET, self.show_id or UNSET))


async def create(connection: Connection, actor: Actor, new: NewWebhook) -> CreatedWebhook:
    """A new webhook with its secret.

    Raises:
        Invalid: where there is no such show.
        Conflict: where its owner has as many as may be.
    """
    wanted, secret = new.filter or WebhookFilter(), new_secret()
    show_id = wanted.show_id or None
    if show_id and not await _lives(connection, show_id):
        raise Invalid(f"there is no show {show_id}", field="filter.show_id")
    sent = _params(actor, "create", new.url) | {
        "url": new.url,
        "events": list(dict.fromkeys(new.events)),
        "entity_types": _types(wanted),
        "show_id": show_id,
        "secret": secret,
        "most": MOST,
    }
    row = await db.row(connection, _Row, _CREATE, sent)
    if row is None:
        raise Conflict(f"you have {MOST} webhooks; delete one before")
    return CreatedWebhook(**structs.asdict(row.webhook()), secret=secret)


_CREATE: Final = f"""
    with changed as (
        insert into webhooks (url, events, entity_types, show_id, secret, created_by)
        select %(url)s, %(events)s, %(entity_types)s, %(show_id)s, %(secret)s, %(actor)s
        where (select count(*) from webhooks where created_by = %(actor)s) < %(most)s
        returning {_COLUMNS}
    ), audited as ({_AUDITED.format(side="after")})
    select * from changed
""".encode()


def _types(wanted: WebhookFilter) -> list[str] | None:
    one_or_more = wanted.entity_type or []
    return [one_or_more] if isinstance(one_or_more, str) else list(dict.fromkeys(one_or_more)) or None


async def _lives(connection: Connection, show_id: UUID) -> bool:
    query = "select true from shows where show_id = %s and deleted_at is null"
    return await db.value(connection, query, [show_id]) is True


def _params(actor: Actor, action: str, url: str) -> dict[str, object]:
    """What is after the host may be a secret of the receiver: the log does not hold it."""
    return {**actor.params(), "action": action, "host": urlsplit(url).hostname}


async def read(connection: Connection, webhook_id: UUID) -> Webhook:
    """One webhook.

    Raises:
        NotFound
    """
    query = f"select {_COLUMNS} from webhooks where webhook_id = %s"
    row = await db.row(connection, _Row, query.encode(), [webhook_id])
    if row is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return row.webhook()


async def page(connection: Connection, owner: str | None, limit: int, cursor: str | None) -> Page[Webhook]:
    """The newest webhooks of an owner, or of all.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    before = decode_cursor(cursor, LIST, SORT, None).id if cursor is not None else None
    sent = {"owner": owner, "before": before, "limit": limit + 1, "most": COUNT_LIMIT + 1}
    total = await db.value(connection, _COUNT, sent)
    rows = await db.rows(connection, _Row, _PAGE, sent)
    found = Page([row.webhook() for row in rows[:limit]], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(rows) > limit:
        found.next_cursor = encode_cursor(LIST, SORT, None, found.rows[-1].webhook_id)
    return found


_OF_OWNER: Final = "(%(owner)s::text is null or created_by = %(owner)s)"
_COUNT: Final = f"select count(*) from (select from webhooks where {_OF_OWNER} limit %(most)s) as counted".encode()
_PAGE: Final = f"""
    select {_COLUMNS} from webhooks where {_OF_OWNER} and (%(before)s::uuid is null or webhook_id < %(before)s)
    order by webhook_id desc limit %(limit)s
""".encode()


async def delete(connection: Connection, actor: Actor, webhook: Webhook) -> None:
    """Remove a webhook with its deliveries: nobody is told any more."""
    await db.execute(connection, _DELETE, _params(actor, "delete", webhook.url) | {"webhook_id": webhook.webhook_id})


_DELETE: Final = f"""
    with changed as (
        delete from webhooks where webhook_id = %(webhook_id)s returning {_COLUMNS}
    ), audited as ({_AUDITED.format(side="before")})
    select true from changed
""".encode()


async def enable(connection: Connection, actor: Actor, webhook: Webhook) -> Webhook:
    """Let a webhook that was switched off be told again, of what still waits for it first.

    Raises:
        Conflict: where it is not switched off.
    """
    sent = _params(actor, "resume", webhook.url) | {"webhook_id": webhook.webhook_id}
    row = await db.row(connection, _Row, _ENABLE, sent)
    if row is None:
        raise Conflict("this webhook is not switched off")
    return row.webhook()


_ENABLE: Final = f"""
    with changed as (
        update webhooks set disabled_at = null, disabled_reason = null, failing_since = null
        where webhook_id = %(webhook_id)s and disabled_at is not null
        returning {_COLUMNS}
    ), audited as ({_AUDITED.format(side="after")}), due as (
        update webhook_deliveries as it
        set due_at = clock_timestamp(), give_up_at = clock_timestamp() + interval '3 days'
        from changed where it.webhook_id = changed.webhook_id and it.status = 'pending'
    )
    select * from changed
""".encode()

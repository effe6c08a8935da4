"""Deliveries as the owner of a webhook sees them: what was sent, what came back; one more, by hand."""

from typing import Any, Final
from uuid import UUID

from msgspec import convert

from models.db import connection as db
from models.db.connection import Connection
from models.db.paging import COUNT_LIMIT, Page, Whole, decode_cursor, encode_cursor
from models.db.recording import Actor
from models.errors import Conflict, NotFound
from models.webhooks.types import TEST, Delivery, DeliveryStatus, Webhook

SORT: Final = "-position"

_ATTEMPTS: Final = """
    coalesce((select jsonb_agg(to_jsonb(made) - 'delivery_id' order by attempt)
              from (select * from webhook_attempts as every where every.delivery_id = it.delivery_id
                    order by attempt desc limit 100) as made), '[]')
"""
_DELIVERY: Final = f"""
    select position, delivery_id, event_id, event, entity_id, status, created_at,
           case when status = 'pending' then due_at end as next_attempt_at, finished_at,
           {_ATTEMPTS} as attempts, body::jsonb as body
    from webhook_deliveries as it
"""


async def page(
    connection: Connection, webhook_id: UUID, status: DeliveryStatus | None, limit: int, cursor: str | None
) -> Page[Delivery]:
    """The newest deliveries of a webhook.

    Raises:
        Invalid: where the cursor is none of this list.
    """
    of = f"deliveries {webhook_id}"
    before = decode_cursor(cursor, of, SORT, Whole).value if cursor is not None else None
    sent = {"webhook_id": webhook_id, "status": status, "before": before, "limit": limit + 1, "most": COUNT_LIMIT + 1}
    total = await db.value(connection, _COUNT, sent)
    rows = await db.tuples(connection, _PAGE, sent)
    found = Page([_delivery(row) for row in rows[:limit]], limit, min(total, COUNT_LIMIT), total > COUNT_LIMIT)
    if len(rows) > limit:
        found.next_cursor = encode_cursor(of, SORT, rows[limit - 1][0], found.rows[-1].delivery_id)
    return found


def _delivery(row: tuple[Any, ...]) -> Delivery:
    return convert(dict(zip(Delivery.__struct_fields__, row[1:], strict=True)), Delivery)


_OF_WEBHOOK: Final = "webhook_id = %(webhook_id)s and (%(status)s::text is null or status = %(status)s)"
_COUNT: Final = f"""
    select count(*) from (select from webhook_deliveries where {_OF_WEBHOOK} limit %(most)s) as counted
""".encode()
_PAGE: Final = f"""
    {_DELIVERY} where {_OF_WEBHOOK} and (%(before)s::bigint is null or position < %(before)s)
    order by position desc limit %(limit)s
""".encode()


async def read(connection: Connection, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """One delivery of a webhook.

    Raises:
        NotFound
    """
    query = f"{_DELIVERY} where webhook_id = %s and delivery_id = %s"
    found = await db.tuples(connection, query.encode(), [webhook_id, delivery_id])
    if not found:
        raise NotFound(f"this webhook has no delivery {delivery_id}")
    return _delivery(found[0])


async def test(connection: Connection, actor: Actor, webhook: Webhook) -> Delivery:
    """An event of the kind ``webhook.test``, on its way like any other.

    Raises:
        Conflict: where the webhook is switched off.
    """
    _check_enabled(webhook)
    sent = {"webhook_id": webhook.webhook_id, "event": TEST, "actor": actor.subject, "request_id": actor.request_id}
    return await read(connection, webhook.webhook_id, await db.value(connection, _TEST, sent))


_TEST: Final = b"""
    with made as (select uuidv7() as event_id)
    insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body)
    select %(webhook_id)s, event_id, %(event)s, event_id,
           cloud_event(event_id, %(event)s, 'webhooks/' || %(webhook_id)s::uuid, jsonb_build_object(
               'webhook_id', %(webhook_id)s::uuid, 'actor', %(actor)s::text, 'request_id', %(request_id)s::text))
    from made returning delivery_id
"""


async def again(connection: Connection, webhook: Webhook, delivery_id: UUID) -> Delivery:
    """Deliver what was delivered, or given up, once more: the same event, with the same id, tried for as long again.

    Raises:
        NotFound
        Conflict: where it is on its way still, or the webhook is switched off.
    """
    _check_enabled(webhook)
    delivery = await read(connection, webhook.webhook_id, delivery_id)
    if not await db.execute(connection, _AGAIN, [delivery_id]):
        raise Conflict("this delivery is on its way still; it is tried again by itself")
    return await read(connection, webhook.webhook_id, delivery.delivery_id)


_AGAIN: Final = """
    update webhook_deliveries
    set status = 'pending', finished_at = null, due_at = clock_timestamp(), retried_attempts = attempts,
        give_up_at = clock_timestamp() + interval '3 days'
    where delivery_id = %s and status <> 'pending'
"""


def _check_enabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise Conflict(f"this webhook is switched off ({webhook.disabled_reason}); enable it before")

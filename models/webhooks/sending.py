"""What is to be sent now, claimed with a lease as any work, and how a try ended.

The number of the try is its fence: whoever comes late with an older one changes nothing.
"""

import random
from typing import Final
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection

LEASE_SECONDS: Final = 60  # more than a try takes with all that is noted of it
EACH: Final = 8  # tries of one webhook at once; of one that fails it is one, so that it costs nobody else a place
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 6 * 3600.0
RESPONSE_CHARACTERS: Final = 1024
GONE: Final = 410


class Claimed(Struct):
    """A delivery that is ours for the time of its lease; ``tries`` are those since it was begun by hand."""

    delivery_id: UUID
    event_id: UUID
    body: str
    attempt: int
    tries: int
    url: str
    secret: str


class Answer(Struct):
    """What came of a try; it is delivered where the status is 2xx, whatever comes behind that."""

    status_code: int | None = None
    error: str | None = None
    response: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300  # noqa: PLR2004


async def claim(connection: Connection, limit: int) -> list[Claimed]:
    """Take so many deliveries that are due: of each entity the oldest only, so that its events arrive in order."""
    return await db.rows(connection, Claimed, _CLAIM, {"limit": limit})


_CLAIM: Final = f"""
    with room as (
        select webhook_id, url, secret, failing_since, case when failing_since is null then {EACH} else 1 end - (
            select count(*) from webhook_deliveries as taken
            where taken.webhook_id = webhooks.webhook_id and status = 'pending' and lease_expires_at > now()) as free
        from webhooks where disabled_at is null
    ), chosen as (
        select delivery_id, url, secret from room cross join lateral (
            select delivery_id from webhook_deliveries as it
            where it.webhook_id = room.webhook_id and status = 'pending' and due_at <= now()
              and (lease_expires_at is null or lease_expires_at <= now())
              and position = (
                  select min(position) from webhook_deliveries as same
                  where same.webhook_id = it.webhook_id and same.entity_id = it.entity_id and same.status = 'pending')
            order by due_at limit greatest(free, 0) for update skip locked) as one
        order by failing_since is not null limit %(limit)s
    ), claimed as (
        update webhook_deliveries as it
        set attempts = attempts + 1, lease_expires_at = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
        from chosen where it.delivery_id = chosen.delivery_id
        returning it.delivery_id, event_id, body, attempts, attempts - retried_attempts as tries, url, secret
    ), begun as (
        insert into webhook_attempts (delivery_id, attempt) select delivery_id, attempts from claimed
    )
    select * from claimed
""".encode()


def pause_seconds(tries: int) -> float:
    """How long to wait after so many tries: 5 s, 20 s, 80 s … up to 6 hours, each jittered by a tenth."""
    pause = min(FIRST_PAUSE_SECONDS * 4.0 ** min(tries - 1, 10), LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.9, 1.1)  # noqa: S311  (jitter)


async def end(connection: Connection, claimed: Claimed, answer: Answer) -> str | None:
    """Note how a try ended; why the webhook is switched off by it, or None.

    That is at once where it answers that it is gone, and where a delivery is given up after its days while nothing
    else was delivered.
    """
    sent = {
        "delivery_id": claimed.delivery_id,
        "attempt": claimed.attempt,
        "delivered": answer.delivered,
        "gone": answer.status_code == GONE,
        "status_code": answer.status_code,
        "error": _storable(answer.error),
        "response": _storable(answer.response),
        "pause": pause_seconds(claimed.tries),
    }
    reason: str | None = await db.value(connection, _END, sent)
    return reason


def _storable(text: str | None) -> str | None:
    return text and text.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:RESPONSE_CHARACTERS]


_END: Final = b"""
    with ended as (
        update webhook_deliveries as it
        set status = case when %(delivered)s then 'succeeded' when over then 'failed' else 'pending' end,
            finished_at = case when %(delivered)s or over then clock_timestamp() end,
            due_at = clock_timestamp() + make_interval(secs => %(pause)s), lease_expires_at = null
        from (select %(gone)s or give_up_at < clock_timestamp() + make_interval(secs => %(pause)s) as over
              from webhook_deliveries where delivery_id = %(delivery_id)s) as judged
        where delivery_id = %(delivery_id)s and status = 'pending' and attempts = %(attempt)s
        returning webhook_id, it.status
    ), noted as (
        update webhook_attempts
        set finished_at = clock_timestamp(), status_code = %(status_code)s, error = %(error)s, response = %(response)s
        where delivery_id = %(delivery_id)s and attempt = %(attempt)s
    ), judged as (
        select webhook_id, status, case when %(gone)s then 'its receiver answered 410: it is gone'
            when status = 'failed' and failing_since < clock_timestamp() - interval '2 days'
            then 'nothing was delivered for days: ' || coalesce(%(error)s, 'status ' || %(status_code)s::integer) end
            as reason
        from ended join webhooks using (webhook_id)
    ), webhook as (
        update webhooks as it
        set failing_since = case when status <> 'succeeded' then coalesce(failing_since, clock_timestamp()) end,
            disabled_at = case when reason is null then disabled_at else coalesce(disabled_at, clock_timestamp()) end,
            disabled_reason = coalesce(disabled_reason, reason)
        from judged where it.webhook_id = judged.webhook_id
          and (reason is not null or (status = 'succeeded') = (failing_since is not null))
        returning it.webhook_id, case when old.disabled_at is null then reason end as reason, events, created_by
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
        select 'webhooks', 'pause', 'webhook', webhook_id,
               jsonb_build_object('reason', reason, 'events', events, 'created_by', created_by),
               %(delivery_id)s::uuid::text
        from webhook where reason is not null
    )
    select reason from webhook
"""

"""What the commands ``episodes webhooks …`` do with the server, and how they show it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from ops.cli.actions import Row, first
from ops.cli.sign_in import connected
from ops.ingest import output

WEBHOOKS: Final = "/api/v1/webhooks"
LOOK_SECONDS: Final = 0.5
PENDING: Final = "pending"


async def list_webhooks(limit: int, *, as_json: bool) -> None:
    """Print the webhooks of the caller."""
    async with connected("admin") as client:
        rows, total = await first(client, WEBHOOKS, limit, {})
    if as_json:
        print(output.dump(rows))
        return
    names = ("webhook", "url", "events", "by", "failing since", "switched off")
    output.console().print(output.rows(names, [_row(row) for row in rows]))
    output.console().print(f"{len(rows)} of {total} webhooks")


def _row(webhook: Row) -> list[object]:
    known = [webhook[name] for name in ("created_by", "failing_since", "disabled_at")]
    return [webhook["webhook_id"], webhook["url"], " ".join(webhook["events"]), *known]


async def add(url: str, events: Sequence[str], filters: Mapping[str, str | None], *, as_json: bool) -> None:
    """Make one and print it with its secret."""
    wanted = {name: value for name, value in filters.items() if value is not None}
    fields = {"url": url, "events": list(events)} | ({"filter": wanted} if wanted else {})
    async with connected("admin") as client:
        _print((await client.post(WEBHOOKS, Row, fields)).data, as_json=as_json)


async def show(webhook_id: str, *, as_json: bool) -> None:
    """Print one."""
    async with connected("admin") as client:
        _print((await client.get(f"{WEBHOOKS}/{webhook_id}", Row)).data, as_json=as_json)


async def send_test(webhook_id: str, *, as_json: bool) -> int:
    """Send a test delivery; 0 where it arrived at the first try."""
    async with connected("admin") as client:
        delivery = (await client.post(f"{WEBHOOKS}/{webhook_id}/test", Row)).data
        path = f"{WEBHOOKS}/{webhook_id}/deliveries/{delivery['delivery_id']}"
        while not delivery["attempts"] and delivery["status"] == PENDING:
            await asyncio.sleep(LOOK_SECONDS)
            delivery = (await client.get(path, Row)).data
    print(output.dump(delivery)) if as_json else output.console().print(_deliveries([delivery]))
    return int(delivery["status"] != "succeeded")


async def deliveries(webhook_id: str, limit: int, *, as_json: bool) -> None:
    """Print the newest deliveries."""
    async with connected("admin") as client:
        rows, total = await first(client, f"{WEBHOOKS}/{webhook_id}/deliveries", limit, {})
    if as_json:
        print(output.dump(rows))
        return
    output.console().print(_deliveries(rows))
    output.console().print(f"{len(rows)} of {total} deliveries")


async def retry(webhook_id: str, delivery_id: str, *, as_json: bool) -> None:
    """Deliver once more, and print the delivery."""
    async with connected("admin") as client:
        path = f"{WEBHOOKS}/{webhook_id}/deliveries/{delivery_id}/retry"
        delivery = (await client.post(path, Row)).data
    print(output.dump(delivery)) if as_json else output.console().print(_deliveries([delivery]))


async def enable(webhook_id: str, *, as_json: bool) -> None:
    """Switch it on again, and print it."""
    async with connected("admin") as client:
        _print((await client.post(f"{WEBHOOKS}/{webhook_id}/enable", Row)).data, as_json=as_json)


async def remove(webhook_id: str) -> None:
    """Take it away."""
    async with connected("admin") as client:
        await client.delete(f"{WEBHOOKS}/{webhook_id}")


def _print(webhook: Row, *, as_json: bool) -> None:
    print(output.dump(webhook)) if as_json else output.console().print(
        output.rows(("webhook", ""), list(webhook.items()))
    )


def _deliveries(rows: list[Row]) -> object:
    names = ("delivery", "event", "status", "attempts", "last answer", "next attempt")
    return output.rows(names, [_delivery(row) for row in rows])


def _delivery(row: Row) -> list[object]:
    last = row["attempts"][-1] if row["attempts"] else {}
    said = last.get("error") or last.get("status_code")
    known = [row[name] for name in ("delivery_id", "event", "status")]
    return [*known, len(row["attempts"]), said, row["next_attempt_at"]]

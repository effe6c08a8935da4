"""What the commands ``episodes batches …`` do with the server, and how they show it."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from ops.cli.actions import Row, first
from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.ingest import output

BATCHES: Final = "/api/v1/ingest/batches"
COUNTS: Final = ("total", "queued", "running", "succeeded", "failed", "cancelled")
PATIENCE: Final = 30.0  # seconds that a server may be away while a batch is watched
LOOK_SECONDS: Final = 1.0


async def list_batches(filters: Mapping[str, str | None], limit: int, *, as_json: bool) -> None:
    """Print the newest batches that match."""
    async with connected("viewer") as client:
        rows, total = await first(client, BATCHES, limit, filters)
    if as_json:
        print(output.dump(rows))
        return
    names = ("batch", "name", "by", *COUNTS, "created", "finished")
    output.console().print(output.rows(names, [_row(row) for row in rows]))
    output.console().print(f"{len(rows)} of {total} batches")


def _row(batch: Row) -> list[object]:
    known = [batch[name] for name in ("batch_id", "name", "created_by", *COUNTS)]
    return [*known, batch["created_at"], batch["finished_at"]]


async def show(batch_id: str, *, as_json: bool) -> None:
    """Print one batch."""
    async with connected("viewer") as client:
        _print(await _read(client, batch_id), as_json=as_json)


async def _read(client: Client, batch_id: str) -> Row:
    return (await client.get(f"{BATCHES}/{batch_id}", Row)).data


def _print(batch: Row, *, as_json: bool) -> None:
    if as_json:
        print(output.dump(batch))
        return
    output.console().print(output.rows(("batch", ""), list(batch.items())))
    if batch["failed"]:
        print(f"see why they failed: episodes jobs list --batch-id {batch['batch_id']} --status failed")
        print(f"start them again: episodes batches retry {batch['batch_id']}")


async def watch(batch_id: str, *, as_json: bool) -> int:
    """Show how a batch goes on until it is over, and print it; 1 if not all of it succeeded."""
    async with connected("viewer", patience=PATIENCE) as client:
        with output.progress() as progress:
            line = progress.add_task(batch_id, total=None, note="")
            while (batch := await _read(client, batch_id))["finished_at"] is None:
                ended = batch["total"] - batch["queued"] - batch["running"]
                note = f"{batch['failed']} failed, {batch['jobs_per_minute']:g} a minute"
                progress.update(line, description=batch["name"], total=batch["total"], completed=ended, note=note)
                await asyncio.sleep(LOOK_SECONDS)
    _print(batch, as_json=as_json)
    return int(batch["succeeded"] < batch["total"])


async def change(verb: Literal["cancel", "retry", "close"], batch_id: str, *, as_json: bool) -> None:
    """Cancel a batch, start it again, or close it, and print it."""
    async with connected("editor") as client:
        batch = (await client.post(f"{BATCHES}/{batch_id}/{verb}", Row)).data
    _print(batch, as_json=as_json)

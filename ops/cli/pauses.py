"""What is held back, as a line for all who wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from models.jobs.types import Priority
from ops.client.http import Client
from ops.errors import CommandError

PATH: Final = "/api/v1/status/pauses"
LOOKS: Final = 2.0  # seconds between two looks
Row = dict[str, Any]
Tell = Callable[[Sequence[str]], None]


async def lines(client: Client, priority: Priority | None = None) -> list[str]:
    """A line for each pause, the newest first; of priorities only this one's, if one is said."""
    found = (await client.get(PATH, list[Row])).data
    return [line(pause) for pause in found if not priority or pause["priority"] in (None, priority)]


def line(pause: Row) -> str:
    name = pause["priority"] or pause["stage"]
    return f"paused: {name} until {pause['until']} by {pause['paused_by']}: {pause['reason']}"


@asynccontextmanager
async def watched(client: Client, priority: Priority, tell: Tell) -> AsyncIterator[None]:
    """Tell what holds back jobs of a priority, and each change of that, for the time of a block."""
    watching = asyncio.create_task(_watch(client, priority, tell))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(client: Client, priority: Priority, tell: Tell) -> None:
    """Where the server is away, whoever waits for it tells that."""
    told: list[str] = []
    while True:
        try:
            now = await lines(client, priority)
        except CommandError:
            now = told
        if now != told:
            tell(now)
        told = now
        await asyncio.sleep(LOOKS)

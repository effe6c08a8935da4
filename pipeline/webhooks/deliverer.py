"""Delivering what is due, many at once, so that a receiver that hangs holds up nobody but itself.

A delivery is sent at least once: where the process dies between the answer and its note, another sends the same event
again, with the same webhook-id.
"""

import asyncio
import time
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from models.db import connection as db
from models.db.connection import Pool
from models.errors import Unavailable
from models.settings import Settings
from models.webhooks import sending, signatures
from models.webhooks.sending import LEASE_SECONDS, Answer, Claimed
from pipeline.webhooks.client import TIMEOUT_SECONDS, Client

logger = structlog.get_logger()
MOST: Final = 256  # tries at once
POLL_SECONDS: Final = 0.25
GATHER_SECONDS: Final = 0.02  # for others that end at the same time, so that one claim takes the place of many
NOTE_PAUSE_SECONDS: Final = 0.5  # between attempts to note an answer while the database is away
END_SECONDS: Final = 2.0  # for what is under way when the process stops
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TROUBLE: Final = (psycopg.Error, PoolTimeout, Unavailable)


class Deliverer:
    """The deliveries of one process; ``pool`` is theirs alone, so that many answers hold up no other work."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._pool = pool
        self._client = Client(settings.webhook_reach)
        self._under_way: set[asyncio.Task[None]] = set()

    async def deliver(self) -> None:
        """Begin what is due; then wait for a place that becomes free, or a moment."""
        room = MOST - len(self._under_way)
        claimed = await self._claim(room) if room else []
        for one in claimed:
            self._under_way.add(asyncio.create_task(self._deliver(one)))
        await self._wait()

    async def finish(self) -> None:
        """Let what is under way come to its end, for a moment; the rest is sent again when its lease has run out."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=END_SECONDS)
        for task in self._under_way:
            task.cancel()

    async def _claim(self, room: int) -> list[Claimed]:
        async with db.transaction(self._pool) as connection:
            return await sending.claim(connection, room)

    async def _wait(self) -> None:
        if not self._under_way:
            await asyncio.sleep(POLL_SECONDS)
            return
        done, self._under_way = await asyncio.wait(
            self._under_way, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
        await asyncio.sleep(GATHER_SECONDS)

    async def _deliver(self, claimed: Claimed) -> None:
        body = claimed.body.encode()
        signed = signatures.headers(claimed.secret, str(claimed.event_id), int(time.time()), body)
        answer = await self._client.post(claimed.url, signed | {"Content-Type": CONTENT_TYPE}, body)
        await self._note(claimed, answer)

    async def _note(self, claimed: Claimed, answer: Answer) -> None:
        """An answer is noted also where the database is away for a while, as long as the lease holds."""
        deadline = time.monotonic() + LEASE_SECONDS - TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                async with db.transaction(self._pool) as connection:
                    disabled = await sending.end(connection, claimed, answer)
            except TROUBLE as error:
                logger.warning("webhook's answer waits", delivery_id=str(claimed.delivery_id), error=str(error))
                await asyncio.sleep(NOTE_PAUSE_SECONDS)
            else:
                _say(claimed, answer, disabled)
                return


def _say(claimed: Claimed, answer: Answer, disabled: str | None) -> None:
    said = {"delivery_id": str(claimed.delivery_id), "attempt": claimed.attempt, "status": answer.status_code}
    if disabled:
        logger.warning("webhook switched off", reason=disabled, **said)
    elif not answer.delivered:
        logger.info("webhook not delivered", error=answer.error, **said)

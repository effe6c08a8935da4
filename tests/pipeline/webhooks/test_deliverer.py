"""How the deliveries of one process share it with its other work."""

import asyncio
from dataclasses import dataclass

import psycopg
import pytest

from models.db import connection as db
from models.settings import load
from models.webhooks.signatures import new_secret
from pipeline.webhooks import deliverer
from tests.eventually import eventually
from tests.receivers import Receiver
from tests.stack import own_database


@dataclass
class Told:
    """Whether anything else has run meanwhile."""

    ran: bool = False

    def note(self) -> None:
        self.ran = True


async def test_where_all_places_are_taken_the_rest_of_the_process_goes_on(
    services: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "MOST", 1)
    url = own_database(services)
    with Receiver() as receiver:
        receiver.answer = receiver.hang
        _post(url, receiver.url, 2)
        settings = load({**services, "DATABASE_URL": url})
        async with db.pool(settings, size=2) as pool:
            working, others = deliverer.Deliverer(settings, pool), Told()
            await working.deliver()
            await asyncio.to_thread(eventually, lambda: receiver.received)
            asyncio.get_running_loop().call_soon(others.note)
            await working.deliver()
            assert (others.ran, len(receiver.received)) == (True, 1)
            receiver.released.set()
            while len(receiver.received) < 2:
                await working.deliver()
            await working.finish()


def _post(url: str, to: str, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            """
            with made as (insert into webhooks (url, events, secret, created_by)
                          values (%s, '{job.*}', %s, 'tester') returning webhook_id)
            insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body)
            select webhook_id, uuidv7(), 'job.failed', uuidv7(), '{}' from made, generate_series(1, %s)
            """,
            [to, new_secret(), number],
        )

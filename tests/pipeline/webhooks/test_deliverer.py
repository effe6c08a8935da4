"""The loop of deliveries, where no service is needed to see it."""

import asyncio

import pytest

from models.db import connection as db
from models.settings import Settings
from pipeline.webhooks import deliverer
from pipeline.webhooks.deliverer import Deliverer


async def test_while_every_place_is_taken_the_rest_of_the_process_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "MOST", 0)
    settings = Settings(database_url="postgres://nowhere.invalid/x", redis_url="redis://nowhere.invalid")
    delivering, went_on = Deliverer(settings, db.pool(settings)), asyncio.Event()
    asyncio.get_running_loop().call_soon(went_on.set)
    await delivering.deliver()
    assert went_on.is_set()

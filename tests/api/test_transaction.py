"""One request, one transaction, however the request ends."""

import asyncio
from typing import Any

import pytest

from api import errors
from api.transaction import Transactions
from models import database
from models.settings import load
from tests.stack import Stack


async def test_a_request_that_is_cancelled_writes_nothing_and_gives_its_connection_back(server: Stack) -> None:
    written, never = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, _: Any, __: Any) -> None:
        connection = await scope["state"]["unit"].connection()
        insert = "insert into shows (name, created_by, updated_by) values ('Half a show', 'tester', 'tester')"
        await database.execute(connection, insert)
        written.set()
        await never.wait()

    async with database.pool(load(server.environ), size=1) as pool:
        scope: Any = {"type": "http", "method": "POST"}
        request = asyncio.create_task(Transactions(app, pool, errors.messages)(scope, None, None))  # type: ignore[arg-type]  # the app neither hears nor speaks
        await asyncio.wait_for(written.wait(), 10)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert pool.get_stats()["pool_available"] == 1
        assert server.sql("select 1 from shows where name = 'Half a show'") == []

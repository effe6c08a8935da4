"""One request, one transaction, however the request ends."""

import asyncio
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from api import errors
from api.app import create_app
from api.middleware.transaction import Transactions
from models.db import connection as db
from models.settings import load
from tests.stack import Stack


async def test_a_request_that_is_cancelled_writes_nothing_and_gives_its_connection_back(server: Stack) -> None:
    written, never = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, _: Any, __: Any) -> None:
        connection = await scope["state"]["transaction"].connection()
        insert = "insert into shows (name, created_by, updated_by) values ('Half a show', 'tester', 'tester')"
        await db.execute(connection, insert)
        written.set()
        await never.wait()

    async with db.pool(load(server.environ), size=1) as pool:
        scope: Any = {"type": "http", "method": "POST"}
        request = asyncio.create_task(Transactions(app, pool, errors.messages)(scope, None, None))  # type: ignore[arg-type]  # the app neither hears nor speaks
        await asyncio.wait_for(written.wait(), 10)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert pool.get_stats()["pool_available"] == 1
        assert server.sql("select 1 from shows where name = 'Half a show'") == []


async def test_a_request_that_is_not_answered_writes_nothing_and_is_no_failure(server: Stack) -> None:
    failures: list[Exception] = []

    async def app(scope: Any, _: Any, __: Any) -> None:
        connection = await scope["state"]["transaction"].connection()
        insert = "insert into shows (name, created_by, updated_by) values ('Nobody listens', 'tester', 'tester')"
        await db.execute(connection, insert)

    def failed(error: Exception) -> list[Any]:
        failures.append(error)
        return []

    async with db.pool(load(server.environ), size=1) as pool:
        scope: Any = {"type": "http", "method": "POST"}
        await Transactions(app, pool, failed)(scope, None, None)  # type: ignore[arg-type]  # as above
        assert pool.get_stats()["pool_available"] == 1
    assert failures == []
    assert server.sql("select 1 from shows where name = 'Nobody listens'") == []


def test_providers_run_in_the_same_order_in_every_process(server: Stack) -> None:
    app = create_app(load(server.environ))
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    models = [model for route in routes for _, model in route.route_handler_map.values()]
    orders = [[one.key for batch in model.dependency_batches for one in batch] for model in models]
    assert ["db", "trash", "paging"] in orders
    assert all(order == sorted(order, key=lambda key: (key == "paging", key)) for order in orders)

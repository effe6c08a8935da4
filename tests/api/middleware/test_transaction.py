"""One request, one transaction, however the request ends."""

import asyncio
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus

from api import errors
from api.app import create_app
from api.middleware.transaction import Transactions
from models.catalog.guests import GUESTS, NewGuest
from models.db import connection as db
from models.db.recording import Actor
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


async def answer(app: Any, pool: db.Pool) -> list[Exception]:
    """Send a POST through the layer; what failed in it."""
    failures: list[Exception] = []

    def failed(error: Exception) -> list[Any]:
        failures.append(error)
        return []

    scope: Any = {"type": "http", "method": "POST"}
    await Transactions(app, pool, failed)(scope, None, None)  # type: ignore[arg-type]  # as above
    return failures


async def test_a_write_that_stands_alone_needs_no_transaction_and_what_follows_it_may_only_read(server: Stack) -> None:
    status: list[TransactionStatus] = []
    who = Actor("tester", "transaction")

    async def app(scope: Any, _: Any, send: Any) -> None:
        connection = await scope["state"]["transaction"].connection()
        guest = await GUESTS.create(connection, who, NewGuest("Alone"))
        status.append(connection.info.transaction_status)
        assert await GUESTS.read(connection, guest.guest_id) == guest
        status.append(connection.info.transaction_status)
        await GUESTS.create(connection, who, NewGuest("A second one"))

    async with db.pool(load(server.environ), size=1) as pool:
        failures = await answer(app, pool)
        assert [type(error) for error in failures] == [ReadOnlySqlTransaction]
        assert status == [TransactionStatus.IDLE, TransactionStatus.INTRANS]
        async with db.transaction(pool) as connection:  # the next one may write
            await GUESTS.create(connection, who, NewGuest("Alone"))
    rows = server.sql("select name from guests where name in ('Alone', 'A second one')")
    assert rows == [("Alone",), ("Alone",)]


async def test_what_writes_before_a_write_that_could_stand_alone_is_in_one_transaction_with_it(server: Stack) -> None:
    async def app(scope: Any, _: Any, __: Any) -> None:
        connection = await scope["state"]["transaction"].connection()
        insert = "insert into shows (name, created_by, updated_by) values ('First of two', 'tester', 'tester')"
        await db.execute(connection, insert)
        await GUESTS.create(connection, Actor("tester", "transaction"), NewGuest("Second of two"))
        raise ValueError("after both")

    async with db.pool(load(server.environ), size=1) as pool:
        assert [str(error) for error in await answer(app, pool)] == ["after both"]
    rows = (
        "select name from shows where name = 'First of two' union select name from guests where name = 'Second of two'"
    )
    assert server.sql(rows) == []


def test_providers_run_in_the_same_order_in_every_process(server: Stack) -> None:
    app = create_app(load(server.environ))
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    models = [model for route in routes for _, model in route.route_handler_map.values()]
    orders = [[one.key for batch in model.dependency_batches for one in batch] for model in models]
    assert ["db", "trash", "paging"] in orders
    assert all(order == sorted(order, key=lambda key: (key == "paging", key)) for order in orders)

"""The pool of connections, on a real PostgreSQL that breaks them."""

import asyncio
import inspect
import sys
from pathlib import Path

import psycopg

from models.db import connection as db
from models.settings import Settings
from tests.stack import own_database

CONNECTIONS = 4


async def test_a_connection_that_the_server_closed_is_not_given_out(services: dict[str, str], tmp_path: Path) -> None:
    url = own_database(services)
    settings = Settings(database_url=url, redis_url=services["REDIS_URL"], episodes_home=tmp_path)

    together = asyncio.Barrier(CONNECTIONS)

    async def backend() -> int:
        async with db.borrow(pool) as connection, together:  # so that each has a connection of its own
            found: int = await db.value(connection, "select pg_backend_pid()")
            return found

    async with db.pool(settings, size=CONNECTIONS) as pool:
        before = set(await asyncio.gather(*(backend() for _ in range(CONNECTIONS))))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as pid", [list(before)])
        after = set(await asyncio.gather(*(backend() for _ in range(CONNECTIONS))))
    assert len(before) == CONNECTIONS
    assert not before & after


async def test_a_cursor_that_is_kept_holds_nothing_of_what_it_found(services: dict[str, str], tmp_path: Path) -> None:
    """It is emptied by private names of psycopg, which has no public ones: here it shows where they change."""
    query = "select generate_series(1, 3) as number"
    settings = Settings(database_url=own_database(services), redis_url=services["REDIS_URL"], episodes_home=tmp_path)
    async with db.pool(settings, size=1) as pool, db.borrow(pool) as connection:
        cursor = connection.cursor_of(query)
        for read in (cursor.first, cursor.every, cursor.touched):
            await cursor.execute(query)
            found = cursor.pgresult
            result = read()
            if inspect.isawaitable(result):
                await result
            where = "psycopg changed what empties a cursor: see _Cursor._let_go in models/db/connection.py"
            assert sys.getrefcount(found) == 2, where
            assert (cursor.pgresult, cursor.rowcount) == (None, -1), where
        assert await db.tuples(connection, query) == [(1,), (2,), (3,)]

"""The pool of connections, on a real PostgreSQL that breaks them."""

import asyncio
from pathlib import Path

import psycopg

from models import database
from models.settings import Settings
from tests.stack import own_database

CONNECTIONS = 4


async def test_a_connection_that_the_server_closed_is_not_given_out(services: dict[str, str], tmp_path: Path) -> None:
    url = own_database(services)
    settings = Settings(database_url=url, redis_url=services["REDIS_URL"], episodes_home=tmp_path)

    together = asyncio.Barrier(CONNECTIONS)

    async def backend() -> int:
        async with database.connection(pool) as connection, together:  # so that each has a connection of its own
            found: int = await database.value(connection, "select pg_backend_pid()")
            return found

    async with database.pool(settings, size=CONNECTIONS) as pool:
        before = set(await asyncio.gather(*(backend() for _ in range(CONNECTIONS))))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as pid", [list(before)])
        after = set(await asyncio.gather(*(backend() for _ in range(CONNECTIONS))))
    assert len(before) == CONNECTIONS
    assert not before & after

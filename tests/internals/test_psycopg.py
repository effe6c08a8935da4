"""What we lean on in psycopg, on a real PostgreSQL."""

import sys
from typing import Any

import psycopg

from tests.internals.table import checks


@checks("cursor")
async def test_a_cursor_is_emptied_and_keeps_how_it_reads_the_columns_of_one_query(services: dict[str, str]) -> None:
    first, second = "select 1 as number", "select 2 as number"
    async with await psycopg.AsyncConnection.connect(services["DATABASE_URL"], autocommit=True) as connection:
        cursor: Any = await connection.cursor().execute(first)
        reader, result = cursor._tx, cursor.pgresult
        assert await cursor.fetchall() == [(1,)]
        cursor._reset()
        reader.set_pgresult(None)
        assert sys.getrefcount(result) == 2
        assert (cursor.pgresult, cursor.rowcount) == (None, -1)
        await cursor.execute(first)
        assert cursor._tx is reader
        assert await cursor.fetchall() == [(1,)]
        await cursor.execute(second)
        assert cursor._tx is not reader

"""Seals are made and checked a part at a time, however many rows there are."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from models import database, seals
from models.database import Pool
from models.settings import load
from tests.stack import own_database

INSERT = """
    insert into audit_log (actor, action, entity_type, entity_id, request_id)
    select 'x', 'update', 'clip', uuidv7(), 'r' from generate_series(1, %s)
"""


@pytest_asyncio.fixture
async def pool(services: dict[str, str]) -> AsyncIterator[Pool]:
    """A database of its own, with five transactions of 1, 2, 7, 1 and 3 changes."""
    url = own_database(services)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in (1, 2, 7, 1, 3):
            connection.execute(INSERT, [number])
    async with database.pool(load({**services, "DATABASE_URL": url})) as opened:
        yield opened


@pytest.mark.parametrize(("most", "expected"), [(1, 5), (4, 2), (100, 1)])
async def test_a_seal_is_over_some_rows_and_the_rest_of_a_transaction(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, most: int, expected: int
) -> None:
    monkeypatch.setattr(seals, "SEALED_AT_ONCE", most)
    made = 0
    async with database.connection(pool) as connection:
        while await seals.seal(connection):
            made += 1
        for checked in (0, 5, 100):
            monkeypatch.setattr(seals, "CHECKED_AT_ONCE", checked)
            verdict = await seals.verify(connection)
            assert (verdict.seals, verdict.rows, verdict.unsealed, verdict.intact) == (expected, 14, 0, True)
    assert made == expected


async def test_of_two_that_seal_at_once_one_does(pool: Pool) -> None:
    async with database.transaction(pool) as one, database.transaction(pool) as other:
        assert await seals.seal(one)
        assert await seals.seal(other) is None
    async with database.connection(pool) as connection:
        assert (await seals.verify(connection)).seals == 1

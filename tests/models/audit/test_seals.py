"""Seals are made and checked a part at a time, however many rows there are."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from migrations.upgrade import downgrade, upgrade
from models.audit import seals
from models.db import connection as db
from models.db.connection import Pool
from models.settings import load
from tests.stack import own_database

INSERT = """
    insert into audit_log (actor, action, entity_type, entity_id, request_id)
    select 'x', 'update', 'clip', uuidv7(), 'r' from generate_series(1, %s)
"""
# As dispatchers have made seals: over the text of rows, and over a digest of each.
DATED = """
    insert into audit_seals (upto, rows, hash)
    select (max(transaction::text::bigint) + 1)::text::xid8, count(*),
        sha256(''::bytea || convert_to(string_agg(said::text, E'\n' order by audit_id), 'UTF8'))
    from audit_log, lateral (select to_jsonb(audit_log) - '{digest,redacted_with,more}'::text[] as said) as row
    where audit_id <= 3
"""
FIRST_FORMAT = """
    insert into audit_seals (upto, rows, hash, audit_ids, digests)
    select upto, rows, sha256((select hash from audit_seals) || digests), audit_ids, digests from (
        select (max(transaction::text::bigint) + 1)::text::xid8 as upto, count(*) as rows,
            array_agg(audit_id order by audit_id) as audit_ids,
            string_agg(sha256(convert_to(said::text, 'UTF8')), ''::bytea order by audit_id) as digests
        from audit_log, lateral (select to_jsonb(audit_log) - '{digest,redacted_with,more}'::text[] as said) as row
        where audit_id between 4 and 10
    ) as covered
"""


@pytest.fixture
def url(services: dict[str, str]) -> str:
    """A database of its own, as its owner."""
    return own_database(services)


@pytest_asyncio.fixture
async def pool(services: dict[str, str], url: str) -> AsyncIterator[Pool]:
    """The database with five transactions of 1, 2, 7, 1 and 3 changes."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number in (1, 2, 7, 1, 3):
            connection.execute(INSERT, [number])
    async with db.pool(load({**services, "DATABASE_URL": url})) as opened:
        yield opened


@pytest.mark.parametrize(("most", "expected"), [(1, 5), (4, 2), (100, 1)])
async def test_a_seal_is_over_some_rows_and_the_rest_of_a_transaction(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, most: int, expected: int
) -> None:
    monkeypatch.setattr(seals, "SEALED_AT_ONCE", most)
    made = 0
    async with db.borrow(pool) as connection:
        while await seals.seal(connection):
            made += 1
        for checked in (0, 5, 100):
            monkeypatch.setattr(seals, "CHECKED_AT_ONCE", checked)
            verdict = await seals.verify(connection)
            assert (verdict.seals, verdict.rows, verdict.unsealed, verdict.intact) == (expected, 14, 0, True)
    assert made == expected


async def test_of_two_that_seal_at_once_one_does(pool: Pool) -> None:
    async with db.transaction(pool) as one, db.transaction(pool) as other:
        assert await seals.seal(one)
        assert await seals.seal(other) is None
    async with db.borrow(pool) as connection:
        assert (await seals.verify(connection)).seals == 1


async def judged(pool: Pool) -> seals.Verdict:
    """The verdict, when what can be sealed is."""
    async with db.borrow(pool) as connection:
        while await seals.seal(connection):
            pass
        return await seals.verify(connection)


def execute(url: str, *statements: str) -> None:
    """Run statements as the owner, in the time zone of the programs."""
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def test_seals_of_all_formats_hold_in_one_chain_there_and_back(pool: Pool, url: str) -> None:
    downgrade(url, "0016")
    execute(url, DATED, FIRST_FORMAT)
    upgrade(url)
    verdict = await judged(pool)
    assert (verdict.seals, verdict.rows, verdict.unsealed, verdict.broken) == (3, 14, 0, None)
    downgrade(url, "0016")
    upgrade(url)
    again = await judged(pool)
    assert (again.seals, again.rows, again.broken) == (3, 14, None)
    assert again.last_seal != verdict.last_seal
    for table in ("audit_log", "audit_seals"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(url, f"update {table} set {'rows = 1' if table == 'audit_seals' else 'actor = null'}")


async def test_seals_hold_when_the_log_gets_another_column(pool: Pool, url: str) -> None:
    execute(url, DATED, FIRST_FORMAT)
    before = await judged(pool)
    execute(url, "alter table audit_log add column more text default 'x'")
    after = await judged(pool)
    assert (after.seals, after.last_seal, after.broken) == (3, before.last_seal, None)


@pytest.mark.parametrize(
    "changed", ["sealed_at = sealed_at + '1 microsecond'", "format = 1", "upto = (upto::text::bigint + 1)::text::xid8"]
)
async def test_what_a_seal_says_of_itself_is_sealed(pool: Pool, url: str, changed: str) -> None:
    execute(url, DATED, FIRST_FORMAT)
    assert (await judged(pool)).intact
    execute(
        url,
        "alter table audit_seals disable trigger all",
        "grant update on audit_seals to current_user",
        f"update audit_seals set {changed} where seal_id = 3",
    )
    async with db.borrow(pool) as connection:
        broken = (await seals.verify(connection)).broken
    assert broken is not None
    assert (broken.seal_id, broken.audit_id, broken.what) == (3, None, "seal changed")

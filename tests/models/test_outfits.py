"""Outfits are found by what they contain, by an index for each of the four columns."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models.outfits import OUTFITS
from tests.stack import own_database

ROWS = 20_000


@pytest.fixture(scope="module")
def connection(services: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A database with so many outfits that reading all of them would be the slower way."""
    fill = """
        insert into outfits (name, top, bottom, shoes, accessories, created_by, updated_by)
        select 'Look ' || n, piece, piece, piece, jsonb_build_array(piece, '{"item": "belt"}'::jsonb), 'x', 'x'
        from generate_series(1, %s) as n,
             lateral jsonb_build_object('item', 'coat', 'colour', n %% 7, 'sku', n) as piece
    """
    with psycopg.connect(own_database(services["DATABASE_URL"]), autocommit=True) as connected:
        connected.execute(fill, [ROWS])
        connected.execute("vacuum analyze outfits")
        yield connected


def indexes(plan: Any) -> set[str]:
    """The indexes that a plan reads."""
    if isinstance(plan, list):
        return set().union(*map(indexes, plan))
    if not isinstance(plan, dict):
        return set()
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    return own.union(*map(indexes, plan.values()))


@pytest.mark.parametrize(
    ("column", "contained"),
    [
        ("top", {"sku": 1234}),
        ("bottom", {"item": "coat", "sku": 1234}),
        ("shoes", {"sku": 1234}),
        ("accessories", [{"sku": 1234}]),
    ],
)
def test_containment_is_served_by_the_index_of_its_column(
    connection: psycopg.Connection, column: str, contained: Any
) -> None:
    page = OUTFITS._queries.page((column,), False, "-created_at", False)  # the very text that a list runs
    count = OUTFITS._queries.count((column,), False)
    params = {column: Jsonb(contained), "limit": 51, "snapshot": "", "total": 0}
    for query in (page, count):
        (plan,) = connection.execute(b"explain (format json) " + query, params).fetchone() or (None,)
        assert f"outfits_{column}_idx" in indexes(plan), json.dumps(plan, indent=1)

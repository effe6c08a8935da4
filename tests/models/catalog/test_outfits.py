"""Outfits are found by what they contain, by an index for each of the four columns."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models.catalog.outfits import OUTFITS
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
    with psycopg.connect(own_database(services), autocommit=True) as connected:
        connected.execute(fill, [ROWS])
        connected.execute("vacuum analyze outfits")
        yield connected


def indexes(plan: Any) -> list[str]:
    """The indexes that a plan reads, as often as it reads them."""
    if isinstance(plan, list):
        return [index for part in plan for index in indexes(part)]
    if not isinstance(plan, dict):
        return []
    own = [plan["Index Name"]] if "Index Name" in plan else []
    return own + indexes(list(plan.values()))


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
    query = OUTFITS._queries.page((column,), False, "-created_at", False, 51)  # the very text that a list runs
    params = {column: Jsonb(contained), "snapshot": "", "total": 0, "capped": False}
    (plan,) = connection.execute(b"explain (format json) " + query, params).fetchone() or (None,)
    served = [index for index in indexes(plan) if index == f"outfits_{column}_idx"]
    assert len(served) == 2, json.dumps(plan, indent=1)  # the page and its count

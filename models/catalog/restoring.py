"""What lies in the trash, and what stays there when a row comes back: none is deleted or restored with another."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from psycopg.sql import SQL, Composed, Identifier, Literal

from models.catalog import CATALOG
from models.catalog.resource import Resource
from models.db import connection as db
from models.db.connection import Connection

_PARENT: Final = SQL("{table} where {key} = (select {key} from {of} where {of_key} = %(key)s)")
_CHILDREN: Final = SQL("{table} where {of_key} = %(key)s")
_LINKED: Final = SQL("{table} join {link} using ({key}) where {of_key} = %(key)s")
_COUNT: Final = SQL("{name}, (select nullif(count(*), 0) from {rows} and deleted_at is not null)")
_LIVES: Final = SQL("""
    select exists (select from {table} as it where {key} = %(key)s and it.deleted_at is null{with_parent})
""")
_WITH_PARENT: Final = SQL(" and exists (select from {table} where {key} = it.{key} and deleted_at is null)")


async def living(connection: Connection, entity_type: str, key: UUID) -> bool:
    """Whether there is such a row, and it is not deleted, nor what it is a part of."""
    found: bool = await db.value(connection, _LIVING[entity_type], {"key": key})
    return found


async def still_deleted(connection: Connection, entity_type: str, key: UUID) -> dict[str, int]:
    """How many rows that belong to a row, or that it belongs to or is linked with, are deleted; by their kind."""
    found: dict[str, int] = await db.value(connection, _QUERIES[entity_type], {"key": key})
    return found


def _beside(of: Resource) -> Iterator[Composed]:
    """How many of each table are deleted beside a row."""
    episode = CATALOG["episode"]
    for other in CATALOG.values():
        if of.parent == other.name:
            yield _counted(_PARENT, other, of)
        if other.parent == of.name:
            yield _counted(_CHILDREN, other, of)
        if (links := other.links if of is episode else of.links if other is episode else None) is not None:
            yield _counted(_LINKED, other, of, links.name)


def _counted(where: SQL, other: Resource, of: Resource, link: str = "") -> Composed:
    rows = where.format(
        **_names(other), of=Identifier(of.table.name), of_key=Identifier(of.table.key), link=Identifier(link)
    )
    return _COUNT.format(name=Literal(other.table.name), rows=rows)


def _names(one: Resource) -> dict[str, Identifier]:
    return {"table": Identifier(one.table.name), "key": Identifier(one.table.key)}


def _query(of: Resource) -> bytes:
    """One object of all counts that are not zero."""
    counts = SQL(", ").join(_beside(of))
    return SQL("select jsonb_strip_nulls(jsonb_build_object({}))").format(counts).as_bytes()


def _lives(of: Resource) -> bytes:
    parent = CATALOG[of.parent] if of.parent and of.part else None
    with_parent = _WITH_PARENT.format(**_names(parent)) if parent else SQL("")
    return _LIVES.format(**_names(of), with_parent=with_parent).as_bytes()


_QUERIES: Final = {name: _query(one) for name, one in CATALOG.items()}
_LIVING: Final = {name: _lives(one) for name, one in CATALOG.items()}

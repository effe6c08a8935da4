"""Where rows name stored objects: in a column of its own, or in passing. Rows in the trash count, for they may return.

Both are tables of a query, to be put after ``from`` and to be given a name there.
"""

from collections.abc import Iterable, Iterator
from typing import Final, LiteralString

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from models.catalog import CATALOG
from models.catalog.resource import File, Resource

_HELD: Final = SQL("""
    select {type} as entity_type, {key} as entity_id, {role} as role, {column} as reference,
           {sha256}::text as sha256, {size}::bigint as file_size
    from {table} where {column} is not null
""")
_PROSE: Final = SQL("select {column}::text as said from {table} where {column}::text like '%%s3://%%'")
_MENTIONED: Final = SQL("""(
    select unnest(array[found[1], rtrim(found[1], '.-')]) as reference
    from ({prose}) as texts, regexp_matches(said, '(s3://[A-Za-z0-9._/-]+)', 'g') as found
)""")


def _together(queries: Iterable[Composable]) -> Composed:
    return SQL(" union all ").join(queries)


def _held(resource: Resource) -> Iterator[Composed]:
    """The references of a table; those that it lends are shown by what its rows belong to."""
    for column, role in resource.references.items():
        owner = CATALOG[resource.parent] if resource.parent and column in resource.lends else resource
        yield _HELD.format(
            type=Literal(owner.table.entity_type),
            key=Identifier(owner.table.key),
            role=Literal(role),
            column=Identifier(column),
            sha256=_fact(resource.files.get(role), "sha256"),
            size=_fact(resource.files.get(role), "file_size"),
            table=Identifier(resource.table.name),
        )


def _fact(file: File | None, name: str) -> Composable:
    """The column that holds what is known of the file, or null where none does."""
    columns = [column for column, fact in file.facts.items() if fact == name] if file else []
    return Identifier(*columns) if columns else SQL("null")


# entity_type, entity_id, role, reference; sha256 and file_size where the row says them
HELD: Final = SQL("({})").format(_together(query for one in CATALOG.values() for query in _held(one)))
MENTIONED: Final = _MENTIONED.format(
    prose=_together(
        _PROSE.format(column=Identifier(column), table=Identifier(one.table.name))
        for one in CATALOG.values()
        for column in one.prose
    )
)


def default_role(entity_type: LiteralString) -> Composed:
    """The role of a file where nobody says another, by the entity type in a column."""
    first = {one.name: next(iter(one.files)) for one in CATALOG.values() if one.files}
    cases = [SQL("when {} then {}").format(Literal(name), Literal(role)) for name, role in first.items()]
    return SQL("case {} {} end").format(SQL(entity_type), SQL(" ").join(cases))

"""The structs and the database say the same: columns, nullability, types, defaults, closed sets, bounds."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from api.http.parameters import Reason
from models.catalog import CATALOG
from models.db import actions, json_bounds
from models.db.fields import LONG
from models.db.idempotency import StoredResponse
from models.jobs import types
from models.media import thumbnails
from tests.stack import own_database

ENTITIES = {one.table.name: one.table.row for one in CATALOG.values()}
LINKS = {one.links.name: one.links for one in CATALOG.values() if one.links}
NEW: dict[str, type[msgspec.Struct]] = {one.table.name: one.new for one in CATALOG.values()}
NEW |= {name: links.new for name, links in LINKS.items()}
PATCH = {one.table.name: one.patch for one in CATALOG.values() if one.patch}

# Structs that are part of a table's columns, and the columns that nobody reads through them.
PARTS: dict[str, tuple[type[msgspec.Struct], set[str]]] = {
    "thumbnails": (thumbnails.ThumbnailRow, {"sha256", "picture_sha256", "verified_at"}),
    "idempotency_keys": (StoredResponse, {"caller", "key", "request_hash", "created_at"}),
}
TYPES: dict[Any, set[str]] = {
    str: {"text"},
    UUID: {"uuid"},
    datetime: {"timestamp with time zone"},
    date: {"date"},
    bool: {"boolean"},
    int: {"integer", "bigint", "smallint"},
    float: {"double precision"},
    bytes: {"bytea"},
    list: {"ARRAY", "jsonb"},
    dict: {"jsonb"},
}
# The columns whose values come from a closed set, and that set.
CLOSED: dict[tuple[str, str], Any] = {
    ("ingest_jobs", "kind"): types.JobKind,
    ("ingest_jobs", "entity_type"): types.Subject,
    ("ingest_jobs", "status"): types.Status,
    ("ingest_jobs", "stage"): types.Stage,
    ("ingest_jobs", "priority"): types.Priority,
    ("ingest_jobs", "on_duplicate"): types.OnDuplicate,
    ("ingest_jobs", "outcome"): types.Outcome,
    ("thumbnails", "size_variant"): thumbnails.Variant,
    ("ingest_pauses", "name"): types.Priority | types.Stage,
    ("audit_log", "action"): actions.Action,
}


@pytest.fixture(scope="module")
def connection(services: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A migrated database."""
    with psycopg.connect(own_database(services), autocommit=True) as connected:
        yield connected


def columns(connection: psycopg.Connection, table: str) -> dict[str, tuple[bool, str]]:
    """Name → (may be null, type) of each column."""
    query = """
        select column_name, is_nullable = 'YES', data_type from information_schema.columns
        where table_schema = 'public' and table_name = %s
    """
    return {name: (nullable, kind) for name, nullable, kind in connection.execute(query, [table]).fetchall()}


def checks(connection: psycopg.Connection, table: str) -> list[str]:
    """The text of each check of a table."""
    query = "select pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and conrelid = %s::regclass"
    return [text for (text,) in connection.execute(query, [table]).fetchall()]


def closed_sets(connection: psycopg.Connection, table: str) -> dict[str, set[str]]:
    """Column → the values that its check allows."""
    found = (re.fullmatch(r"CHECK \(\((\w+) = (.*)\)\)", text) for text in checks(connection, table))
    return {shape[1]: set(re.findall(r"'([^']*)'::text", shape[2])) for shape in found if shape}


def parts(kind: Any) -> tuple[set[Any], bool]:
    """The types of an annotation without None and UNSET, and whether None is one of them."""
    if get_origin(kind) is Annotated:
        return parts(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        found = [parts(part) for part in get_args(kind)]
        return set().union(*(types for types, _ in found)), any(null for _, null in found)
    return (set(), True) if kind is NoneType else ({kind} - {msgspec.UnsetType}, False)


def literals(row: type[msgspec.Struct]) -> dict[str, set[str]]:
    """Field → the values of its Literal."""
    hints = {name: parts(kind)[0] for name, kind in get_type_hints(row).items()}
    return {name: set(get_args(kind)) for name, kinds in hints.items() for kind in kinds if get_origin(kind) is Literal}


def fitting(kind: Any) -> set[str]:
    """The database's types for a type of ours."""
    if get_origin(kind) is Literal:
        return {"text"}
    if kind == list[str]:
        return {"ARRAY"}
    return TYPES[get_origin(kind) or kind]


def assert_alike(connection: psycopg.Connection, table: str, row: type[msgspec.Struct], apart: set[str]) -> None:
    """The struct's fields are the table's columns, each with its nullability and type."""
    found = columns(connection, table)
    hints = get_type_hints(row)
    assert set(hints) == set(found) - apart
    for name, kind in hints.items():
        types, nullable = parts(kind)
        assert (name, found[name][0]) == (name, nullable or name in apart)
        assert all(found[name][1] in fitting(one) for one in types), (name, types, found[name])


@pytest.mark.parametrize("table", ENTITIES)
def test_the_fields_of_a_row_are_the_columns_of_its_table(connection: psycopg.Connection, table: str) -> None:
    assert_alike(connection, table, ENTITIES[table], set())


def test_every_table_of_entities_has_its_struct(connection: psycopg.Connection) -> None:
    query = "select table_name from information_schema.columns where column_name = 'deleted_at'"
    assert {name for (name,) in connection.execute(query).fetchall()} == set(ENTITIES)


@pytest.mark.parametrize("table", LINKS)
def test_the_fields_of_a_link_are_the_columns_of_its_table(connection: psycopg.Connection, table: str) -> None:
    assert_alike(connection, table, LINKS[table].link, set())


def test_a_ui_element_ends_no_sooner_than_it_starts(connection: psycopg.Connection) -> None:
    assert any("end_seconds >= start_seconds" in text for text in checks(connection, "episode_ui_elements"))


def test_the_row_of_a_thumbnail_is_its_table(connection: psycopg.Connection) -> None:
    row, apart = PARTS["thumbnails"]
    assert_alike(connection, "thumbnails", row, apart)


def test_the_row_of_an_answer_is_its_table(connection: psycopg.Connection) -> None:
    row, apart = PARTS["idempotency_keys"]
    assert set(get_type_hints(row)) == set(columns(connection, "idempotency_keys")) - apart


@pytest.mark.parametrize("table", ENTITIES)
def test_a_closed_set_is_the_same_in_the_database(connection: psycopg.Connection, table: str) -> None:
    assert closed_sets(connection, table) == literals(ENTITIES[table])


@pytest.mark.parametrize(("table", "column"), CLOSED)
def test_a_closed_set_of_the_ledger_is_the_same_in_the_database(
    connection: psycopg.Connection, table: str, column: str
) -> None:
    kinds, _ = parts(CLOSED[table, column])
    assert closed_sets(connection, table)[column] == {value for kind in kinds for value in get_args(kind)}


# What a row needs besides what the test is about, and whose rows it hangs on.
NEEDS: dict[str, dict[str, Any]] = {
    "episodes": {"title": "a", "episode_number": 1},
    "scripts": {"version_number": 1, "content": "a"},
    "clips": {"title": "a"},
}
NEEDS |= {one.table.name: {"name": "a"} for one in CATALOG.values() if one.table.title == "name"}
PARENTS: dict[str, tuple[str, ...]] = {"episodes": ("shows",), "scripts": ("episodes",)}
PARENTS |= {link: ("episodes", link.removeprefix("episode_")) for link in LINKS}


def insert(connection: psycopg.Connection, table: str, **fields: Any) -> UUID:
    """A row as the database takes it; its first column."""
    parents = {f"{parent.removesuffix('s')}_id": insert(connection, parent) for parent in PARENTS.get(table, ())}
    values = {"created_by": "x", "updated_by": "x"} | parents | NEEDS.get(table, {}) | fields
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    query = sql.SQL("insert into {} ({}) values ({}) returning *").format(
        sql.Identifier(table), names, sql.SQL(", ").join(map(sql.Placeholder, values))
    )
    made = connection.execute(query, values).fetchone()
    assert made
    key: UUID = made[0]
    return key


# Values at the bounds of what matches a pattern, and just beyond.
PATTERNS: dict[str, tuple[list[Any], list[Any]]] = {
    "language": (
        ["de", "zh-Hant-TW", "ab" + "-abcdefgh" * 3 + "-abcde"],
        ["", "d", "de_AT", "de\n", "ab" + "-abcdefg" * 5],
    ),
    "email": (["a@b", "a" * 252 + "@b"], ["", "a", "a b@c", "a@b@c", "a@b\n", "a" * 253 + "@b"]),
}


def edges(name: str, kind: Any) -> tuple[list[Any], list[Any]]:
    """Values at the bounds of a field, and just beyond."""
    info = msgspec.inspect.type_info(kind)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    found = [PATTERNS.get(name) or edges_of(one) for one in kinds if not isinstance(one, msgspec.inspect.NoneType)]
    return [value for fits, _ in found for value in fits], [value for _, beyond in found for value in beyond]


def edges_of(info: msgspec.inspect.Type) -> tuple[list[Any], list[Any]]:
    match info:
        case msgspec.inspect.StrType():
            least, most = info.min_length or 0, info.max_length or 0
            return ["x" * least, "x" * most], ["x" * (most + 1), *(["x" * (least - 1)] if least else [])]
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            assert info.ge is not None
            assert info.le is not None
            return [info.ge, info.le], [info.ge - 1, info.le + 1]
        case msgspec.inspect.DictType():
            fits, beyond = documents_at_their_bounds()
            return [Jsonb({}), Jsonb({"a": [1]}), *fits], [Jsonb([]), Jsonb("a"), Jsonb(None), *beyond]
        case msgspec.inspect.ListType(item_type=msgspec.inspect.DictType()):
            fits, beyond = documents_at_their_bounds(within=1)
            wrong = [Jsonb({}), Jsonb([{}, "a"]), Jsonb([[]]), Jsonb(None)]
            return [Jsonb([]), Jsonb([{}, {"a": 1}]), *fits], [*wrong, *beyond]
        case msgspec.inspect.ListType(item_type=msgspec.inspect.StrType() as item):
            most, longest = info.max_length or 0, item.max_length or 0
            many = [f"{number}" for number in range(most + 1)]
            return [[], many[1:], ["x" * longest]], [many, ["x", ""], ["x" * (longest + 1)], [None], ["x", "y", "x"]]
    return [], []


def documents_at_their_bounds(within: int = 0) -> tuple[list[Any], list[Any]]:
    """Documents of the most bytes, keys and levels, inside so many arrays; and of one more each."""

    def one(value: dict[str, Any]) -> Jsonb:
        return Jsonb([value] if within else value)

    def sized(size: int) -> Jsonb:
        return one({"a": "x" * (size - len('{"a":""}') - 2 * within)})

    def keyed(keys: int) -> Jsonb:
        return one({"a": '": ' * 2000, "e": [{"b": 0}] * (keys - 2)})

    def deep(levels: int) -> Jsonb:
        value: Any = "x" * 5000
        for level in range(levels - within):
            value = {"a": value} if (levels - within - level) % 2 else [value]
        return one(value)

    most = {sized: json_bounds.LONGEST, keyed: json_bounds.MOST_KEYS, deep: json_bounds.MOST_LEVELS}
    return [make(bound) for make, bound in most.items()], [make(bound + 1) for make, bound in most.items()]


@pytest.mark.parametrize("table", NEW)
def test_the_database_takes_what_a_field_takes_and_refuses_what_is_just_beyond(
    connection: psycopg.Connection, table: str
) -> None:
    for field in msgspec.structs.fields(NEW[table]):
        fits, beyond = edges(field.name, field.type)
        with connection.transaction(force_rollback=True):
            for value in fits:
                with connection.transaction(force_rollback=True):
                    insert(connection, table, **{field.name: value})
            for value in beyond:
                with pytest.raises(psycopg.DatabaseError) as refused, connection.transaction(force_rollback=True):
                    insert(connection, table, **{field.name: value})
                named = {f"{table}_{field.name}_{what}" for what in ("check", "set")}
                assert refusal(refused.value) in {*named, "out of range"}, (field.name, str(value)[:100])


def refusal(error: psycopg.DatabaseError) -> str | None:
    """The check that a value fails, or that its column's type cannot hold it."""
    return "out of range" if isinstance(error, psycopg.errors.NumericValueOutOfRange) else error.diag.constraint_name


def ends(kind: msgspec.inspect.Type) -> bool:
    """Whether a client can fill a field only so far."""
    match kind:
        case msgspec.inspect.UnionType():
            return all(map(ends, kind.types))
        case msgspec.inspect.StrType():
            return kind.max_length is not None
        case msgspec.inspect.ListType(item_type=msgspec.inspect.StrType() as item):
            return kind.max_length is not None and ends(item)
    return True  # numbers; and documents, whose bounds are those of all


@pytest.mark.parametrize("table", NEW)
def test_no_text_is_without_an_end_and_long_ones_count_in_a_page(table: str) -> None:
    info = msgspec.inspect.type_info(NEW[table])
    assert isinstance(info, msgspec.inspect.StructType)
    assert [field.name for field in info.fields if not ends(field.type)] == []
    longest = {field.name: length(field.type) for field in info.fields}
    assert {name for name, most in longest.items() if most > 1024} == LONG & set(longest)


def length(kind: msgspec.inspect.Type) -> int:
    """The most characters of a text; 0 of what is none."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return max(map(length, kind.types))
    return (kind.max_length or 0) if isinstance(kind, msgspec.inspect.StrType) else 0


# The checks of columns that no client writes, and of a parameter.
OTHERS = {"clips": {"file_reference", "file_hash"}, "scripts": {"version_number", "content_source"}}


@pytest.mark.parametrize("table", NEW)
def test_the_database_checks_nothing_that_a_field_does_not(connection: psycopg.Connection, table: str) -> None:
    query = "select conname from pg_constraint where contype = 'c' and conrelid = %s::regclass"
    names = [name for (name,) in connection.execute(query, [table]).fetchall()]
    checked = {name.removeprefix(f"{table}_").rpartition("_")[0] for name in names}
    bound = {field.name for field in msgspec.structs.fields(NEW[table]) if edges(field.name, field.type)[0]}
    apart = OTHERS.get(table, set()) | ({"deleted_reason"} if table in ENTITIES else set())
    assert checked == bound | set(literals(NEW[table])) | apart


@pytest.mark.parametrize("table", ENTITIES)
def test_a_reason_is_as_long_as_its_parameter_may_be(connection: psycopg.Connection, table: str) -> None:
    (limit,) = [meta.max_length for meta in get_args(Reason) if hasattr(meta, "max_length")]
    with connection.transaction(force_rollback=True):
        insert(connection, table, deleted_reason="x" * limit)
    with pytest.raises(psycopg.errors.CheckViolation), connection.transaction(force_rollback=True):
        insert(connection, table, deleted_reason="x" * (limit + 1))


EMPTY = {"metadata": "{}", "tags": "{}", "accessories": "[]"}  # what a field that is left out becomes


@pytest.mark.parametrize("table", NEW)
def test_the_defaults_are_the_same_in_the_database(connection: psycopg.Connection, table: str) -> None:
    query = "select column_name, column_default from information_schema.columns where table_name = %s"
    defaults: dict[str, str | None] = dict(connection.execute(query, [table]).fetchall())
    for field in msgspec.structs.fields(NEW[table]):
        stored = defaults[field.name]
        assert (stored and stored.partition("::")[0].strip("'")) == default(field), field.name


def default(field: msgspec.structs.FieldInfo) -> str | None:
    """What is stored where a client leaves the field out; None is null."""
    if field.required or field.default is None:
        return None
    if field.default is msgspec.UNSET:
        return EMPTY[field.name]
    return msgspec.json.encode(field.default).decode().strip('"')


@pytest.mark.parametrize("table", NEW)
def test_what_may_be_left_out_or_null_is_the_same_in_the_database(connection: psycopg.Connection, table: str) -> None:
    found = columns(connection, table)
    for field in msgspec.structs.fields(NEW[table]):
        nullable = found[field.name][0]
        assert parts(field.type)[1] == nullable, field.name
        assert (field.default is None) == nullable, field.name


@pytest.mark.parametrize("table", PATCH)
def test_a_patch_takes_what_a_new_row_takes(table: str) -> None:
    new = {field.name: field for field in msgspec.structs.fields(NEW[table])}
    patch = {field.name: field for field in msgspec.structs.fields(PATCH[table])}
    assert set(patch) == set(new)
    for name, field in patch.items():
        assert field.default is msgspec.UNSET, name
        assert parts(field.type) == parts(new[name].type), name
        assert repr(edges(name, field.type)) == repr(edges(name, new[name].type)), name


@pytest.mark.parametrize("table", ENTITIES)
def test_every_update_raises_the_version_and_the_time(connection: psycopg.Connection, table: str) -> None:
    with connection.transaction(force_rollback=True):
        insert(connection, table)
        made = connection.execute(f"select version, updated_at, created_at from {table}".encode()).fetchone()
        update = f"update {table} set updated_by = 'y' returning version, updated_at, created_at".encode()
        first = connection.execute(update).fetchone()
        forged = f"update {table} set version = 99, updated_at = 'epoch' returning version, updated_at".encode()
        second = connection.execute(forged).fetchone()
    assert made
    assert first
    assert second
    assert (made[0], first[0], second[0]) == (1, 2, 3)
    assert made[1] < first[1] < second[1]  # inside one transaction, so not by its clock
    assert made[2] == first[2]


def test_ids_are_chronological(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        for _ in range(50):
            insert(connection, "clips")
        found = [key for (key,) in connection.execute("select clip_id from clips order by ctid").fetchall()]
    assert found == sorted(found)
    assert {key.version for key in found} == {7}


def test_a_name_is_taken_among_the_living_only(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        insert(connection, "shows")
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            insert(connection, "shows")
        connection.execute("update shows set deleted_at = now()")
        insert(connection, "shows")


def test_one_content_has_one_row(connection: psycopg.Connection) -> None:
    insert = """
        insert into files (sha256, file_reference, file_size, entity_type, entity_id, role, job_id)
        values (repeat('a', 64), 's3://b/k', 1, 'clip', uuidv7(), 'primary', uuidv7())
    """
    with connection.transaction(force_rollback=True):
        connection.execute(insert)
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(insert)

"""The structs and the database say the same: columns, nullability, types, closed sets, lengths."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import psycopg
import pytest

from models import jobs, thumbnails
from models.backgrounds import BACKGROUNDS, NewBackground
from models.clips import CLIPS, NewClip
from models.components import COMPONENTS, NewComponent
from models.episode_links import (
    BackgroundLink,
    ComponentLink,
    GuestLink,
    NewOutfitLink,
    NewUiElementLink,
    OutfitLink,
    UiElementLink,
)
from models.episodes import EPISODES, NewEpisode
from models.guests import GUESTS, NewGuest
from models.idempotency import Answer
from models.links import NewLink
from models.outfits import OUTFITS, NewOutfit
from models.scripts import SCRIPTS, NewScript
from models.shows import SHOWS, NewShow
from models.table import Table
from models.ui_elements import UI_ELEMENTS, NewUiElement
from tests.stack import own_database

TABLES: tuple[Table[Any], ...] = (
    SHOWS,
    EPISODES,
    SCRIPTS,
    CLIPS,
    OUTFITS,
    UI_ELEMENTS,
    BACKGROUNDS,
    COMPONENTS,
    GUESTS,
)
ENTITIES = {table.name: table.row for table in TABLES}
NEW: dict[str, type[msgspec.Struct]] = {
    "shows": NewShow,
    "episodes": NewEpisode,
    "scripts": NewScript,
    "clips": NewClip,
    "outfits": NewOutfit,
    "ui_elements": NewUiElement,
    "backgrounds": NewBackground,
    "components": NewComponent,
    "guests": NewGuest,
}

LINKS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    "episode_outfits": (OutfitLink, NewOutfitLink),
    "episode_ui_elements": (UiElementLink, NewUiElementLink),
    "episode_backgrounds": (BackgroundLink, NewLink),
    "episode_components": (ComponentLink, NewLink),
    "episode_guests": (GuestLink, NewLink),
}
NEW |= {table: new for table, (_, new) in LINKS.items()}

# Structs that are part of a table's columns, and the columns that nobody reads through them.
PARTS: dict[str, tuple[type[msgspec.Struct], set[str]]] = {
    "thumbnails": (thumbnails.ThumbnailRow, {"sha256"}),
    "idempotency_keys": (Answer, {"caller", "key", "request_hash", "created_at"}),
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
    ("ingest_jobs", "status"): jobs.Status,
    ("ingest_jobs", "stage"): jobs.Stage,
    ("ingest_jobs", "priority"): jobs.Priority,
    ("ingest_jobs", "on_duplicate"): jobs.OnDuplicate,
    ("ingest_jobs", "outcome"): jobs.Outcome,
    ("thumbnails", "size_variant"): thumbnails.Variant,
}


@pytest.fixture(scope="module")
def connection(services: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A migrated database."""
    with psycopg.connect(own_database(services["DATABASE_URL"]), autocommit=True) as connected:
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
    assert_alike(connection, table, LINKS[table][0], set())


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
    assert closed_sets(connection, table)[column] == set(get_args(CLOSED[table, column]))


@pytest.mark.parametrize("table", NEW)
def test_no_field_is_longer_than_its_column(connection: psycopg.Connection, table: str) -> None:
    text = " ".join(checks(connection, table))
    for field in msgspec.structs.fields(NEW[table]):
        for bound in re.findall(rf"char_length\({field.name}\) <= (\d+)", text):
            assert longest(field.type) == int(bound), field.name


def longest(kind: Any) -> int:
    """The most characters that a field takes."""
    info = msgspec.inspect.type_info(kind)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return next(one.max_length or 0 for one in kinds if isinstance(one, msgspec.inspect.StrType))


@pytest.mark.parametrize("table", NEW)
def test_the_defaults_are_the_same_in_the_database(connection: psycopg.Connection, table: str) -> None:
    query = "select column_name, column_default from information_schema.columns where table_name = %s"
    defaults: dict[str, str] = dict(connection.execute(query, [table]).fetchall())
    for field in msgspec.structs.fields(NEW[table]):
        if isinstance(field.default, str | int):
            said = msgspec.json.encode(field.default).decode().strip('"')
            assert str(defaults[field.name]).removesuffix("::text").strip("'") == said, field.name


@pytest.mark.parametrize("table", NEW)
def test_what_may_be_left_out_has_a_default_or_may_be_null(connection: psycopg.Connection, table: str) -> None:
    query = """
        select column_name, is_nullable = 'YES' or column_default is not null
        from information_schema.columns where table_name = %s
    """
    optional: dict[str, bool] = dict(connection.execute(query, [table]).fetchall())
    for field in msgspec.structs.fields(NEW[table]):
        assert field.required or optional[field.name], field.name


INSERTS = {
    "shows": "insert into shows (name, created_by, updated_by) values ('a', 'x', 'x')",
    "clips": "insert into clips (title, created_by, updated_by) values ('a', 'x', 'x')",
    "outfits": "insert into outfits (name, created_by, updated_by) values ('a', 'x', 'x')",
    "ui_elements": "insert into ui_elements (name, created_by, updated_by) values ('a', 'x', 'x')",
    "backgrounds": "insert into backgrounds (name, created_by, updated_by) values ('a', 'x', 'x')",
    "components": "insert into components (name, created_by, updated_by) values ('a', 'x', 'x')",
    "guests": "insert into guests (name, created_by, updated_by) values ('a', 'x', 'x')",
    "episodes": "insert into episodes (show_id, title, episode_number, created_by, updated_by)"
    " select show_id, 'a', 1, 'x', 'x' from shows limit 1",
    "scripts": "insert into scripts (episode_id, version_number, content, created_by, updated_by)"
    " select episode_id, 1, 'a', 'x', 'x' from episodes limit 1",
}


PARENTS = {"episodes": ("shows",), "scripts": ("shows", "episodes")}


@pytest.mark.parametrize("table", ENTITIES)
def test_every_update_raises_the_version_and_the_time(connection: psycopg.Connection, table: str) -> None:
    insert = INSERTS[table].encode()
    with connection.transaction(force_rollback=True):
        for parent in PARENTS.get(table, ()):
            connection.execute(INSERTS[parent].encode())
        made = connection.execute(insert + b" returning version, updated_at, created_at").fetchone()
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
            connection.execute(INSERTS["clips"].encode())
        found = [key for (key,) in connection.execute("select clip_id from clips order by ctid").fetchall()]
    assert found == sorted(found)
    assert {key.version for key in found} == {7}


def test_a_name_is_taken_among_the_living_only(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(INSERTS["shows"].encode())
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(INSERTS["shows"].encode())
        connection.execute("update shows set deleted_at = now()")
        connection.execute(INSERTS["shows"].encode())


def test_one_content_has_one_row(connection: psycopg.Connection) -> None:
    insert = """
        insert into files (sha256, file_reference, file_size, entity_type, entity_id, role, job_id)
        values (repeat('a', 64), 's3://b/k', 1, 'clip', uuidv7(), 'primary', uuidv7())
    """
    with connection.transaction(force_rollback=True):
        connection.execute(insert)
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(insert)

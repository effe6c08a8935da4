"""The catalog, the database and the closed sets say the same of every entity: who adds one can forget nothing."""

from collections.abc import Iterator
from typing import Any, get_args

import psycopg
import pytest

from models.catalog import CATALOG
from models.catalog.resource import Resource
from models.entities import EntityName, EntityType
from tests.resources import RESOURCES
from tests.stack import own_database

TABLES = {one.table.name: one for one in CATALOG.values()}
LINKS = {one.links.name: one for one in CATALOG.values() if one.links}
# Tables of stored files, of what was found in them, and of jobs. The search for orphans knows them by
# name, or what they name may become an orphan: what was announced and never ingested.
OF_FILES = {"files", "thumbnails", "uploads", "held_objects", "integrity_findings", "ingest_jobs"}
every = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(scope="module")
def connection(services: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A migrated database."""
    with psycopg.connect(own_database(services), autocommit=True) as connected:
        yield connected


def found(connection: psycopg.Connection, query: str, *params: Any) -> set[Any]:
    """The rows of a query; those of one column as its values."""
    rows = connection.execute(query.encode(), params or None).fetchall()
    return {row[0] if len(row) == 1 else row for row in rows}


def triggers(connection: psycopg.Connection, table: str) -> dict[str, tuple[str, list[str]]]:
    """Name → function and arguments of each trigger of a table."""
    query = """
        select tgname, proname, string_to_array(encode(tgargs, 'escape'), '\\000') from pg_trigger
        join pg_proc on pg_proc.oid = tgfoid where tgrelid = %s::regclass and not tgisinternal
    """
    rows = connection.execute(query.encode(), [table]).fetchall()
    return {name: (function, [one for one in args if one]) for name, function, args in rows}


def test_each_table_with_a_trash_is_in_the_catalog(connection: psycopg.Connection) -> None:
    query = "select table_name from information_schema.columns where column_name = 'deleted_at'"
    assert found(connection, query) == set(TABLES)


def test_each_column_of_references_is_in_the_catalog(connection: psycopg.Connection) -> None:
    query = """
        select table_name, column_name from information_schema.columns
        where column_name like '%%\\_reference' and table_name = any(%s)
    """
    assert found(connection, query, list(TABLES)) == {
        (table, column) for table, one in TABLES.items() for column in one.references
    }


def test_no_table_outside_the_catalog_has_a_column_of_references(connection: psycopg.Connection) -> None:
    query = "select table_name from information_schema.columns where column_name like '%%\\_reference'"
    assert found(connection, query) - set(TABLES) == OF_FILES


def test_whatever_a_row_says_at_length_may_name_an_object(connection: psycopg.Connection) -> None:
    query = """
        select table_name, column_name from information_schema.columns
        where data_type = 'jsonb' and table_name = any(%s)
    """
    told = {(table, column) for table, one in TABLES.items() for column in one.prose}
    assert found(connection, query, list(TABLES)) <= told


def test_each_table_of_links_is_in_the_catalog(connection: psycopg.Connection) -> None:
    query = "select table_name from information_schema.tables where table_name like 'episode\\_%'"
    assert found(connection, query) == set(LINKS)


def test_a_row_belongs_to_what_the_catalog_says(connection: psycopg.Connection) -> None:
    query = """
        select conrelid::regclass::text, confrelid::regclass::text from pg_constraint
        where contype = 'f' and conrelid::regclass::text = any(%s)
    """
    assert found(connection, query, list(TABLES)) == {
        (table, CATALOG[one.parent].table.name) for table, one in TABLES.items() if one.parent
    }


@every
def test_a_table_has_the_triggers_of_all(connection: psycopg.Connection, table: str) -> None:
    there = triggers(connection, table)
    assert there[f"{table}_touch"][0] == "touch_row"
    assert there[f"{table}_spare_objects"][0] == "row_spares_objects"
    function, bounds = there[f"{table}_bounds"]
    assert (function, set(bounds[::2]) >= set(TABLES[table].table.documents)) == ("refuse_unbounded", True)


@pytest.mark.parametrize("name", LINKS)
def test_links_count_how_often_a_thing_is_used(connection: psycopg.Connection, name: str) -> None:
    table = LINKS[name].table
    there = triggers(connection, name)
    assert there[f"{name}_touch"][0] == "touch_row"
    assert there[f"{name}_usage"] == ("link_came_or_went", [table.name, table.key])
    of_episodes = triggers(connection, "episodes")[f"episodes_usage_of_{table.name}"]
    assert of_episodes == ("count_usage_of_episode", [table.name, table.key])


def test_nothing_else_in_the_database_lists_entities(connection: psycopg.Connection) -> None:
    assert found(connection, "select viewname from pg_views where schemaname = 'public'") == set()
    query = """
        select proname from pg_proc
        where pronamespace = 'public'::regnamespace and prosrc ~ any(%s) and proname !~ '_lives$'
    """
    assert found(connection, query, [rf"\m{table}\M" for table in {*TABLES, *LINKS} - {"episodes"}]) == set()


def test_the_closed_sets_name_what_is_in_the_catalog() -> None:
    assert list(CATALOG) == list(get_args(EntityName)) == [one.name for one in CATALOG.values()]
    assert list(get_args(EntityType)) == [name for name, one in CATALOG.items() if one.files]


def test_what_belongs_to_another_stands_behind_it() -> None:
    names = list(CATALOG)
    assert all(names.index(one.parent) < names.index(one.name) for one in CATALOG.values() if one.parent)


def test_each_entity_that_clients_make_has_its_examples() -> None:
    assert {resource.name for resource in RESOURCES} == {one.name for one in CATALOG.values() if not one.part}


@every
def test_names_follow_from_the_name_of_the_table(table: str) -> None:
    one: Resource = TABLES[table]
    assert (f"{one.name}s", f"{one.name}_id") == (table, one.table.key)
    assert one.links is None or one.links.name == f"episode_{table}"

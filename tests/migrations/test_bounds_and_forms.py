"""Rows from before there were bounds and a normal form: kept, mended, and never in the way."""

from typing import Any
from unicodedata import normalize

import psycopg
import pytest
from psycopg.types.json import Jsonb

from migrations.upgrade import downgrade, upgrade
from tests.migrations.test_migrations import empty

__all__ = ["empty"]
BY = "created_by, updated_by) values ("


def nfd(text: str) -> str:
    """As macOS writes it."""
    return normalize("NFD", text)


def made(connection: psycopg.Connection, table: str, **values: Any) -> str:
    """A row; its key."""
    names = ", ".join(values)
    query = f"insert into {table} ({names}, {BY}{'%s, ' * len(values)}'x', 'x') returning {table.removesuffix('s')}_id"
    row = connection.execute(query.encode(), list(values.values())).fetchone()
    assert row
    return str(row[0])


def of(connection: psycopg.Connection, table: str, key: str, *columns: str) -> tuple[Any, ...]:
    """Columns of a row."""
    query = f"select {', '.join(columns)} from {table} where {table.removesuffix('s')}_id = %s"
    row = connection.execute(query.encode(), [key]).fetchone()
    assert row
    return row


def test_a_row_beyond_its_bounds_can_still_be_changed_in_all_else(empty: str) -> None:
    upgrade(empty, "0023")
    huge = {"metadata": Jsonb({"a": "x" * 200_000}), "description": "y" * 100_000}
    with psycopg.connect(empty, autocommit=True) as connection:
        key = made(connection, "backgrounds", name="Old", **huge)
        upgrade(empty)
        change = "update backgrounds set {} where background_id = %s"
        for columns in ("name = 'New'", "deleted_at = now()", "deleted_at = null", "metadata = metadata, name = 'Z'"):
            assert connection.execute(change.format(columns).encode(), [key]).rowcount == 1
        for columns in ("metadata = metadata || '{\"b\": 1}'", "description = description || 'y'"):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(change.format(columns).encode(), [key])
        assert connection.execute(change.format("metadata = '{}', description = 'short'").encode(), [key]).rowcount == 1


def test_what_is_there_gets_its_normal_form_and_tags_become_sets(empty: str) -> None:
    upgrade(empty, "0024")
    with psycopg.connect(empty, autocommit=True) as connection:
        show = made(connection, "shows", name="plain")
        before = of(connection, "shows", show, "version")
        episode = made(
            connection,
            "episodes",
            show_id=show,
            episode_number=1,
            title=nfd("ガウン"),
            script_text=nfd("é\n") + "\u0301",
        )
        script = made(connection, "scripts", episode_id=episode, version_number=1, content=nfd("한복"))
        document = {nfd("é"): [{"a": nfd("é\nガ")}, 1.5, None, True], "n": "\n\u0301", "é": "kept"}
        outfit = made(
            connection,
            "outfits",
            name=nfd("é"),
            tags=["b", nfd("é"), "é", "b", "a"],
            metadata=Jsonb(document),
            top=None,
        )
        sets = made(connection, "clips", title="plain", tags=["a", "b", "a"])
        long = made(connection, "outfits", name="\u0958" * 255)  # twice as long in its normal form
        link = f"insert into episode_outfits (episode_id, outfit_id, notes, {BY}%s, %s, %s, 'x', 'x')"
        connection.execute(link.encode(), [episode, outfit, nfd("é")])
        connection.execute("delete from outbox")
        upgrade(empty)
        assert of(connection, "shows", show, "version") == before
        assert of(connection, "episodes", episode, "title", "script_text") == ("ガウン", "é\n\u0301")
        assert of(connection, "scripts", script, "content") == ("한복",)
        name, tags, metadata, top = of(connection, "outfits", outfit, "name", "tags", "metadata", "top")
        assert (name, tags, top) == ("é", ["b", "é", "a"], None)
        assert metadata == {nfd("é"): [{"a": "é\nガ"}, 1.5, None, True], "n": "\n\u0301", "é": "kept"}
        assert of(connection, "clips", sets, "tags") == (["a", "b"],)
        assert of(connection, "outfits", long, "name") == ("\u0958" * 255,)
        assert connection.execute("select notes from episode_outfits").fetchall() == [("é",)]
        mended = {episode, script, outfit, sets}
        outbox = connection.execute("select entity_id::text from outbox").fetchall()
        assert {key for (key,) in outbox} == mended
        log = "select before ->> 'title', after ->> 'title' from audit_log where entity_id = %s and action = 'update'"
        assert connection.execute(log, [episode]).fetchall() == [(nfd("ガウン"), "ガウン")]
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("update scripts set content = 'changed'")
        with pytest.raises(psycopg.errors.CheckViolation, match="clips_tags_set"):
            connection.execute("update clips set tags = '{a,b,a}'")
    downgrade(empty, "0024")
    upgrade(empty)


def test_shows_whose_names_become_one_are_told_apart(empty: str) -> None:
    upgrade(empty, "0024")
    with psycopg.connect(empty, autocommit=True) as connection:
        # U+212B, U+00C5 and A with a ring are one letter.
        keys = [made(connection, "shows", name=name) for name in ("Å", "A\u030a", "\u212b", "Å (2)")]
        long = [made(connection, "shows", name="y" * 253 + end) for end in ("é", "e\u0301")]
        gone = made(connection, "shows", name="\u212b trash", deleted_at="2026-01-01")
        upgrade(empty)
        names = [of(connection, "shows", key, "name")[0] for key in keys]
        assert names == ["Å", "Å (3)", "Å (4)", "Å (2)"]
        assert of(connection, "shows", gone, "name") == ("Å trash",)
        assert len({of(connection, "shows", key, "name")[0] for key in long}) == 2
        with pytest.raises(psycopg.errors.UniqueViolation):
            made(connection, "shows", name="A\u030a")
        assert of(connection, "shows", made(connection, "shows", name=nfd("ガ")), "name") == ("ガ",)

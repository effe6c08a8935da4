"""What the documents of several kinds are written in: an order that no change of an entity crosses."""

from models.catalog import CATALOG
from models.search.documents import ORDER
from tests.stack import Stack


def test_entities_are_locked_in_the_order_in_which_a_deleted_episode_locks_what_it_shows(server: Stack) -> None:
    prefix = "episodes_usage_of_"
    triggers = (
        "select tgname from pg_trigger where tgrelid = 'episodes'::regclass and starts_with(tgname, %s) order by 1"
    )
    tables = [name.removeprefix(prefix) for (name,) in server.sql(triggers, prefix)]
    assert tables
    shown = [name for name in ORDER if f"{name}s" in tables]
    assert [f"{name}s" for name in shown] == tables
    before = ORDER[: ORDER.index(shown[0])]
    assert {"episode", "clip", "script"} <= set(before)
    assert len(ORDER) == len(CATALOG)

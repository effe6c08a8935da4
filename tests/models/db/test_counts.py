"""The total of a list is the truth of the moment, whoever changed something."""

from typing import Any
from uuid import uuid4

import httpx2
import psycopg

from tests.resources import CLIP, create
from tests.stack import Stack


def total(client: httpx2.Client, **params: Any) -> int:
    found: int = client.get(CLIP.path, params={"limit": 1, **params}).json()["metadata"]["pagination"]["total"]
    return found


def test_a_total_follows_each_change_of_our_own(editor: httpx2.Client) -> None:
    before = total(editor)
    assert total(editor) == before
    row = create(editor, CLIP)
    assert total(editor) == before + 1
    editor.delete(f"{CLIP.path}/{row['clip_id']}")
    assert total(editor) == before


def test_a_total_follows_what_another_process_commits_and_nothing_else(server: Stack, editor: httpx2.Client) -> None:
    tag = uuid4().hex
    insert = "insert into clips (title, tags, created_by, updated_by) values ('From elsewhere', %s, 'other', 'other')"
    assert total(editor, tag=tag) == 0
    server.sql(insert, [tag])
    assert total(editor, tag=tag) == 1
    with psycopg.connect(server.database_url) as other:
        other.execute(insert, [[tag]])
        assert total(editor, tag=tag) == 1  # also remembered while the change is under way
        assert total(editor, tag=tag) == 1
        other.commit()
        assert total(editor, tag=tag) == 2
        other.execute(insert, [[tag]])
        other.rollback()
    assert total(editor, tag=tag) == 2


def test_each_filter_has_a_total_of_its_own(editor: httpx2.Client) -> None:
    tags = [uuid4().hex, uuid4().hex]
    create(editor, CLIP, tags=tags)
    create(editor, CLIP, tags=tags[:1])
    for _ in range(2):
        assert [total(editor, tag=tag) for tag in tags] == [2, 1]
        assert total(editor, tag=tags) == 1

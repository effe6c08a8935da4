"""Clips and the episodes they go to."""

from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from tests.resources import CLIP, EPISODE, create
from tests.stack import Stack


def clip_of(client: httpx2.Client, **fields: Any) -> str:
    """The path of a new clip."""
    return f"{CLIP.path}/{create(client, CLIP, **fields)['clip_id']}"


def test_a_clip_is_given_to_an_episode_and_taken_from_it(editor: httpx2.Client) -> None:
    path, episode = clip_of(editor), create(editor, EPISODE)["episode_id"]
    given = editor.post(f"{path}/assign", json={"episode_id": episode})
    assert (given.status_code, given.headers["ETag"]) == (200, '"2"')
    assert given.json()["data"] == editor.get(path).json()["data"]
    assert given.json()["data"]["episode_id"] == episode
    taken = editor.post(f"{path}/unassign")
    assert (taken.status_code, taken.headers["ETag"]) == (200, '"3"')
    assert taken.json()["data"]["episode_id"] is None


def test_a_clip_goes_to_no_episode_that_is_missing_or_deleted(editor: httpx2.Client) -> None:
    path, episode = clip_of(editor), create(editor, EPISODE)["episode_id"]
    editor.delete(f"{EPISODE.path}/{episode}")
    wrong: list[dict[str, Any]] = [{"episode_id": episode}, {"episode_id": str(uuid4())}, {"episode_id": None}, {}]
    for body in wrong:
        answer = editor.post(f"{path}/assign", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "episode_id")
    assert editor.get(path).json()["data"]["version"] == 1


def test_an_assignment_that_saw_an_older_version_is_refused(editor: httpx2.Client) -> None:
    path, body = clip_of(editor), {"episode_id": create(editor, EPISODE)["episode_id"]}
    assert editor.post(f"{path}/assign", json=body, headers={"If-Match": '"1"'}).status_code == 200
    assert editor.post(f"{path}/assign", json=body, headers={"If-Match": '"1"'}).status_code == 412
    assert editor.post(f"{path}/unassign", headers={"If-Match": '"1"'}).status_code == 412
    assert editor.post(f"{path}/unassign", headers={"If-Match": '"2"'}).status_code == 200


def test_only_a_living_clip_is_assigned(editor: httpx2.Client) -> None:
    path, body = clip_of(editor), {"episode_id": create(editor, EPISODE)["episode_id"]}
    editor.delete(path)
    for missing in (path, f"{CLIP.path}/{uuid4()}"):
        assert editor.post(f"{missing}/assign", json=body).status_code == 404
        assert editor.post(f"{missing}/unassign").status_code == 404


async def test_an_episode_is_not_deleted_while_something_is_given_to_it(server: Stack, editor: httpx2.Client) -> None:
    episode = create(editor, EPISODE)["episode_id"]
    async with await psycopg.AsyncConnection.connect(server.database_url) as giving:
        await giving.execute(
            "insert into clips (title, episode_id, created_by, updated_by) values ('t', %s, 'a', 'a')", [episode]
        )
        with psycopg.connect(server.database_url) as deleting:
            deleting.execute("set lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                deleting.execute("update episodes set deleted_at = now() where episode_id = %s", [episode])
    assert editor.delete(f"{EPISODE.path}/{episode}").status_code == 204

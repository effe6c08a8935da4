"""The trash: what is deleted is hidden everywhere, what belonged to it lives on, and all of it can come back."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests import media
from tests.eventually import eventually
from tests.resources import (
    CLIP,
    EPISODE,
    INGESTED,
    LINKED,
    RESOURCES,
    SHOW,
    Resource,
    create,
)
from tests.stack import Stack
from tests.work import ended, post, unique, upload

every = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path.rsplit("/", 1)[1])


class Deleted:
    """A row that was made and deleted; its title holds a word that nothing else has."""

    def __init__(self, client: httpx2.Client, resource: Resource) -> None:
        self.resource = resource
        self.word = "z" + uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))
        self.row = create(client, resource, **{resource.title: f"Lost {self.word}"})
        self.key: str = self.row[resource.key]
        self.path = f"{resource.path}/{self.key}"
        delete(client, self.path, reason="filed twice")


def delete(client: httpx2.Client, path: str, **params: str) -> None:
    """Into the trash."""
    answer = client.delete(path, params=params)
    assert answer.status_code == 204, answer.text


def still_deleted(client: httpx2.Client, path: str) -> dict[str, int]:
    """What a restore says of what it did not restore."""
    answer = client.post(f"{path}/restore")
    assert answer.status_code == 200, answer.text
    told: dict[str, int] = answer.json()["metadata"]["stillDeleted"]
    return told


def error(answer: httpx2.Response) -> tuple[int, str, str | None]:
    """Status, code and field of a refusal with one entry."""
    (entry,) = answer.json()["errors"]
    return answer.status_code, entry["code"], entry.get("field")


def wrong(field: str) -> tuple[int, str, str | None]:
    """The refusal of a reference."""
    return 400, "VALIDATION_ERROR", field


@every
def test_what_is_deleted_is_hidden_from_lists(editor: httpx2.Client, admin: httpx2.Client, resource: Resource) -> None:
    gone = Deleted(editor, resource)
    page = editor.get(resource.path, params={"q": gone.word}).json()
    assert (page["data"], page["metadata"]["pagination"]["total"]) == ([], 0)
    (row,) = admin.get(resource.path, params={"q": gone.word, "include_deleted": True}).json()["data"]
    assert (row[resource.key], row["deleted_reason"]) == (gone.key, "filed twice")


@every
def test_what_is_deleted_is_hidden_from_reads_and_writes(editor: httpx2.Client, resource: Resource) -> None:
    gone = Deleted(editor, resource)
    for method, where in (("GET", ""), ("GET", "/thumbnails"), ("DELETE", "")):
        assert error(editor.request(method, gone.path + where)) == (404, "NOT_FOUND", None)
    for method, body in (("PATCH", resource.patch), ("PATCH", {})):
        assert error(editor.request(method, gone.path, json=body)) == (404, "NOT_FOUND", None)


@every
def test_what_is_deleted_is_gone_from_search_and_comes_back(
    editor: httpx2.Client, admin: httpx2.Client, resource: Resource
) -> None:
    gone = Deleted(editor, resource)

    def found() -> list[str]:
        hits = editor.get("/api/v1/search", params={"q": gone.word}).json()["data"]
        return [hit["entity_id"] for hit in hits]

    still_deleted(admin, gone.path)
    eventually(lambda: found() == [gone.key], 2)
    delete(editor, gone.path)
    eventually(lambda: found() == [], 2)


@every
def test_what_is_deleted_is_in_nobodys_way(editor: httpx2.Client, resource: Resource) -> None:
    row = create(editor, resource)
    delete(editor, f"{resource.path}/{row[resource.key]}")
    body = {name: row[name] for name in [*resource.new, *({"show_id"} & set(row))]}
    if resource is SHOW:
        body.pop("show_id")
    assert editor.post(resource.path, json=body).status_code == 201


@every
def test_only_admins_look_into_the_trash_and_no_viewer_deletes_or_restores(
    editor: httpx2.Client, viewer: httpx2.Client, resource: Resource
) -> None:
    gone = Deleted(editor, resource)
    for client in (viewer, editor):
        for path in (gone.path, resource.path):
            assert error(client.get(path, params={"include_deleted": True})) == (403, "FORBIDDEN", None)
    assert error(viewer.post(f"{gone.path}/restore")) == (403, "FORBIDDEN", None)
    assert error(viewer.delete(gone.path)) == (403, "FORBIDDEN", None)


@every
def test_the_history_of_what_is_deleted_is_for_admins(
    editor: httpx2.Client, admin: httpx2.Client, viewer: httpx2.Client, resource: Resource
) -> None:
    gone = Deleted(editor, resource)
    for client in (viewer, editor):
        for params in ({}, {"limit": "1"}):
            assert error(client.get(f"{gone.path}/history", params=params)) == (404, "NOT_FOUND", None)
    deleted, *_ = admin.get(f"{gone.path}/history").json()["data"]
    assert (deleted["action"], deleted["after"]["deleted_reason"]) == ("delete", "filed twice")
    still_deleted(admin, gone.path)
    assert [row["action"] for row in viewer.get(f"{gone.path}/history").json()["data"]][:2] == ["restore", "delete"]


@pytest.mark.parametrize("thing", LINKED, ids=lambda thing: thing.key)
def test_the_history_of_an_episode_tells_of_links_with_what_is_deleted_to_admins(
    editor: httpx2.Client, admin: httpx2.Client, viewer: httpx2.Client, thing: Resource
) -> None:
    episode, key = create(editor, EPISODE)["episode_id"], create(editor, thing)[thing.key]
    link(editor, episode, thing, key)
    delete(editor, f"{thing.path}/{key}")
    path = f"{EPISODE.path}/{episode}/history"
    assert [row["action"] for row in admin.get(path).json()["data"]] == ["link", "create"]
    for client in (viewer, editor):
        assert [row["action"] for row in client.get(path).json()["data"]] == ["create"]
        assert client.get(path).json()["metadata"]["pagination"]["total"] == 1
    still_deleted(admin, f"{thing.path}/{key}")
    assert [row["action"] for row in viewer.get(path).json()["data"]] == ["link", "create"]


@every
def test_a_viewer_reads_nothing_of_what_is_deleted_by_any_route(
    editor: httpx2.Client, viewer: httpx2.Client, resource: Resource
) -> None:
    gone = Deleted(editor, resource)
    paths = viewer.get("/schema/openapi.json").json()["paths"]
    asked = [path for path, item in paths.items() if "get" in item and path.count("{") == 1 and resource.key in path]
    assert f"{resource.path}/{{{resource.key}}}/history" in asked
    for path in asked:
        answer = viewer.get(path.replace(f"{{{resource.key}}}", gone.key))
        assert (path, *error(answer)) == (path, 404, "NOT_FOUND", None)


@every
def test_a_row_is_deleted_once_and_restored_once(
    editor: httpx2.Client, admin: httpx2.Client, resource: Resource
) -> None:
    gone = Deleted(editor, resource)
    assert error(editor.delete(gone.path)) == (404, "NOT_FOUND", None)
    stale = admin.post(f"{gone.path}/restore", headers={"If-Match": '"1"'})
    assert error(stale) == (412, "PRECONDITION_FAILED", None)
    back = admin.post(f"{gone.path}/restore", headers={"If-Match": '"2"'})
    assert (back.status_code, back.headers["ETag"]) == (200, '"3"')
    assert back.json()["metadata"]["stillDeleted"] == {}
    kept = gone.row | {name: back.json()["data"][name] for name in ("version", "updated_at", "restored_at")}
    assert back.json()["data"] == kept | {"restored_by": "tester"}
    assert error(admin.post(f"{gone.path}/restore")) == (409, "CONFLICT", None)


@every
def test_the_reason_is_kept_until_the_row_comes_back_and_in_its_history(
    editor: httpx2.Client, admin: httpx2.Client, resource: Resource
) -> None:
    row = create(editor, resource)
    path = f"{resource.path}/{row[resource.key]}"
    for reason in ("x" * 1001, "\x00"):
        assert error(editor.delete(path, params={"reason": reason})) == wrong("reason")
    delete(editor, path, reason="x" * 1000)
    assert admin.get(path, params={"include_deleted": True}).json()["data"]["deleted_reason"] == "x" * 1000
    still_deleted(admin, path)
    restored, deleted, _ = editor.get(f"{path}/history").json()["data"]
    assert (deleted["action"], deleted["after"]["deleted_reason"]) == ("delete", "x" * 1000)
    assert (restored["action"], restored["before"]["deleted_reason"]) == ("restore", "x" * 1000)
    audit = admin.get("/api/v1/audit", params={"entity_id": row[resource.key], "action": "restore"}).json()["data"]
    assert audit == [restored]


@every
def test_the_document_tells_what_a_restore_answers(editor: httpx2.Client, resource: Resource) -> None:
    document = editor.get("/schema/openapi.json").json()
    restore = document["paths"][f"{resource.path}/{{{resource.key}}}/restore"]["post"]

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return found

    body = resolved(restore["responses"]["200"]["content"]["application/json"]["schema"])
    metadata = resolved(body["properties"]["metadata"])
    assert "stillDeleted" in metadata["properties"]
    assert resolved(metadata["properties"]["stillDeleted"])["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize("resource", INGESTED, ids=lambda resource: resource.key)
def test_nothing_is_ingested_for_what_is_deleted(editor: httpx2.Client, resource: Resource) -> None:
    gone = Deleted(editor, resource)
    source = upload(editor, unique(media.jpeg()))
    body = {"entity_type": resource.key.removesuffix("_id"), "entity_id": gone.key, "source_reference": source}
    assert error(editor.post("/api/v1/ingest", json=body)) == wrong("entity_id")
    (result,) = editor.post("/api/v1/ingest/batch", json={"jobs": [body]}).json()["data"]["results"]
    assert (result["job"], result["error"]["field"]) == (None, "entity_id")


def test_a_restored_name_that_is_taken_by_now_is_a_conflict_that_names_who_has_it(
    editor: httpx2.Client, admin: httpx2.Client
) -> None:
    gone = Deleted(editor, SHOW)
    rival = create(editor, SHOW, name=gone.row["name"])["show_id"]
    answer = admin.post(f"{gone.path}/restore")
    assert error(answer) == (409, "CONFLICT", "name")
    assert answer.json()["errors"][0]["message"] == f"show {rival} has the same name"
    delete(editor, f"{SHOW.path}/{rival}")
    assert still_deleted(admin, gone.path) == {}


def test_a_restored_number_that_is_taken_by_now_is_a_conflict_that_names_who_has_it(
    editor: httpx2.Client, admin: httpx2.Client
) -> None:
    gone = Deleted(editor, EPISODE)
    rival = create(editor, EPISODE, show_id=gone.row["show_id"])["episode_id"]
    answer = admin.post(f"{gone.path}/restore")
    assert error(answer) == (409, "CONFLICT", "episode_number")
    said = f"episode {rival} has the same show_id, season_number, episode_number"
    assert answer.json()["errors"][0]["message"] == said
    editor.patch(f"{EPISODE.path}/{rival}", json={"episode_number": 2}).raise_for_status()
    assert still_deleted(admin, gone.path) == {}


def test_the_episodes_of_a_deleted_show_live_on(editor: httpx2.Client, admin: httpx2.Client) -> None:
    gone = Deleted(editor, EPISODE)
    episode, show = create(editor, EPISODE, show_id=gone.row["show_id"]), gone.row["show_id"]
    path, parent = f"{EPISODE.path}/{episode['episode_id']}", f"{SHOW.path}/{show}"
    delete(editor, parent)
    assert editor.get(path).json()["data"] == episode
    assert editor.get(f"{path}/thumbnails").json()["data"] == []
    assert editor.get(EPISODE.path, params={"show_id": show}).json()["data"] == [episode]
    assert editor.patch(path, json={"category": "coats"}).status_code == 200
    assert error(editor.patch(path, json={"show_id": show})) == wrong("show_id")
    assert error(editor.post(EPISODE.path, json=EPISODE.new | {"show_id": show})) == wrong("show_id")
    assert still_deleted(admin, parent) == {"episodes": 1}
    delete(editor, parent)
    assert error(admin.post(f"{gone.path}/restore")) == (409, "CONFLICT", "episode_number")
    editor.patch(path, json={"episode_number": 2}).raise_for_status()
    assert still_deleted(admin, gone.path) == {"shows": 1}


def test_an_episode_of_a_deleted_show_is_found_within_the_show(editor: httpx2.Client) -> None:
    show = create(editor, SHOW)["show_id"]
    episode = create(editor, EPISODE, show_id=show)["episode_id"]
    clip = create(editor, CLIP, episode_id=episode)["clip_id"]

    def found() -> set[str]:
        return {hit["entity_id"] for hit in editor.get("/api/v1/search", params={"show_id": show}).json()["data"]}

    eventually(lambda: found() == {show, episode, clip}, 2)
    delete(editor, f"{SHOW.path}/{show}")
    eventually(lambda: found() == {episode, clip}, 2)
    delete(editor, f"{EPISODE.path}/{episode}")
    eventually(lambda: found() == {clip}, 2)


def test_the_clips_of_a_deleted_episode_live_on(editor: httpx2.Client, admin: httpx2.Client) -> None:
    episode = create(editor, EPISODE)["episode_id"]
    parent = f"{EPISODE.path}/{episode}"
    clip, lost = (create(editor, CLIP, episode_id=episode) for _ in range(2))
    path, other = (f"{CLIP.path}/{one['clip_id']}" for one in (clip, lost))
    delete(editor, other)
    delete(editor, parent)
    assert editor.get(path).json()["data"] == clip
    assert editor.get(CLIP.path, params={"episode_id": episode}).json()["data"] == [clip]
    assert editor.patch(path, json={"quality": "maybe"}).json()["data"]["episode_id"] == episode
    for answer in (
        editor.patch(path, json={"episode_id": episode}),
        editor.post(f"{path}/assign", json={"episode_id": episode}),
        editor.post(CLIP.path, json=CLIP.new | {"episode_id": episode}),
    ):
        assert error(answer) == wrong("episode_id")
    assert still_deleted(admin, other) == {"episodes": 1}
    delete(editor, other)
    assert still_deleted(admin, parent) == {"clips": 1}
    delete(editor, parent)
    assert editor.post(f"{path}/unassign").json()["data"]["episode_id"] is None


def test_the_script_of_a_deleted_episode_is_hidden_with_it(editor: httpx2.Client, admin: httpx2.Client) -> None:
    path = f"{EPISODE.path}/{create(editor, EPISODE)['episode_id']}"
    first, second = (
        editor.post(f"{path}/scripts", json={"content": text}).json()["data"]["script_id"] for text in "ab"
    )
    script = f"/api/v1/scripts/{first}"
    delete(editor, path)
    hidden = (("GET", f"{path}/scripts"), ("GET", script), ("GET", f"{script}/history"), ("POST", f"{script}/activate"))
    for method, where in (*hidden, ("GET", f"{script}/diff?against={second}")):
        assert error(editor.request(method, where)) == (404, "NOT_FOUND", None)
    assert error(editor.post(f"{path}/scripts", json={"content": "c"})) == (404, "NOT_FOUND", None)
    assert still_deleted(admin, path) == {}
    assert len(editor.get(f"{path}/scripts").json()["data"]) == 2


def link(client: httpx2.Client, episode: str, thing: Resource, key: str) -> None:
    """Use a thing in an episode."""
    path = f"{EPISODE.path}/{episode}/{thing.path.rsplit('/', 1)[1]}/{key}"
    assert client.put(path, json={}).status_code == 201


def test_a_restored_episode_tells_of_all_that_stays_deleted(editor: httpx2.Client, admin: httpx2.Client) -> None:
    show = create(editor, SHOW)["show_id"]
    episode = create(editor, EPISODE, show_id=show)["episode_id"]
    paths = [f"{CLIP.path}/{create(editor, CLIP, episode_id=episode)['clip_id']}" for _ in range(3)]
    create(editor, CLIP, episode_id=episode)
    for thing in LINKED:
        for _ in range(2):
            key = create(editor, thing)[thing.key]
            link(editor, episode, thing, key)
        paths.append(f"{thing.path}/{key}")
    for path in (*paths, f"{SHOW.path}/{show}", f"{EPISODE.path}/{episode}"):
        delete(editor, path)
    kinds = ("shows", *(f"{thing.name}s" for thing in LINKED))
    assert still_deleted(admin, f"{EPISODE.path}/{episode}") == dict.fromkeys(kinds, 1) | {"clips": 3}


@pytest.mark.parametrize("thing", LINKED, ids=lambda thing: thing.key)
def test_a_restored_thing_tells_of_the_episodes_that_stay_deleted(
    editor: httpx2.Client, admin: httpx2.Client, thing: Resource
) -> None:
    key = create(editor, thing)[thing.key]
    episodes = [create(editor, EPISODE)["episode_id"] for _ in range(3)]
    for episode in episodes:
        link(editor, episode, thing, key)
    for path in (f"{thing.path}/{key}", *(f"{EPISODE.path}/{episode}" for episode in episodes[:2])):
        delete(editor, path)
    assert still_deleted(admin, f"{thing.path}/{key}") == {"episodes": 2}
    assert editor.get(f"{thing.path}/{key}").json()["data"]["usage_count"] == 1


@pytest.mark.parametrize("thing", LINKED, ids=lambda thing: thing.key)
def test_usage_is_true_after_either_side_was_deleted_and_restored(
    editor: httpx2.Client, admin: httpx2.Client, thing: Resource
) -> None:
    key, early, late = create(editor, thing)[thing.key], create(editor, EPISODE), create(editor, EPISODE)
    path, kind = f"{thing.path}/{key}", thing.path.rsplit("/", 1)[1]
    for episode in (early, late):
        link(editor, episode["episode_id"], thing, key)
    linked = {row["episode_id"]: row["linked_at"] for row in editor.get(f"{path}/episodes").json()["data"]}
    first, second = linked[early["episode_id"]], linked[late["episode_id"]]

    def usage() -> tuple[int, str | None]:
        row = admin.get(path, params={"include_deleted": True}).json()["data"]
        return row["usage_count"], row["last_used_at"]

    delete(editor, path)
    delete(editor, f"{EPISODE.path}/{late['episode_id']}")
    assert usage() == (1, first)
    still_deleted(admin, path)
    assert usage() == (1, first)
    still_deleted(admin, f"{EPISODE.path}/{late['episode_id']}")
    assert usage() == (2, second)
    listed = editor.get(f"{EPISODE.path}/{late['episode_id']}/{kind}").json()["data"]
    assert [(row["usage_count"], row["last_used_at"]) for row in listed] == [(2, second)]


def test_a_job_of_what_was_deleted_meanwhile_ends_and_its_work_is_there_after_a_restore(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack()
    stack.api.start()
    with stack.client("admin") as client:
        job = post(client, upload(client, unique(media.jpeg())))
        path = f"{CLIP.path}/{job['entity_id']}"
        delete(client, path)
        stack.worker.spawn()
        stack.dispatcher.spawn()
        assert ended(client, job)["status"] == "succeeded"
        assert error(client.get(path)) == (404, "NOT_FOUND", None)
        assert client.get("/api/v1/search", params={"type": "clip"}).json()["data"] == []
        still_deleted(client, path)
        assert client.get(path).json()["data"]["file_reference"] == job["source_reference"]
        assert len(client.get(f"{path}/thumbnails").json()["data"]) == 3

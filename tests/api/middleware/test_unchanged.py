"""A client that has an answer already is told so, and never of one that has changed."""

import httpx2
import pytest

from tests.resources import CLIP, OUTFIT, RESOURCES, SHOW, Resource, create
from tests.stack import Stack

every = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path.rsplit("/", 1)[1])


def again(client: httpx2.Client, path: str, tag: str) -> httpx2.Response:
    """The same read by a client that has what ``tag`` is the tag of."""
    return client.get(path, headers={"If-None-Match": tag})


@every
def test_a_row_that_a_client_has_is_not_sent_again_until_it_changes(editor: httpx2.Client, resource: Resource) -> None:
    path = f"{resource.path}/{create(editor, resource)[resource.key]}"
    tag = editor.get(path).headers["ETag"]
    for tags in (tag, f"W/{tag}", f'"7", {tag}', "*"):
        answer = again(editor, path, tags)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in answer.headers
    assert editor.head(path, headers={"If-None-Match": tag}).status_code == 304
    assert again(editor, path, '"2"').status_code == 200
    editor.patch(path, json=resource.patch)
    assert (again(editor, path, tag).status_code, again(editor, path, '"2"').status_code) == (200, 304)
    editor.delete(path)
    assert again(editor, path, '"3"').status_code == 404


@every
def test_a_list_that_a_client_has_is_not_sent_again_until_it_changes(editor: httpx2.Client, resource: Resource) -> None:
    row = create(editor, resource)
    path = f"{resource.path}?limit=3&sort=-created_at"
    first = editor.get(path)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    assert [again(editor, path, tag).status_code for _ in range(3)] == [304] * 3
    editor.patch(f"{resource.path}/{row[resource.key]}", json=resource.patch)
    changed = again(editor, path, tag)
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    assert again(editor, path, changed.headers["ETag"]).status_code == 304
    create(editor, resource)
    assert again(editor, path, changed.headers["ETag"]).status_code == 200


def test_what_changes_beside_a_list_does_not_change_its_tag(editor: httpx2.Client) -> None:
    create(editor, OUTFIT)
    tag = again(editor, OUTFIT.path, '""').headers["ETag"]
    create(editor, CLIP)
    assert again(editor, OUTFIT.path, tag).status_code == 304


def test_a_tag_opens_nothing_to_who_may_not_read_it(server: Stack, editor: httpx2.Client, admin: httpx2.Client) -> None:
    path = f"{SHOW.path}?include_deleted=true"
    tag = admin.get(path).headers["ETag"]
    assert again(admin, path, tag).status_code == 304
    assert again(editor, path, tag).status_code == 403
    stranger = httpx2.get(f"{server.url}{path}", headers={"If-None-Match": "*"}, trust_env=False)
    assert stranger.status_code == 401


@pytest.mark.parametrize("tags", ["", "1", '"', "W/1", '"a" "b', "\xff"])
def test_what_is_no_tag_is_no_answer_that_a_client_has(editor: httpx2.Client, tags: str) -> None:
    path = f"{SHOW.path}/{create(editor, SHOW)['show_id']}"
    answer = editor.get(path, headers=[(b"If-None-Match", tags.encode("latin-1"))])
    assert answer.status_code == 200


def test_a_script_and_its_versions_have_tags_too(editor: httpx2.Client) -> None:
    episode = create(editor, RESOURCES[1])["episode_id"]
    versions = f"/api/v1/episodes/{episode}/scripts"
    script = editor.post(versions, json={"content": "INT. STUDIO"}).json()["data"]["script_id"]
    for path in (f"/api/v1/scripts/{script}", versions):
        assert again(editor, path, editor.get(path).headers["ETag"]).status_code == 304
    editor.delete(f"/api/v1/episodes/{episode}")
    assert again(editor, f"/api/v1/scripts/{script}", '"1"').status_code == 404

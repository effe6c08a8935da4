"""Script versions: numbered without gaps, never changed, at most one active, and what differs between two."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
import jsonschema_rs
import psycopg
import pytest

from models.db.paging import encode_cursor
from tests.resources import EPISODE, create
from tests.stack import Stack

PATH = "/api/v1/scripts"


@pytest.fixture
def versions(editor: httpx2.Client) -> str:
    """Where the versions of a new episode's script are."""
    return f"{EPISODE.path}/{create(editor, EPISODE)['episode_id']}/scripts"


def write(client: httpx2.Client, versions: str, content: str = "INT. STUDIO\n", **fields: Any) -> dict[str, Any]:
    """The next version."""
    answer = client.post(versions, json={"content": content} | fields)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()["data"]
    return row


def field(answer: httpx2.Response) -> str | None:
    """What the first error is about."""
    named: str | None = answer.json()["errors"][0].get("field")
    return named


def active(client: httpx2.Client, versions: str) -> list[int]:
    """The numbers of the active versions."""
    return [row["version_number"] for row in client.get(versions).json()["data"] if row["is_active"]]


def test_a_version_has_its_number_a_location_and_a_tag(editor: httpx2.Client, versions: str) -> None:
    body = {"title": "First draft", "content": "INT. STUDIO", "change_notes": "All new", "metadata": {"pages": 3}}
    answer = editor.post(versions, json=body)
    row = answer.json()["data"]
    assert answer.status_code == 201
    assert {name: row[name] for name in body} == body
    assert (row["version_number"], row["is_active"], row["file_reference"], row["version"]) == (1, False, None, 1)
    assert (answer.headers["Location"], answer.headers["ETag"]) == (f"{PATH}/{row['script_id']}", '"1"')
    assert editor.get(answer.headers["Location"]).json()["data"] == row
    assert write(editor, versions)["version_number"] == 2


def test_a_version_has_content_or_a_file(editor: httpx2.Client, versions: str) -> None:
    wrong: list[dict[str, Any]] = [{}, {"title": "Nothing"}, {"content": None}, {"content": ""}]
    for body in wrong:
        answer = editor.post(versions, json=body)
        assert (answer.status_code, field(answer)) == (400, "content")
    kept = editor.post(versions, json={"file_reference": "https://texts.example/draft.pdf"}).json()["data"]
    assert (kept["content"], kept["content_source"]) == (None, "file")
    assert (kept["version_number"], kept["content"]) == (1, None)


def test_versions_are_listed_from_the_newest_page_by_page(editor: httpx2.Client, versions: str) -> None:
    made = [write(editor, versions)["script_id"] for _ in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        body = editor.get(versions, params=params).json()
        seen += [row["script_id"] for row in body["data"]]
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
        assert body["metadata"]["pagination"]["total"] >= 5
        write(editor, versions)
        if params["cursor"] is None:
            break
    assert seen == made[::-1]
    assert editor.get(versions, params={"sort": "created_at", "limit": 1}).json()["data"][0]["script_id"] == made[0]
    assert field(editor.get(versions, params={"sort": "content"})) == "sort"


@pytest.mark.parametrize("value", [True, "one", {"a": 1}, [1], []], ids=str)
def test_a_forged_cursor_is_refused(editor: httpx2.Client, versions: str, value: Any) -> None:
    cursor = encode_cursor(f"scripts {versions.split('/')[-2]}", "-version_number", value, uuid4())
    answer = editor.get(versions, params={"cursor": cursor})
    assert (answer.status_code, field(answer)) == (400, "cursor")


def test_versions_are_found_by_title_and_notes(editor: httpx2.Client, versions: str) -> None:
    first = write(editor, versions, title="Café scene")
    second = write(editor, versions, change_notes="The café is closed")
    write(editor, versions, title="Elsewhere")
    found = editor.get(versions, params={"q": "cafe"}).json()["data"]
    assert [row["script_id"] for row in found] == [second["script_id"], first["script_id"]]


def test_at_most_one_version_is_active(editor: httpx2.Client, versions: str) -> None:
    first, second = write(editor, versions, is_active=True), write(editor, versions)
    assert active(editor, versions) == [1]
    answer = editor.post(f"{PATH}/{second['script_id']}/activate")
    assert (answer.status_code, answer.headers["ETag"], answer.json()["data"]["is_active"]) == (200, '"2"', True)
    assert active(editor, versions) == [2]
    assert editor.get(f"{PATH}/{first['script_id']}").json()["data"]["version"] == 2
    write(editor, versions, is_active=True)
    assert active(editor, versions) == [3]


def test_activating_the_active_version_changes_nothing(editor: httpx2.Client, versions: str) -> None:
    script = write(editor, versions, is_active=True)
    answer = editor.post(f"{PATH}/{script['script_id']}/activate")
    assert (answer.status_code, answer.json()["data"]) == (200, script)


def test_an_activation_that_saw_an_older_version_is_refused(editor: httpx2.Client, versions: str) -> None:
    write(editor, versions, is_active=True)
    script = write(editor, versions)
    path, stale = f"{PATH}/{script['script_id']}/activate", {"If-Match": '"7"'}
    assert editor.post(path, headers=stale).status_code == 412
    assert active(editor, versions) == [1]
    assert editor.post(path, headers={"If-Match": '"1"'}).status_code == 200
    assert editor.post(path, headers=stale).status_code == 412


def test_twenty_writers_at_once_get_the_numbers_one_to_twenty(
    server: Stack, editor: httpx2.Client, versions: str
) -> None:
    with server.client("editor") as client, ThreadPoolExecutor(20) as threads:
        made = list(threads.map(lambda number: write(client, versions, is_active=number % 2 == 0), range(20)))
    assert sorted(row["version_number"] for row in made) == list(range(1, 21))
    assert len(active(editor, versions)) == 1


def test_a_refused_version_takes_no_number(editor: httpx2.Client, versions: str) -> None:
    assert write(editor, versions)["version_number"] == 1
    assert editor.post(versions, json={"content": "x", "file_reference": "x" * 1025}).status_code == 400
    assert editor.post(versions, json={"title": "Nothing"}).status_code == 400
    assert write(editor, versions)["version_number"] == 2


def test_of_twenty_activations_at_once_one_version_is_active_at_any_time(
    server: Stack, editor: httpx2.Client, versions: str
) -> None:
    write(editor, versions, is_active=True)
    made = [write(editor, versions)["script_id"] for _ in range(20)]
    with server.client("editor") as client, ThreadPoolExecutor(10) as threads:
        answers = [threads.submit(client.post, f"{PATH}/{key}/activate") for key in made]
        seen = {len(active(editor, versions))}
        while not all(answer.done() for answer in answers):
            seen.add(len(active(editor, versions)))
    assert {answer.result().status_code for answer in answers} == {200}
    assert seen == {1} == {len(active(editor, versions))}


def test_a_version_is_never_changed(editor: httpx2.Client, versions: str) -> None:
    path = f"{PATH}/{write(editor, versions)['script_id']}"
    for method in ("PATCH", "PUT"):
        answer = editor.request(method, path, json={"content": "other"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")


def test_a_deleted_version_is_gone_and_its_number_stays_taken(
    editor: httpx2.Client, admin: httpx2.Client, viewer: httpx2.Client, versions: str
) -> None:
    first, second = write(editor, versions, "one"), write(editor, versions, "two")
    path = f"{PATH}/{second['script_id']}"
    assert viewer.delete(path).status_code == 403
    assert editor.delete(path, headers={"If-Match": '"9"'}).status_code == 412
    assert editor.delete(path, params={"reason": "Spilt coffee"}, headers={"If-Match": '"1"'}).status_code == 204
    assert [row["version_number"] for row in editor.get(versions).json()["data"]] == [1]
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/activate"), ("GET", f"{path}/thumbnails")):
        assert editor.request(method, where).status_code == 404
    assert field(editor.get(f"{PATH}/{first['script_id']}/diff", params={"against": second["script_id"]})) == "against"
    gone = admin.get(path, params={"include_deleted": True}).json()["data"]
    assert (gone["deleted_by"], gone["deleted_reason"], gone["content"]) == ("tester", "Spilt coffee", "two")
    assert len(admin.get(versions, params={"include_deleted": True}).json()["data"]) == 2
    assert write(editor, versions)["version_number"] == 3
    back = admin.post(f"{path}/restore")
    assert (back.status_code, back.json()["metadata"]["stillDeleted"]) == (200, {})
    assert back.headers["ETag"] == f'"{back.json()["data"]["version"]}"'
    assert [row["version_number"] for row in editor.get(versions).json()["data"]] == [3, 2, 1]
    assert admin.post(f"{path}/restore").status_code == 409
    actions = [change["action"] for change in editor.get(f"{path}/history").json()["data"]]
    assert actions == ["restore", "delete", "create"]


def test_a_deleted_version_is_active_no_more_not_even_restored(
    editor: httpx2.Client, admin: httpx2.Client, versions: str
) -> None:
    script = write(editor, versions, is_active=True)
    path = f"{PATH}/{script['script_id']}"
    editor.delete(path).raise_for_status()
    assert active(editor, versions) == []
    write(editor, versions, is_active=True)
    admin.post(f"{path}/restore").raise_for_status()
    assert active(editor, versions) == [2]
    assert editor.post(f"{path}/activate").json()["data"]["is_active"]
    assert active(editor, versions) == [1]


def test_a_restored_episode_says_which_versions_stay_deleted_and_the_other_way_round(
    editor: httpx2.Client, admin: httpx2.Client, versions: str
) -> None:
    path, episode = f"{PATH}/{write(editor, versions)['script_id']}", versions.removesuffix("/scripts")
    editor.delete(path).raise_for_status()
    editor.delete(episode).raise_for_status()
    assert admin.post(f"{path}/restore").json()["metadata"]["stillDeleted"] == {"episodes": 1}
    assert editor.delete(path).status_code == 404
    admin.post(f"{episode}/restore").raise_for_status()
    editor.delete(path).raise_for_status()
    editor.delete(episode).raise_for_status()
    assert admin.post(f"{episode}/restore").json()["metadata"]["stillDeleted"] == {"scripts": 1}


def test_a_version_has_no_pictures(editor: httpx2.Client, versions: str) -> None:
    answer = editor.get(f"{PATH}/{write(editor, versions)['script_id']}/thumbnails")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize("sort", ["title", "-title"])
def test_versions_are_sorted_by_title_those_without_one_as_if_it_were_empty(
    editor: httpx2.Client, versions: str, sort: str
) -> None:
    titles = ["Winter", None, "Autumn", None, "Winter"]
    for title in titles:
        write(editor, versions, title=title)
    seen, params = [], {"sort": sort, "limit": "2"}
    while params.get("cursor", "") is not None:
        page = editor.get(versions, params=params).raise_for_status().json()
        seen += [(row["title"], row["version_number"]) for row in page["data"]]
        params["cursor"] = page["metadata"]["pagination"]["nextCursor"]
    ascending = [(None, 2), (None, 4), ("Autumn", 3), ("Winter", 1), ("Winter", 5)]
    assert seen == (ascending if sort == "title" else ascending[::-1])


@pytest.mark.parametrize("body", [{}, {"content": None}, {"title": "x", "file_reference": None}])
def test_a_version_needs_content_or_a_file_and_the_document_says_so(
    editor: httpx2.Client, versions: str, body: dict[str, Any]
) -> None:
    answer = editor.post(versions, json=body)
    assert (answer.status_code, field(answer)) == (400, "content")
    assert field(editor.post(versions, json={"file_reference": ""})) == "file_reference"
    components = editor.get("/schema/openapi.json").json()["components"]
    schema = {"$ref": "#/components/schemas/NewScript", "components": components}
    assert not jsonschema_rs.is_valid(schema, body)
    for name in ("content", "file_reference"):
        assert jsonschema_rs.is_valid(schema, body | {name: "s3://episodes-media/episode/script.txt"})


@pytest.fixture
def prompt(server: Stack) -> Iterator[psycopg.Connection]:
    """The database's own prompt."""
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "change", ["content = 'other'", "version_number = 9", "title = null", "episode_id = uuidv7()", "metadata = '[]'"]
)
def test_the_database_refuses_to_change_a_version(
    editor: httpx2.Client, versions: str, prompt: psycopg.Connection, change: str
) -> None:
    script = write(editor, versions, title="Kept")
    with pytest.raises(psycopg.errors.RestrictViolation):
        prompt.execute(f"update scripts set {change} where script_id = %s".encode(), [script["script_id"]])
    assert editor.get(f"{PATH}/{script['script_id']}").json()["data"] == script


def test_the_database_refuses_a_second_active_version(
    editor: httpx2.Client, versions: str, prompt: psycopg.Connection
) -> None:
    episode = write(editor, versions)["episode_id"]
    write(editor, versions)
    with pytest.raises(psycopg.errors.UniqueViolation):
        prompt.execute("update scripts set is_active = true where episode_id = %s", [episode])


def test_a_diff_shows_what_a_version_changes_against_another(editor: httpx2.Client, versions: str) -> None:
    first = write(editor, versions, "INT. STUDIO\nLALA\nHello.\n")
    second = write(editor, versions, "INT. STUDIO\nLALA\nGood evening.")
    answer = editor.get(f"{PATH}/{second['script_id']}/diff", params={"against": first["script_id"]})
    assert answer.json()["data"] == {
        "diff": "--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n INT. STUDIO\n LALA\n-Hello.\n+Good evening.\n"
        "\\ No newline at end of file\n",
        "from": {"script_id": first["script_id"], "version_number": 1},
        "to": {"script_id": second["script_id"], "version_number": 2},
    }
    same = editor.get(f"{PATH}/{second['script_id']}/diff", params={"against": second["script_id"]})
    assert same.json()["data"]["diff"] == ""


def test_a_diff_is_between_two_written_versions_of_one_script(editor: httpx2.Client, versions: str) -> None:
    script = write(editor, versions)["script_id"]
    other = write(editor, f"{EPISODE.path}/{create(editor, EPISODE)['episode_id']}/scripts")["script_id"]
    file = editor.post(versions, json={"file_reference": "https://texts.example/draft.pdf"}).json()["data"]["script_id"]
    for against in (other, str(uuid4()), "nonsense"):
        answer = editor.get(f"{PATH}/{script}/diff", params={"against": against})
        assert (answer.status_code, field(answer)) == (400, "against")
    assert field(editor.get(f"{PATH}/{script}/diff")) == "against"
    assert editor.get(f"{PATH}/{script}/diff", params={"against": file}).status_code == 409
    assert editor.get(f"{PATH}/{file}/diff", params={"against": script}).status_code == 409
    assert editor.get(f"{PATH}/{uuid4()}/diff", params={"against": script}).status_code == 404


def test_versions_that_take_too_long_to_compare_hold_nobody_up(editor: httpx2.Client, versions: str) -> None:
    lines = [str(number % 990) for number in range(100_000)]
    first = write(editor, versions, "\n".join(lines))["script_id"]
    second = write(editor, versions, "\n".join(sorted(lines)))["script_id"]
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(editor.get, f"{PATH}/{second}/diff", params={"against": first})
        assert editor.get(f"{PATH}/{first}").elapsed.total_seconds() < 2
        assert answer.result().status_code == 409


def test_the_versions_go_with_their_episode_and_come_back(
    editor: httpx2.Client, admin: httpx2.Client, versions: str
) -> None:
    script, episode = write(editor, versions), versions.removesuffix("/scripts")
    path = f"{PATH}/{script['script_id']}"
    editor.delete(episode)
    for method, where in (("GET", versions), ("GET", path), ("POST", f"{path}/activate")):
        assert editor.request(method, where).status_code == 404
    assert editor.post(versions, json={"content": "late"}).status_code == 404
    assert admin.get(path, params={"include_deleted": True}).json()["data"] == script
    assert len(admin.get(versions, params={"include_deleted": True}).json()["data"]) == 1
    admin.post(f"{episode}/restore")
    assert editor.get(path).json()["data"] == script
    assert editor.get(f"{EPISODE.path}/{uuid4()}/scripts").status_code == 404


def test_the_history_of_a_version_says_who_activated_it(server: Stack, editor: httpx2.Client, versions: str) -> None:
    first, second = write(editor, versions, is_active=True), write(editor, versions)
    with server.client("editor", "ana") as ana:
        ana.post(f"{PATH}/{second['script_id']}/activate")
    for script, became in ((first, False), (second, True)):
        change = editor.get(f"{PATH}/{script['script_id']}/history").json()["data"][0]
        assert (change["actor"], change["action"]) == ("ana", "update")
        assert (change["before"], change["after"]) == ({"is_active": not became}, {"is_active": became})

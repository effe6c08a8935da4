"""If-Match as RFC 9110 has it: lists, ``*``, strong comparison, and a refusal of what is none of them."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.resources import EPISODE, OUTFIT, SHOW, create


@pytest.fixture
def show(editor: httpx2.Client) -> str:
    """The path of a show at version 2."""
    path = f"{SHOW.path}/{create(editor, SHOW)['show_id']}"
    editor.patch(path, json={"description": "second"}).raise_for_status()
    return path


@pytest.fixture
def link(editor: httpx2.Client) -> str:
    """The path of a link that is not there."""
    episode, outfit = create(editor, EPISODE)["episode_id"], create(editor, OUTFIT)["outfit_id"]
    return f"{EPISODE.path}/{episode}/outfits/{outfit}"


def patch(client: httpx2.Client, path: str, *tags: bytes) -> httpx2.Response:
    """A change under these If-Match headers."""
    headers = [(b"If-Match", tag) for tag in tags] + [(b"Content-Type", b"application/json")]
    return client.patch(path, content=b'{"description": "third"}', headers=headers)


FITTING = [b'"2"', b'"1", "2"', b'"2","9"', b', "2" ,', b'"a,b" , "2"', b'"\xff", "2"', b"*", b'W/"2", "2"']


@pytest.mark.parametrize("tag", FITTING)
def test_a_list_that_names_the_version_lets_the_change_through(editor: httpx2.Client, show: str, tag: bytes) -> None:
    assert patch(editor, show, tag).status_code == 200


def test_several_headers_are_one_list(editor: httpx2.Client, show: str) -> None:
    assert patch(editor, show, b'"9"', b'"2"').status_code == 200


OTHERS = [
    b'"1"',
    b'"1", "3"',
    b'W/"2"',
    b'W/"2", "1"',
    b'"x"',
    b'""',
    b'"02"',
    b'"2!"',
    b'"' + b"9" * 500 + b'"',
    b"",
    b",",
]


@pytest.mark.parametrize("tag", OTHERS)
def test_a_list_that_does_not_name_the_version_stops_the_change(editor: httpx2.Client, show: str, tag: bytes) -> None:
    answer = patch(editor, show, tag)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (412, "PRECONDITION_FAILED")


MALFORMED = [b"2", b'"2', b'2"', b"nonsense", b"'2'", b'w/"2"', b'W/ "2"', b'"1" "2"', b'"2";', b'*, "2"']


@pytest.mark.parametrize("tag", [*MALFORMED, b'"a b"', b'"a\tb"', b"\xff", b", " * 3000 + b"x"])
def test_what_is_no_list_of_tags_is_named(editor: httpx2.Client, show: str, tag: bytes) -> None:
    answer = patch(editor, show, tag)
    assert (answer.status_code, answer.json()["errors"][0].get("field")) == (400, "If-Match")


def test_a_star_asks_that_a_link_is_there(editor: httpx2.Client, link: str) -> None:
    any_version = {"If-Match": "*"}
    assert editor.put(link, json={}, headers=any_version).status_code == 412
    assert editor.get(link.rpartition("/")[0]).json()["data"] == []
    editor.put(link, json={}).raise_for_status()
    assert editor.put(link, json={"position": 2}, headers=any_version).status_code == 200
    assert editor.put(link, json={}, headers={"If-Match": '"7", "2"'}).status_code == 200
    assert editor.delete(link, headers={"If-Match": 'W/"3"'}).status_code == 412
    assert editor.delete(link, headers=any_version).status_code == 204


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_of_what_is_not_there_nothing_else_is_said(editor: httpx2.Client, method: str) -> None:
    body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    answer = editor.request(method, f"{SHOW.path}/{uuid4()}", headers={"If-Match": "*"}, **body)
    assert answer.status_code == 404

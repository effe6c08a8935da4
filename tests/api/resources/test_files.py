"""A stored file comes out as it went in: under its own name, of its own type, with its size and hash."""

import re
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.media.originals import disposition
from tests import media, work
from tests.resources import CLIP, EPISODE, GUEST, OUTFIT, RESOURCES, Resource, create
from tests.stack import PLAIN

NAME = "Schöner Mantel – 外套.jpg"
TAKES_FILES = [one for one in RESOURCES if one.key not in ("show_id", "episode_id")]


def told(client: httpx2.Client, resource: Resource, key: str, **params: str) -> dict[str, Any]:
    """What the API says of the file."""
    answer = client.get(f"{resource.path}/{key}/file", params=params)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def brought(client: httpx2.Client, resource: Resource, data: bytes, **more: Any) -> str:
    """A new thing with this file, taken in."""
    key = str(create(client, resource)[resource.key])
    named = {name: more.pop(name) for name in ("name", "kind") if name in more}
    reference = work.upload(client, data, entity_type=resource.name, **named)
    job = work.ended(client, work.post(client, reference, key, entity_type=resource.name, **more))
    assert job["status"] == "succeeded", job
    return key


@pytest.mark.parametrize("resource", TAKES_FILES, ids=lambda one: one.name)
def test_the_file_of_a_thing_comes_back_byte_by_byte_under_its_own_name(
    editor: httpx2.Client, viewer: httpx2.Client, resource: Resource
) -> None:
    picture = work.unique(media.jpeg())
    key = brought(editor, resource, picture, name=NAME)
    found = told(viewer, resource, key)
    assert found.pop("url").startswith("http")
    assert found == {
        "file_name": NAME,
        "mime_type": "image/jpeg",
        "file_size": len(picture),
        "sha256": work.sha256(picture),
        "expiresIn": 3600,
    }
    answer = httpx2.get(told(viewer, resource, key)["url"], **PLAIN)
    assert answer.content == picture
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert named(answer.headers["Content-Disposition"]) == ("attachment", NAME)


def named(header: str) -> tuple[str, str]:
    """How a file is to be handled, and its name, as a browser reads them."""
    message = Message()
    message["Content-Disposition"] = header
    found = re.search(r"filename\*=UTF-8''(\S+)$", header)
    assert found is not None
    return message.get_content_disposition() or "", unquote(found[1])


def test_a_browser_is_sent_to_the_file_and_shows_it_where_that_is_safe(editor: httpx2.Client) -> None:
    key = brought(editor, CLIP, work.unique(media.jpeg()))
    sent = editor.get(f"{CLIP.path}/{key}/file", params={"redirect": "true", "inline": "true"}, follow_redirects=False)
    assert (sent.status_code, sent.content) == (302, b"")
    answer = httpx2.get(sent.headers["Location"], **PLAIN)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("inline; ")


def test_an_episode_has_a_file_for_each_role_and_a_text_is_not_shown_inline(
    editor: httpx2.Client, tmp_path: Path
) -> None:
    picture = work.unique(media.jpeg())
    key = brought(editor, EPISODE, picture, role="thumbnail")
    assert told(editor, EPISODE, key)["sha256"] == work.sha256(picture)
    for role in ("trailer", "script"):
        refused = editor.get(f"{EPISODE.path}/{key}/file", params={"role": role})
        assert refused.status_code == 404
        assert refused.json()["errors"][0]["message"] == f"this episode has no {role}"
    text = f"INT. STUDIO\n{work.unique(b'').hex()}".encode()
    script = work.upload(editor, text, "act one.txt", "text/plain", entity_type="episode")
    job = work.post(editor, script, key, entity_type="episode", role="script")
    assert work.ended(editor, job)["status"] == "succeeded"
    assert told(editor, EPISODE, key, role="script")["file_name"] == "act one.txt"
    refused = editor.get(f"{EPISODE.path}/{key}/file", params={"role": "script", "inline": "true"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "inline")


def test_a_duplicate_comes_back_under_the_name_that_it_came_with(editor: httpx2.Client) -> None:
    picture = work.unique(media.jpeg())
    first, second = (brought(editor, OUTFIT, picture, name=name) for name in ("first.jpg", "second.jpg"))
    found = [told(editor, OUTFIT, key) for key in (first, second)]
    assert [one["file_name"] for one in found] == ["first.jpg", "second.jpg"]
    assert found[0]["sha256"] == found[1]["sha256"] == work.sha256(picture)


def test_where_there_is_no_file_of_ours_or_no_such_thing_the_answer_is_404(editor: httpx2.Client) -> None:
    elsewhere = create(editor, GUEST, photo_reference="https://pictures.example/ines.jpg")["guest_id"]
    empty = create(editor, CLIP)["clip_id"]
    gone = create(editor, CLIP)["clip_id"]
    editor.delete(f"{CLIP.path}/{gone}")
    for path in (f"{GUEST.path}/{elsewhere}", f"{CLIP.path}/{empty}", f"{CLIP.path}/{gone}"):
        assert editor.get(f"{path}/file").status_code == 404


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200), inline=st.booleans())
@example(name='a"b;c\\d%.jpg', inline=False)
@example(name="…", inline=True)
def test_a_name_in_any_script_survives_the_header_that_carries_it(name: str, inline: bool) -> None:
    header = disposition(name, inline=inline)
    assert header.isascii()
    assert not re.search(r"[\r\n]", header)
    assert named(header) == ("inline" if inline else "attachment", name)
    assert re.search(r' filename="[A-Za-z0-9._-]+"; ', header)

"""One text in whatever form of Unicode: written, found, compared and kept as one."""

import json
from functools import partial
from typing import Any, Literal
from unicodedata import is_normalized, normalize
from uuid import uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from api.http import normalization
from api.http.validation import Repeated
from models.errors import Invalid
from tests.conftest import SEED
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, OUTFIT, SHOW, create
from tests.stack import Stack
from tests.work import storage

often = settings(
    max_examples=25,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = {"Content-Type": "application/json"}
Form = Literal["NFC", "NFD"]
FORMS: st.SearchStrategy[Form] = st.sampled_from(["NFC", "NFD"])
# Letters that are written in two ways, in scripts of each kind, and what stands beside them in JSON.
LETTERS = 'éüñÅḍ̇ǭガぱゔ한복각ấỗ0aZ ÷क़שּׁΰй\n\t"\\/'
WORDS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12).filter(lambda text: text.strip())


def send(client: httpx2.Client, path: str, body: Any, *, ascii_only: bool) -> httpx2.Response:
    """A body that says its letters as themselves or by their numbers."""
    return client.post(path, content=json.dumps(body, ensure_ascii=ascii_only).encode(), headers=JSON)


@seed(SEED)
@often
@given(word=WORDS, written=FORMS, asked=FORMS, ascii_only=st.booleans())
def test_what_is_written_in_one_form_is_found_in_the_other(
    editor: httpx2.Client, word: str, written: Form, asked: Form, ascii_only: bool
) -> None:
    mark = uuid4().hex
    text, sought = normalize(written, f"{word}{mark}"), normalize(asked, f"{word}{mark}")
    body = {"name": text, "brand": text, "tags": [text], "top": {text: [text]}, "metadata": {"a": {text: text}}}
    made = send(editor, OUTFIT.path, body, ascii_only=ascii_only)
    assert made.status_code == 201, made.text
    row = made.json()["data"]
    normal = normalize("NFC", text)
    assert (row["name"], row["brand"], row["tags"]) == (normal, normal, [normal])
    assert (row["top"], row["metadata"]) == ({normal: [normal]}, {"a": {normal: normal}})
    for name, value in (("q", sought), ("brand", sought), ("tag", sought), ("top", json.dumps({sought: [sought]}))):
        found = editor.get(OUTFIT.path, params={name: value}).json()["data"]
        assert [one["outfit_id"] for one in found] == [row["outfit_id"]], name


@seed(SEED)
@often
@given(word=WORDS, ascii_only=st.booleans())
def test_a_name_is_taken_in_every_form(editor: httpx2.Client, word: str, ascii_only: bool) -> None:
    name = f"{word}{uuid4().hex}"
    first = send(editor, SHOW.path, {"name": normalize("NFC", name)}, ascii_only=ascii_only)
    assert first.status_code == 201, first.text
    again = send(editor, SHOW.path, {"name": normalize("NFD", name)}, ascii_only=not ascii_only)
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "name")


@pytest.mark.parametrize("word", ["ガウン", "한복"])
def test_a_search_finds_the_other_form(editor: httpx2.Client, word: str) -> None:
    mark = f"x{uuid4().hex}"
    made = create(editor, CLIP, title=f"{normalize('NFD', word)} {mark}")
    for sought in (normalize("NFC", word), normalize("NFD", word)):
        assert eventually(partial(hits, editor, f"{sought} {mark}")) == [made["clip_id"]]


def hits(client: httpx2.Client, q: str) -> list[str]:
    """The ids of what a search finds."""
    return [hit["entity_id"] for hit in client.get("/api/v1/search", params={"q": q}).json()["data"]]


def test_tags_are_a_set_in_the_order_they_came(editor: httpx2.Client) -> None:
    tags = ["b", "é", "a", "b", "e\u0301", "B", "a"]
    clip = create(editor, CLIP, tags=tags)
    assert clip["tags"] == ["b", "é", "a", "B"]
    path = f"{CLIP.path}/{clip['clip_id']}"
    assert editor.patch(path, json={"tags": ["c", *tags, "c"]}).json()["data"]["tags"] == ["c", "b", "é", "a", "B"]
    assert editor.patch(path, json={"tags": ["x"] * 100}).json()["data"]["tags"] == ["x"]


def test_a_text_is_as_long_as_people_see_it(editor: httpx2.Client) -> None:
    name = "한" * 200 + uuid4().hex
    assert len(normalize("NFD", name)) > 255
    assert create(editor, SHOW, name=normalize("NFD", name))["name"] == name


@pytest.mark.parametrize("ascii_only", [True, False])
def test_two_keys_that_are_one_are_given_more_than_once(editor: httpx2.Client, ascii_only: bool) -> None:
    answer = send(editor, CLIP.path, {"title": "a", "metadata": {"é": 1, "e\u0301": 2}}, ascii_only=ascii_only)
    assert answer.status_code == 400
    assert "more than once" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_reference_keeps_its_bytes(server: Stack, editor: httpx2.Client, ascii_only: bool) -> None:
    reference = "s3://episodes-media/clip/e\u0301.jpg"
    storage(server.environ).put_object(Bucket="episodes-media", Key="clip/e\u0301.jpg", Body=b"a")
    body = EPISODE.body(editor) | {"title": "e\u0301", "trailer_reference": reference}
    row = send(editor, EPISODE.path, body, ascii_only=ascii_only).json()["data"]
    assert (row["title"], row["trailer_reference"]) == ("é", reference)


def test_numbers_stay_as_they_are_written_beside_text_that_changes(editor: httpx2.Client) -> None:
    body = b'{"title": "e\\u0301", "metadata": {"a": 12345678901234567, "b": 1.50, "c": -0.1e3, "d": [true, null]}}'
    answer = editor.post(CLIP.path, content=body, headers=JSON)
    assert answer.json()["data"]["title"] == "é"
    assert answer.json()["data"]["metadata"] == {"a": 12345678901234567, "b": 1.5, "c": -100.0, "d": [True, None]}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_marks_without_end_are_refused(editor: httpx2.Client, ascii_only: bool) -> None:
    """To put them in order takes the square of their number: 80,000 of them take 14 s."""
    marks = "\u0301" * 40_000 + "\u0323" * 40_000
    assert send(editor, CLIP.path, {"title": marks}, ascii_only=ascii_only).status_code == 400
    answer = editor.get(CLIP.path, params={"q": marks[39_900:40_100]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "q")


@seed(SEED)
@settings(max_examples=150, deadline=None, database=None)
@given(
    text=st.text(max_size=40) | st.text(st.sampled_from(LETTERS + normalize("NFD", LETTERS) + "াୗా𑄱𑌾ᆨ👗")),
    piece=st.integers(1, 5),
)
def test_a_text_in_pieces_has_the_form_of_the_whole(text: str, piece: int) -> None:
    whole = normalization.PIECE
    normalization.PIECE = piece  # type: ignore[misc]  # so that short texts have several
    try:
        assert normalization.of_text(text) == normalize("NFC", text)
    except Invalid:
        assert not text.isascii()
    finally:
        normalization.PIECE = whole  # type: ignore[misc]


@seed(SEED)
@settings(max_examples=60, deadline=None, database=None)
@given(
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda one: st.lists(one) | st.dictionaries(st.text(max_size=5), one),
        max_leaves=9,
    ),
    ascii_only=st.booleans(),
)
def test_all_text_of_any_json_has_its_form(value: Any, ascii_only: bool) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=ascii_only).encode()
        found = json.loads(normalization.of_json(raw))
    except (Invalid, UnicodeEncodeError, Repeated):
        return
    assert is_normalized("NFC", json.dumps(found, ensure_ascii=False).replace("\\", ""))
    assert normalization.of_json(normalization.of_json(raw)) == normalization.of_json(raw)

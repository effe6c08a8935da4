"""Finding things: soon after they are written, by words, with what a person types."""

import re
import time
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests import media, work
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, OUTFIT, SHOW, create
from tests.stack import Stack

PATH = "/api/v1/search"
SOON = 2.0  # seconds; what the contract promises


def word() -> str:
    """A word that nothing else has, in which no letter follows itself."""
    digits = (int(digit, 16) for digit in uuid4().hex[:13])
    return "q" + "".join(chr(ord("a") + digit // 2 * 2 + place % 2) for place, digit in enumerate(digits))


def search(client: httpx2.Client, q: str = "", **params: Any) -> dict[str, Any]:
    """The whole answer."""
    answer = client.get(PATH, params={"q": q} | params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(client: httpx2.Client, q: str = "", **params: Any) -> list[str]:
    """What is found, the best first."""
    return [hit["entity_id"] for hit in search(client, q, **params)["data"]]


def findable(client: httpx2.Client, key: str, q: str, within: float = SOON) -> None:
    """Wait until it is found."""
    eventually(lambda: key in ids(client, q), within)


@pytest.fixture(scope="module")
def pier(editor: httpx2.Client) -> tuple[str, str]:
    """A clip to look for, and a word that only it has."""
    mark = word()
    clip = create(
        editor,
        CLIP,
        title=f"Summer walk {mark}",
        description="She was walking along the old pier, dressed for a garden party. Défilé d'été.",
        tags=["pier", "linen"],
    )
    findable(editor, clip["clip_id"], mark)
    return clip["clip_id"], mark


@pytest.mark.parametrize("resource", [SHOW, EPISODE, CLIP, OUTFIT], ids=lambda resource: resource.key)
def test_what_is_written_is_found_and_what_is_deleted_is_gone(
    editor: httpx2.Client, admin: httpx2.Client, resource: Any
) -> None:
    first, second = word(), word()
    key = create(editor, resource, **{resource.title: f"Look {first}"})[resource.key]
    path = f"{resource.path}/{key}"
    eventually(lambda: ids(editor, first) == [key], SOON)
    editor.patch(path, json={resource.title: f"Look {second}"})
    eventually(lambda: ids(editor, second) == [key], SOON)
    eventually(lambda: ids(editor, f'"{first}"') == [], SOON)
    editor.delete(path)
    eventually(lambda: ids(editor, second) == [], SOON)
    admin.post(f"{path}/restore")
    eventually(lambda: ids(editor, second) == [key], SOON)


def test_a_hit_has_the_contracts_shape(editor: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE, title=f"Coats {mark}", tags=["winter", mark])
    findable(editor, episode["episode_id"], mark)
    body = search(editor, mark)
    hit = next(hit for hit in body["data"] if hit["entity_id"] == episode["episode_id"])
    assert set(hit) == {"entity_type", "entity_id", "title", "snippet", "rank", "tags", "show_id", "thumbnail_url"}
    assert (hit["entity_type"], hit["title"], hit["show_id"]) == ("episode", episode["title"], episode["show_id"])
    assert (hit["tags"], hit["thumbnail_url"]) == (["winter", mark], None)
    assert hit["rank"] > 0
    assert body["metadata"]["pagination"] == {"limit": 20, "total": 1, "nextCursor": None}
    assert body["metadata"]["facets"] == {"type": {"episode": 1}, "tag": {"winter": 1, mark: 1}}


@pytest.mark.parametrize(
    "query",
    [
        "{mark}",
        "summer {mark}",
        "SUMMER {mark}",
        "{mark} sum",
        "{mark} summ",
        "{mark} walks",
        "{mark} walked",
        "{mark} dress",
        "{mark} garden part",
        '"old pier" {mark}',
        '{mark} "walking along the old pier"',
        "{mark} -winter",
        '{mark} -"new pier"',
        "nowhere or {mark}",
        "{mark} or nowhere",
        "{mark} defile",
        "{mark} DÉFILÉ",
        "{mark} ete",
        "{mark} linen",
    ],
)
def test_a_query_finds_it(editor: httpx2.Client, pier: tuple[str, str], query: str) -> None:
    key, mark = pier
    assert key in ids(editor, query.format(mark=mark))


@pytest.mark.parametrize(
    "query",
    [
        "{mark} -pier",
        "{mark} -summer",
        "{mark} -walking",
        "-{mark}",
        '"pier old" {mark}',
        '"summer pier" {mark}',
        '{mark} -"old pier"',
        '"{mark} nowhere"',
    ],
)
def test_a_query_that_excludes_it_does_not_find_it(editor: httpx2.Client, pier: tuple[str, str], query: str) -> None:
    key, mark = pier
    assert key not in ids(editor, query.format(mark=mark))


def test_a_typing_error_is_forgiven_only_where_nothing_else_matches(editor: httpx2.Client) -> None:
    mark = word()
    wrong = mark[:5] + mark[6] + mark[5] + mark[7:]
    right = create(editor, SHOW, name=f"{mark} diaries")["show_id"]
    findable(editor, right, mark)
    assert ids(editor, wrong) == [right]
    literal = create(editor, SHOW, name=f"{wrong} letters")["show_id"]
    eventually(lambda: ids(editor, wrong) == [literal], SOON)
    assert ids(editor, mark) == [right]


def test_a_title_weighs_more_than_a_description(editor: httpx2.Client) -> None:
    mark = word()
    below = create(editor, CLIP, title="One", description=f"About {mark}")["clip_id"]
    above = create(editor, CLIP, title=f"All of {mark}")["clip_id"]
    eventually(lambda: ids(editor, mark) == [above, below], SOON)


def test_filters_narrow_and_facets_count_all_pages(editor: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE, title=f"Episode {mark}", tags=[mark, "red"], status="published")
    show = episode["show_id"]
    clip = create(editor, CLIP, title=f"Clip {mark}", tags=[mark, "red", "blue"], episode_id=episode["episode_id"])
    outfit = create(editor, OUTFIT, name=f"Outfit {mark}", tags=[mark])
    eventually(lambda: len(ids(editor, mark)) == 3, SOON)
    assert ids(editor, mark, type="clip") == [clip["clip_id"]]
    assert set(ids(editor, mark, type=["clip", "outfit"])) == {clip["clip_id"], outfit["outfit_id"]}
    assert set(ids(editor, mark, show_id=show)) == {episode["episode_id"], clip["clip_id"]}
    assert set(ids(editor, mark, tag="red")) == {episode["episode_id"], clip["clip_id"]}
    assert ids(editor, mark, tag=["red", "blue"]) == [clip["clip_id"]]
    assert ids(editor, mark, status="published") == [episode["episode_id"]]
    assert ids(editor, mark, status="published", type="clip") == []
    assert len(ids(editor, tag=mark)) == 3
    first = search(editor, mark, limit=1)["metadata"]
    assert first["pagination"]["total"] == 3
    assert first["facets"] == {
        "type": {"episode": 1, "clip": 1, "outfit": 1},
        "tag": {mark: 3, "red": 2, "blue": 1},
    }
    narrowed = search(editor, mark, tag="blue")["metadata"]["facets"]
    assert narrowed == {"type": {"clip": 1}, "tag": {mark: 1, "red": 1, "blue": 1}}


def test_a_clip_follows_its_episode_to_another_show(editor: httpx2.Client) -> None:
    mark = word()
    episode, other = create(editor, EPISODE), create(editor, SHOW)["show_id"]
    clip = create(editor, CLIP, title=f"Moving {mark}", episode_id=episode["episode_id"])["clip_id"]
    eventually(lambda: ids(editor, mark, show_id=episode["show_id"]) == [clip], SOON)
    editor.patch(f"{EPISODE.path}/{episode['episode_id']}", json={"show_id": other})
    eventually(lambda: ids(editor, mark, show_id=other) == [clip], SOON)
    assert ids(editor, mark, show_id=episode["show_id"]) == []


def test_scripts_outfits_and_categories_are_found_by_what_they_say(editor: httpx2.Client) -> None:
    script, belt = word(), word()
    episode = create(editor, EPISODE, script_text=f"LALA: Where is my {script}?")["episode_id"]
    outfit = create(editor, OUTFIT, accessories=[{"item": "belt", "notes": {"by": f"Atelier {belt}"}}])["outfit_id"]
    findable(editor, episode, script)
    findable(editor, outfit, belt)


def walk(client: httpx2.Client, q: str, limit: int) -> list[str]:
    """All hits, page by page."""
    found: list[str] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        body = search(client, q, **params)
        found += [hit["entity_id"] for hit in body["data"]]
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
        if params["cursor"] is None:
            return found


def test_the_cursor_walks_all_hits_without_repeats(editor: httpx2.Client) -> None:
    mark = word()
    made = {create(editor, CLIP, title=f"{mark} " * (1 + number % 3))["clip_id"] for number in range(7)}
    eventually(lambda: len(ids(editor, mark)) == 7, SOON)
    for query in (mark, f"{mark} ".upper(), mark[:-1]):
        walked = walk(editor, query, 2)
        assert len(walked) == len(set(walked)) == 7
        assert set(walked) == made
    assert walk(editor, mark, 2) == ids(editor, mark)


def test_the_cursor_walks_what_only_looks_alike(editor: httpx2.Client) -> None:
    mark = word()
    made = {create(editor, CLIP, title=f"{mark} take {number}")["clip_id"] for number in range(5)}
    eventually(lambda: len(ids(editor, mark)) == 5, SOON)
    wrong = mark[:6] + mark[7] + mark[6] + mark[8:]
    walked = walk(editor, wrong, 2)
    assert len(walked) == 5
    assert set(walked) == made


def test_a_snippet_is_safe_html_with_the_words_marked(editor: httpx2.Client) -> None:
    mark = word()
    evil = f"<script>alert(1)</script> & <img src=x onerror=alert(2)> \"quoted\" {mark} 'end' </mark>"
    clip = create(editor, CLIP, title=f"<b>{mark}</b>", description=evil)["clip_id"]
    findable(editor, clip, mark)
    (hit,) = search(editor, mark)["data"]
    assert f"<mark>{mark}</mark>" in hit["snippet"]
    assert not re.search(r"<(?!/?mark>)|[\"']|&(?!\w+;|#)", hit["snippet"])
    assert hit["title"] == f"<b>{mark}</b>"  # text as it was written; the client escapes it


def test_a_snippets_marks_are_ours_alone(editor: httpx2.Client) -> None:
    mark = word()
    clip = create(editor, CLIP, title="Controls", description=f"\x03 stray {mark} \x02 marks")["clip_id"]
    findable(editor, clip, mark)
    (hit,) = search(editor, mark)["data"]
    assert re.findall("</?mark>", hit["snippet"]) == ["<mark>", "</mark>"]


# What a person, or somebody who means no good, may type.
NASTY = [
    "",
    " ",
    "\t\n",
    '"',
    '""',
    '"""',
    "-",
    "--",
    "- -",
    "or",
    "or or",
    "-or",
    "or -",
    "OR AND NOT",
    ":*",
    "<->",
    "<2>",
    "a <-> b",
    "a:*&b",
    "!",
    "!a",
    "& | !",
    "(((",
    ")(",
    "\\",
    "\\\\'",
    "'",
    "''",
    "'; drop table clips; --",
    "%",
    "%s %(q)s {q} {0}",
    "_%_",
    "*",
    "the",
    "the of and",
    "it's",
    "x" * 500,
    "x " * 250,
    '" ' * 250,
    "-x " * 166,
    "or " * 166,
    "(" * 500,
    "e-mail a@b.co http://a.b/c?d=e 3.14 -5 1e400",
    "写真 été ñ ß ﬀ İ",
    "🧥 👗",
    "a\u0301\u0301\u0301",
    "\u200b\u202e\ufeff",
    "\x01\x02\x03\x7f",
    "<b>x</b>",
    "&amp; &lt",
]


@pytest.mark.parametrize("query", NASTY)
def test_whatever_is_typed_is_answered(editor: httpx2.Client, query: str) -> None:
    for text in (query, f"coat {query}", f"{query} coat"):
        answer = editor.get(PATH, params={"q": text[:500], "limit": 1})
        assert answer.status_code == 200, (text, answer.text)


def test_a_query_of_many_words_over_many_documents_does_not_keep_others_waiting(
    server: Stack, editor: httpx2.Client
) -> None:
    mark = word()
    server.sql(
        "insert into search_documents (entity_type, entity_id, title, body, tags, vector)"
        " select 'clip', uuidv7(), %s, '', '{}', document_vector(%s, repeat('summer pier walking ', 50), '{}', '')"
        " from generate_series(1, 2000)",
        mark,
        mark,
    )
    for query in (f"{mark} " + "walk summer pier " * 28, f"{mark} " + "-qq " * 115, f"{mark} " + "e-f-g-h-i " * 45):
        started = time.monotonic()
        search(editor, query[:500].strip(), limit=1)
        assert time.monotonic() - started < 1.5
    server.sql("delete from search_documents where title = %s", mark)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=" + "x" * 501, "q"),
        ("q=%00", "q"),
        ("type=shoe", "type"),
        ("type=show&type=shoe", "type"),
        ("show_id=x", "show_id"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("tag=%00", "tag"),
        ("status=%00", "status"),
        ("cursor=abc", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=WyItcmFuayIsIngiLCIwMWEyMDMzOC02YTM4LTdiMzgtOTQyYy03ZDNkZDc1NzE0N2UiXQ", "cursor"),
        ("cursor=WyItcmFuayIsbnVsbCwiMDFhMjAzMzgtNmEzOC03YjM4LTk0MmMtN2QzZGQ3NTcxNDdlIl0", "cursor"),
        ("sort=name", "sort"),
    ],
)
def test_a_wrong_parameter_is_named(editor: httpx2.Client, query: str, field: str) -> None:
    answer = editor.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert [(error["code"], error["field"]) for error in answer.json()["errors"]] == [("VALIDATION_ERROR", field)]


def test_a_hit_shows_its_picture(editor: httpx2.Client) -> None:
    mark = word()
    clip = create(editor, CLIP, title=f"Pictured {mark}")["clip_id"]
    job = work.ended(editor, work.post(editor, work.upload(editor, work.unique(media.jpeg())), clip))
    assert job["status"] == "succeeded", job
    hit = eventually(lambda: next(iter(search(editor, mark)["data"]), None), SOON)
    picture = httpx2.get(hit["thumbnail_url"], trust_env=False)
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")


def test_a_reindex_brings_back_what_was_lost(server: Stack, editor: httpx2.Client, admin: httpx2.Client) -> None:
    mark = word()
    show = create(editor, SHOW, name=f"Lost {mark}")["show_id"]
    findable(editor, show, mark)
    server.sql("delete from search_documents where entity_id = %s", show)
    assert ids(editor, mark) == []
    assert editor.post(f"{PATH}/reindex").status_code == 403
    answer = admin.post(f"{PATH}/reindex")
    assert answer.status_code == 202
    assert answer.json()["data"]["queued"] >= 1
    findable(editor, show, mark, within=10)


def test_a_typing_error_in_a_tag_is_forgiven(editor: httpx2.Client) -> None:
    mark = word()
    clip = create(editor, CLIP, title="A long title about something else altogether", tags=["linen", mark])["clip_id"]
    findable(editor, clip, mark)
    assert ids(editor, mark[:5] + mark[6] + mark[5] + mark[7:]) == [clip]


def test_the_cursor_walks_everything_the_newest_first(editor: httpx2.Client) -> None:
    mark = word()
    made = [create(editor, CLIP, title="Plain", tags=[mark])["clip_id"] for _ in range(5)]
    eventually(lambda: len(ids(editor, tag=mark)) == 5, SOON)
    assert ids(editor, tag=mark) == made[::-1]
    params: dict[str, Any] = {"tag": mark, "limit": 2}
    walked: list[str] = []
    while params.get("cursor", "") is not None:
        body = search(editor, **params)
        walked += [hit["entity_id"] for hit in body["data"]]
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
    assert walked == made[::-1]


def test_more_matches_than_are_worth_counting_are_said_to_be_more(server: Stack, editor: httpx2.Client) -> None:
    mark = word()
    server.sql(
        "insert into search_documents (entity_type, entity_id, title, body, tags, vector)"
        " select 'clip', uuidv7(), %s, '', array[%s], document_vector(%s, '', '{}', '')"
        " from generate_series(1, 10001)",
        mark,
        mark,
        mark,
    )
    for params in ({"q": mark}, {"tag": mark}):
        metadata = search(editor, **params, limit=1)["metadata"]
        assert metadata["pagination"].items() >= {"total": 10_000, "totalCapped": True}.items()
    server.sql(
        "delete from search_documents where ctid = (select min(ctid) from search_documents where title = %s)", mark
    )
    metadata = search(editor, mark, limit=1)["metadata"]
    assert metadata["pagination"]["total"] == 10_000
    assert "totalCapped" not in metadata["pagination"]
    assert metadata["facets"] == {"type": {"clip": 10_000}, "tag": {mark: 10_000}}
    server.sql("delete from search_documents where title = %s", mark)

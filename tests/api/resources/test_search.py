"""Finding things: soon after they are written, by words, with what a person types."""

import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests import media, work
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, GUEST, OUTFIT, SHOW, create
from tests.stack import PLAIN, Stack, serving

PATH = "/api/v1/search"
SOON = 2.0  # seconds; what the API promises
MOST = 300  # matches that are ranked and counted


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


def findable(client: httpx2.Client, key: str, q: str) -> None:
    """Wait until it is found."""
    eventually(lambda: key in ids(client, q))


@pytest.fixture(scope="module")
def few(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with few documents, so that a walk over all of them is short; no job goes on."""
    with serving(services, tmp_path_factory.mktemp("few")) as stack:
        stack.dispatcher.spawn()
        yield stack


@pytest.fixture(scope="module")
def writer(few: Stack) -> Iterator[httpx2.Client]:
    """Its editor."""
    with few.client("editor") as client:
        yield client


@pytest.fixture(scope="module")
def chief(few: Stack) -> Iterator[httpx2.Client]:
    """Its admin."""
    with few.client("admin") as client:
        yield client


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


def test_a_hit_has_the_promised_shape(editor: httpx2.Client) -> None:
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
    eventually(lambda: ids(editor, wrong) == [literal])
    assert ids(editor, mark) == [right]


def test_a_title_weighs_more_than_a_description(editor: httpx2.Client) -> None:
    mark = word()
    below = create(editor, CLIP, title="One", description=f"About {mark}")["clip_id"]
    above = create(editor, CLIP, title=f"All of {mark}")["clip_id"]
    eventually(lambda: ids(editor, mark) == [above, below])


def test_filters_narrow_and_facets_count_all_pages(editor: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE, title=f"Episode {mark}", tags=[mark, "red"], status="published")
    show = episode["show_id"]
    clip = create(editor, CLIP, title=f"Clip {mark}", tags=[mark, "red", "blue"], episode_id=episode["episode_id"])
    outfit = create(editor, OUTFIT, name=f"Outfit {mark}", tags=[mark])
    eventually(lambda: len(ids(editor, mark)) == 3)
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
    eventually(lambda: ids(editor, mark, show_id=episode["show_id"]) == [clip])
    editor.patch(f"{EPISODE.path}/{episode['episode_id']}", json={"show_id": other})
    eventually(lambda: ids(editor, mark, show_id=other) == [clip])
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
    eventually(lambda: len(ids(editor, mark)) == 7)
    for query in (mark, f"{mark} ".upper(), mark[:-1]):
        walked = walk(editor, query, 2)
        assert len(walked) == len(set(walked)) == 7
        assert set(walked) == made
    assert walk(editor, mark, 2) == ids(editor, mark)


def test_the_cursor_walks_what_only_looks_alike(editor: httpx2.Client) -> None:
    mark = word()
    made = {create(editor, CLIP, title=f"{mark} take {number}")["clip_id"] for number in range(5)}
    eventually(lambda: len(ids(editor, mark)) == 5)
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


def fill(server: Stack, mark: str, count: int, title: str, text: str = "") -> None:
    """So many documents as if their clips were there."""
    server.sql(
        "insert into search_documents (entity_type, entity_id, title, body, tags, vector)"
        " select 'clip', uuidv7(), %s, '', array[%s], document_vector(%s, %s, array[%s], '', 'english',"
        " document_marks('clip', array[%s], null, null, 'english')) from generate_series(1, %s)",
        *(title, mark, title, text, mark, mark, count),
    )


def test_a_query_of_many_words_over_many_documents_does_not_keep_others_waiting(
    server: Stack, editor: httpx2.Client
) -> None:
    mark = word()
    fill(server, mark, 2000, mark, "summer pier walking " * 50)
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
    hit = eventually(lambda: next(iter(search(editor, mark)["data"]), None))
    picture = httpx2.get(hit["thumbnail_url"], **PLAIN)
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.content.startswith(b"\xff\xd8")


def test_a_reindex_brings_back_what_was_lost(few: Stack, writer: httpx2.Client, chief: httpx2.Client) -> None:
    mark = word()
    show = create(writer, SHOW, name=f"Lost {mark}")["show_id"]
    findable(writer, show, mark)
    few.sql("delete from search_documents where entity_id = %s", show)
    assert ids(writer, mark) == []
    assert writer.post(f"{PATH}/reindex").status_code == 403
    answer = chief.post(f"{PATH}/reindex")
    assert answer.status_code == 202
    assert answer.json()["data"]["total"] >= 1
    findable(writer, show, mark)


def test_a_typing_error_in_a_tag_is_forgiven(editor: httpx2.Client) -> None:
    mark = word()
    clip = create(editor, CLIP, title="A long title about something else altogether", tags=["linen", mark])["clip_id"]
    findable(editor, clip, mark)
    assert ids(editor, mark[:5] + mark[6] + mark[5] + mark[7:]) == [clip]


def test_the_cursor_walks_everything_the_newest_first(editor: httpx2.Client) -> None:
    mark = word()
    made = [create(editor, CLIP, title="Plain", tags=[mark])["clip_id"] for _ in range(5)]
    eventually(lambda: len(ids(editor, tag=mark)) == 5)
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
    fill(server, mark, MOST + 1, mark)
    for params in ({"q": mark}, {"tag": mark}):
        metadata = search(editor, **params, limit=1)["metadata"]
        assert metadata["pagination"].items() >= {"total": MOST, "totalCapped": True}.items()
    server.sql(
        "delete from search_documents where ctid = (select min(ctid) from search_documents where title = %s)", mark
    )
    metadata = search(editor, mark, limit=1)["metadata"]
    assert metadata["pagination"]["total"] == MOST
    assert "totalCapped" not in metadata["pagination"]
    assert metadata["facets"] == {"type": {"clip": MOST}, "tag": {mark: MOST}}
    server.sql("delete from search_documents where title = %s", mark)


def version(client: httpx2.Client, episode: str, **fields: Any) -> str:
    """A new version of an episode's script."""
    answer = client.post(f"{EPISODE.path}/{episode}/scripts", json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["script_id"])


@pytest.mark.parametrize("field", ["title", "change_notes", "content"])
def test_a_script_is_found_by_what_it_says(editor: httpx2.Client, field: str) -> None:
    mark = word()
    episode = create(editor, EPISODE)
    fields = {"title": "Second draft", "content": "LALA: Good evening.", field: f"The {mark} scene"}
    script = version(editor, episode["episode_id"], **fields)
    findable(editor, script, mark)
    (hit,) = search(editor, mark, type="script")["data"]
    assert (hit["entity_type"], hit["entity_id"], hit["title"]) == ("script", script, fields["title"])
    assert (hit["show_id"], hit["tags"], hit["thumbnail_url"]) == (episode["show_id"], [], None)


def test_a_script_without_a_title_is_called_after_its_episode(editor: httpx2.Client) -> None:
    mark, other = word(), word()
    episode = create(editor, EPISODE, title=f"Coats {mark}")["episode_id"]
    script = version(editor, episode, content="LALA: Where is my scarf?")
    findable(editor, script, mark)
    assert [hit["title"] for hit in search(editor, mark, type="script")["data"]] == [f"Coats {mark}, version 1"]
    editor.patch(f"{EPISODE.path}/{episode}", json={"title": f"Scarves {other}"})
    eventually(lambda: ids(editor, other, type="script") == [script])
    assert ids(editor, f'"{mark}"') == []


def test_scripts_are_hidden_while_their_episode_is_deleted(editor: httpx2.Client, admin: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE)["episode_id"]
    scripts = {version(editor, episode, title="Draft", content=f"{mark} {number}") for number in range(2)}
    eventually(lambda: set(ids(editor, mark)) == scripts)
    editor.delete(f"{EPISODE.path}/{episode}")
    eventually(lambda: ids(editor, mark) == [])
    admin.post(f"{EPISODE.path}/{episode}/restore")
    eventually(lambda: set(ids(editor, mark)) == scripts)


def test_of_a_scripts_versions_the_active_one_comes_first(editor: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE)["episode_id"]
    made = [version(editor, episode, title="Draft", content=f"{mark} walks in") for _ in range(3)]
    for active in (made[0], made[1]):
        editor.post(f"/api/v1/scripts/{active}/activate")
        eventually(lambda active=active: ids(editor, mark)[:1] == [active])  # type: ignore[misc]
    assert set(ids(editor, mark)) == set(made)
    assert ids(editor, mark, status="active") == [made[1]]


# language, what is written, what is asked for
STEMMED = [
    ("de-DE", "Neue Mäntel für den Winter", "Mantel"),
    ("de", "Die Häuser der Mode", "Haus mode"),
    ("fr-FR", "Elles marchaient sur la jetée", "marcher"),
    ("fr", "Une robe élégante", "robes elegantes"),
    ("es-ES", "Canción de otoño", "canciones"),
    ("es-MX", "Las camisas más bonitas", "camisa bonita"),
    ("it", "Le sciarpe di Giulia", "sciarpa"),
    ("nl-NL", "De jurken van Anna", "jurk"),
    ("sv-SE", "Flickorna och klänningarna", "klänning"),
    ("ru-RU", "Новые пальто и шарфы", "шарф"),
    ("tr", "Elbiseler ve ayakkabılar", "elbise"),
    ("en-GB", "She was walking in her dresses", "walk dress"),
    ("ja-JP", "Kimono and Obi", "kimono obi"),
]


@pytest.mark.parametrize(("language", "written", "asked"), STEMMED)
def test_words_are_stemmed_in_the_language_of_the_episode(
    editor: httpx2.Client, language: str, written: str, asked: str
) -> None:
    mark = word()
    episode = create(editor, EPISODE, language=language, description=f"{written} {mark}")["episode_id"]
    script = version(editor, episode, title="Draft", content=f"{written} {mark}")
    clip = create(editor, CLIP, description=f"{written} {mark}", episode_id=episode)["clip_id"]
    eventually(lambda: set(ids(editor, f"{asked} {mark}")) == {episode, script, clip})
    assert set(ids(editor, f"{mark} {written.split()[1].upper()}")) == {episode, script, clip}  # as written


def test_a_language_does_not_stem_the_texts_of_another(editor: httpx2.Client) -> None:
    mark = word()
    german = create(editor, EPISODE, language="de", title=f"Mäntel {mark}")["episode_id"]
    english = create(editor, EPISODE, language="en", title=f"Mantel {mark}")["episode_id"]
    eventually(lambda: set(ids(editor, mark)) == {german, english})
    assert set(ids(editor, f"{mark} Manteln")) == {german}
    assert ids(editor, f"{mark} -Mantel") == []


def test_a_text_follows_its_episode_to_another_language(editor: httpx2.Client) -> None:
    mark = word()
    episode = create(editor, EPISODE, description=f"{mark} marchaient")["episode_id"]
    clip = create(editor, CLIP, title=f"{mark} marchaient", episode_id=episode)["clip_id"]
    eventually(lambda: set(ids(editor, mark)) == {episode, clip})
    assert ids(editor, f"{mark} marcher") == []
    editor.patch(f"{EPISODE.path}/{episode}", json={"language": "fr"})
    eventually(lambda: set(ids(editor, f"{mark} marcher")) == {episode, clip})


@pytest.mark.parametrize(
    "wrong", ["balenciga", "balencaiga", "blenciaga", "balenciagga", "balenciaha"], ids=lambda text: text
)
def test_a_typing_error_in_a_brand_or_a_guests_story_is_forgiven(editor: httpx2.Client, wrong: str) -> None:
    mark = word()
    outfit = create(editor, OUTFIT, brand="Balenciaga", name=f"Evening {mark}")["outfit_id"]
    guest = create(editor, GUEST, bio=f"Worked for years at Balenciaga, {mark}")["guest_id"]
    eventually(lambda: set(ids(editor, f"{mark} balenciaga")) == {outfit, guest})
    assert set(ids(editor, f"{mark} {wrong}")) == {outfit, guest}
    assert ids(editor, f'{mark} "{wrong}"') == []


def test_a_short_word_may_have_its_letters_in_the_wrong_order(editor: httpx2.Client) -> None:
    mark = word()
    clip = create(editor, CLIP, title=f"Red coat {mark}")["clip_id"]
    findable(editor, clip, mark)
    assert ids(editor, f"{mark} caot") == [clip]
    assert ids(editor, f"{mark} rde") == []  # three letters may be anything


@pytest.mark.parametrize("length", range(1, 9))
def test_the_beginning_of_a_word_is_enough(editor: httpx2.Client, length: int) -> None:
    mark = word()
    clip = create(editor, CLIP, title=f"Wintercoat {mark}", description=f"Harbourside {mark}")["clip_id"]
    findable(editor, clip, mark)
    assert ids(editor, f"{mark} {'wintercoat'[:length]}") == [clip]
    assert ids(editor, f"{mark} {'harbourside'[:length]}") == [clip]


@pytest.mark.parametrize("tag", ["it's", "back\\slash", "a & b | !c", "'='", "(x)", "né:*", "x" * 100])
def test_a_filter_takes_any_tag(editor: httpx2.Client, tag: str) -> None:
    mark = word()
    clip = create(editor, CLIP, title=f"Tagged {mark}", tags=[tag])["clip_id"]
    findable(editor, clip, mark)
    assert ids(editor, mark, tag=tag) == [clip]
    assert ids(editor, mark, tag=tag + "x") == []
    assert clip in ids(editor, tag=[tag])


def test_an_exact_title_is_not_lost_among_many_newer_matches(server: Stack, editor: httpx2.Client) -> None:
    mark = word()
    exact = create(editor, CLIP, title=f"Coat {mark}")["clip_id"]
    findable(editor, exact, mark)
    fill(server, mark, 3000, f"A coat {mark}")
    assert ids(editor, f"coat {mark}")[0] == exact
    assert ids(editor, f"COAT {mark}", tag="pier") == [exact]
    server.sql("delete from search_documents where %s = any(tags)", mark)


def test_pages_stay_as_they_are_while_documents_are_added(server: Stack, editor: httpx2.Client) -> None:
    mark = word()
    fill(server, mark, 600, f"Coat {mark}")
    params: dict[str, Any] = {"limit": 100}
    walked: list[str] = []
    while params.get("cursor", "") is not None:
        body = search(editor, mark, **params)
        walked += [hit["entity_id"] for hit in body["data"]]
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
        fill(server, mark, 100, f"Coat {mark}")
    known = "select entity_id::text from search_documents where title = %s order by serial limit 600"
    assert walked == [key for (key,) in server.sql(known, f"Coat {mark}")][: -MOST - 1 : -1]
    server.sql("delete from search_documents where %s = any(tags)", mark)


def test_without_words_the_pages_go_on_to_the_last(server: Stack, editor: httpx2.Client) -> None:
    mark = word()
    fill(server, mark, 1100, f"Coat {mark}")
    params: dict[str, Any] = {"limit": 100, "tag": mark}
    walked: list[str] = []
    while params.get("cursor", "") is not None:
        body = search(editor, **params)
        walked += [hit["entity_id"] for hit in body["data"]]
        assert body["metadata"]["pagination"].items() >= {"total": MOST, "totalCapped": True}.items()
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
    newest = "select entity_id::text from search_documents where title = %s order by serial desc"
    assert walked == [key for (key,) in server.sql(newest, f"Coat {mark}")]
    server.sql("delete from search_documents where %s = any(tags)", mark)


def walked_over(client: httpx2.Client, purpose: str, **params: Any) -> dict[str, Any]:
    """A walk over all documents, at its end."""
    begun = client.post(f"{PATH}/{purpose}", params=params)
    assert begun.status_code == 202, begun.text

    def ended() -> dict[str, Any] | None:
        walk: dict[str, Any] = client.get(f"{PATH}/{purpose}").json()["data"]
        return walk if walk["finished_at"] else None

    return eventually(ended, 30)


def test_a_check_tells_what_is_wrong_and_puts_it_right(few: Stack, writer: httpx2.Client, chief: httpx2.Client) -> None:
    mark = word()
    walked_over(chief, "check", repair=True)
    made = [create(writer, SHOW, name=f"{mark} {number}")["show_id"] for number in range(4)]
    eventually(lambda: set(ids(writer, mark)) == set(made))
    few.sql("delete from search_documents where entity_id = %s", made[0])
    few.sql("update search_documents set title = 'Wrong' where entity_id = %s", made[1])
    few.sql("update search_documents set vector = '' where entity_id = %s", made[2])
    few.sql("update search_documents set entity_id = uuidv7() where entity_id = %s", made[3])
    found = walked_over(chief, "check")
    assert (found["missing"], found["stale"], found["orphaned"]) == (2, 2, 1)
    assert set(ids(writer, mark)) != set(made)
    assert walked_over(chief, "check", repair=True).items() >= {"missing": 2, "stale": 2, "orphaned": 1}.items()
    assert set(ids(writer, mark)) == set(made)
    assert walked_over(chief, "check").items() >= {"missing": 0, "stale": 0, "orphaned": 0}.items()


def test_a_reindex_finds_what_is_wrong_and_says_how_far_it_is(
    few: Stack, writer: httpx2.Client, chief: httpx2.Client
) -> None:
    mark = word()
    show = create(writer, SHOW, name=mark)["show_id"]
    findable(writer, show, mark)
    few.sql("update search_documents set vector = '' where entity_id = %s", show)
    walk = walked_over(chief, "reindex")
    assert walk["stale"] >= 1
    assert walk["done"] >= walk["total"] - walk["missing"] >= 1
    assert ids(writer, mark) == [show]
    assert writer.get(f"{PATH}/reindex").status_code == 403
    assert writer.post(f"{PATH}/check").status_code == writer.get(f"{PATH}/check").status_code == 403


def test_an_outfit_is_found_by_who_wears_it(editor: httpx2.Client) -> None:
    mark, outfit, episode = word(), create(editor, OUTFIT)["outfit_id"], create(editor, EPISODE)["episode_id"]
    link = f"{EPISODE.path}/{episode}/outfits/{outfit}"
    editor.put(link, json={"worn_by": mark.title()}).raise_for_status()
    findable(editor, outfit, mark)
    editor.put(link, json={"worn_by": None}).raise_for_status()
    eventually(lambda: outfit not in ids(editor, mark))
    editor.put(link, json={"worn_by": mark}).raise_for_status()
    findable(editor, outfit, mark)
    editor.delete(link).raise_for_status()
    eventually(lambda: outfit not in ids(editor, mark))

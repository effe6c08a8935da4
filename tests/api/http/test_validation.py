"""Malformed requests on endpoints of each kind: every one is refused with a 4xx that names what is wrong."""

import base64
import http.client
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from tests.resources import CLIP, EPISODE, GUEST, OUTFIT, SHOW, UI_ELEMENT, create
from tests.stack import Stack

JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024
INSIDES = re.compile(r"Traceback|site-packages|psycopg|litestar|insert into|update \w+ set|select .* from|\.py\b")


class Target(msgspec.Struct):
    """Somewhere a body is sent to: a good one, and fields of it with bounds."""

    method: str
    path: Callable[[httpx2.Client], str]
    body: dict[str, Any]
    text: str
    number: str | None = None
    date: str | None = None
    reference: str | None = None
    megabytes: int = 1


def at(resource: Any, end: str = "") -> Callable[[httpx2.Client], str]:
    """The path of a new row."""
    return lambda client: f"{resource.path}/{create(client, resource)[resource.key]}{end}"


def link(client: httpx2.Client) -> str:
    """The path of a link that is not made yet."""
    outfit = create(client, UI_ELEMENT)["ui_element_id"]
    return f"{at(EPISODE)(client)}/ui-elements/{outfit}"


ID = str(uuid4())
JOB = {"entity_type": "clip", "entity_id": ID, "source_reference": "s3://episodes-media/clip/a.jpg"}
FILE = {"file_name": "a.jpg", "file_type": "image/jpeg", "entity_type": "clip", "file_size": 5}
NEW_EPISODE = EPISODE.new | {"show_id": ID}
TARGETS = {
    "a new show": Target("POST", lambda _: SHOW.path, SHOW.new, "name"),
    "a show's change": Target("PATCH", at(SHOW), {"name": "x"}, "name"),
    "a new episode": Target(
        "POST", lambda _: EPISODE.path, NEW_EPISODE, "title", "episode_number", "publish_date", "show_id", 10
    ),
    "an episode's change": Target(
        "PATCH", at(EPISODE), {"title": "x"}, "title", "season_number", "filming_date", "show_id", 10
    ),
    "a new clip": Target("POST", lambda _: CLIP.path, CLIP.new, "title", None, "recorded_at", "episode_id"),
    "an assignment": Target("POST", at(CLIP, "/assign"), {"episode_id": ID}, "episode_id", None, None, "episode_id"),
    "a new outfit": Target("POST", lambda _: OUTFIT.path, OUTFIT.new, "brand"),
    "a new guest": Target("POST", lambda _: GUEST.path, GUEST.new, "email"),
    "a new script": Target("POST", at(EPISODE, "/scripts"), {"content": "x"}, "content", megabytes=10),
    "a link": Target("PUT", link, {"notes": "x"}, "notes", "position"),
    "a job": Target("POST", lambda _: "/api/v1/ingest", JOB, "source_reference", None, None, "entity_id"),
    "an upload": Target("POST", lambda _: "/api/v1/upload/generate-url", FILE, "file_name", "file_size"),
}
ANYWHERE = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def send(client: httpx2.Client, target: Target, content: bytes, headers: dict[str, str] | None = None) -> Any:
    """The answer to a body as it is, which must be a refusal that shows nothing of the inside."""
    headers = JSON if headers is None else headers
    answer = client.request(target.method, target.path(client), content=content, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert not INSIDES.search(answer.text), answer.text[:500]
    return answer


def fields(answer: httpx2.Response) -> list[str | None]:
    """The field of each error."""
    return [error.get("field") for error in answer.json()["errors"]]


def wrong(client: httpx2.Client, target: Target, **values: Any) -> list[str | None]:
    """What is named where one field of a good body is replaced."""
    return fields(send(client, target, msgspec.json.encode(target.body | values)))


@ANYWHERE
def test_a_nul_is_refused_wherever_text_is_taken(editor: httpx2.Client, target: Target) -> None:
    assert wrong(editor, target, **{target.text: "a\x00b"}) == [target.text]


@ANYWHERE
def test_a_text_that_nearly_fills_a_body_is_refused_by_its_field(editor: httpx2.Client, target: Target) -> None:
    assert wrong(editor, target, **{target.text: "x" * (target.megabytes * MEGABYTE - 4096)}) == [target.text]


@ANYWHERE
def test_a_text_beyond_a_body_is_too_large(editor: httpx2.Client, target: Target) -> None:
    most = target.megabytes * MEGABYTE
    answer = send(editor, target, msgspec.json.encode(target.body | {target.text: "x" * most}))
    assert answer.status_code == 413
    assert f"larger than {target.megabytes} MB" in answer.text


@ANYWHERE
@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_json_of_any_depth_is_refused(editor: httpx2.Client, target: Target, opening: bytes) -> None:
    for depth in (900, 100_000):
        closing = (b"}" if opening == b'{"a":' else b"]") * depth
        deep = opening * depth + b"1" + closing
        body = msgspec.json.encode(target.body | {target.text: msgspec.Raw(deep)})
        answer = send(editor, target, body)
        assert fields(answer) in ([target.text], [None])
        assert any(said in answer.text for said in (target.text, "nested too deeply", "a body may have"))


@ANYWHERE
@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "9" * 5000, "1" * 20, "-1", "0.5", "NaN"])
def test_a_number_beyond_its_bounds_is_refused(editor: httpx2.Client, target: Target, number: str) -> None:
    field = target.number or target.text
    raw = msgspec.json.encode(target.body | {field: "@"}).replace(b'"@"', number.encode())
    answer = send(editor, target, raw)
    assert fields(answer) == [field] or "not valid JSON" in answer.text


@pytest.mark.parametrize("target", [one for one in TARGETS.values() if one.date], ids=lambda one: one.date)
@pytest.mark.parametrize("year", ["0000", "10000", "-0001", "99999", "2026-00", "٢٠٢٦"])
def test_a_date_that_no_calendar_has_is_refused(editor: httpx2.Client, target: Target, year: str) -> None:
    assert target.date
    for end in ("-01-01", "-01-01T00:00:00Z"):
        assert wrong(editor, target, **{target.date: year + end}) == [target.date]


@pytest.mark.parametrize("zone", ["+16:00", "-16:00", "+23:59"])
def test_a_time_in_a_zone_that_there_is_nowhere_is_refused(editor: httpx2.Client, zone: str) -> None:
    time = f"2026-03-01T18:00:00{zone}"
    assert wrong(editor, TARGETS["a new clip"], recorded_at=time) == ["recorded_at"]
    assert create(editor, CLIP, recorded_at="2026-03-01T18:00:00+14:00")["recorded_at"] == "2026-03-01T04:00:00Z"


@ANYWHERE
def test_a_field_that_is_given_twice_is_refused(editor: httpx2.Client, target: Target) -> None:
    raw = msgspec.json.encode(target.body)
    again = msgspec.json.encode({target.text: target.body.get(target.text)})
    assert fields(send(editor, target, raw[:-1] + b"," + again[1:])) == [target.text]


def test_a_key_that_is_given_twice_deep_inside_is_refused(editor: httpx2.Client) -> None:
    body = b'{"name": "x", "metadata": {"a": [{"b": 1, "c": {}, "b": 2}]}}'
    assert fields(send(editor, TARGETS["a new show"], body)) == ["b"]


@ANYWHERE
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/jsonp", "multipart/form-data", ""])
def test_a_body_of_another_kind_is_refused(editor: httpx2.Client, target: Target, kind: str) -> None:
    answer = send(editor, target, msgspec.json.encode(target.body), {"Content-Type": kind})
    assert (answer.status_code, fields(answer)) == (415, ["Content-Type"])


@pytest.mark.parametrize("target", [one for one in TARGETS.values() if one.reference], ids=lambda one: one.method)
def test_an_id_of_another_kind_is_refused(editor: httpx2.Client, target: Target) -> None:
    guest = create(editor, GUEST)["guest_id"]
    values: list[Any] = [guest, "1", 1, "", str(uuid4())[:-1], ["x"], {}, str(UUID(int=0))]
    for value in values:
        assert wrong(editor, target, **{str(target.reference): value}) == [target.reference]


BROKEN = {
    "half a pair": (rb'"\ud800"', "surrogate"),
    "the other half": (rb'"a\udfffb"', "surrogate"),
    "two halves in the wrong order": (rb'"\udc00\ud800"', "surrogate"),
    "UTF-8 of a surrogate": (b'"\xed\xa0\x80"', "UTF-8"),
    "an overlong slash": (b'"\xc0\xaf"', "UTF-8"),
    "a cut character": (b'"\xe2\x82"', "UTF-8"),
    "Latin-1": (b'"\xe9"', "UTF-8"),
    "beyond Unicode": (b'"\xf4\x90\x80\x80"', "UTF-8"),
}


@ANYWHERE
@pytest.mark.parametrize(("value", "_"), BROKEN.values(), ids=BROKEN)
def test_text_that_is_no_unicode_is_refused(editor: httpx2.Client, target: Target, value: bytes, _: str) -> None:
    raw = msgspec.json.encode(target.body | {target.text: "@"}).replace(b'"@"', value)
    answer = send(editor, target, raw)
    assert answer.status_code == 400
    assert "the body is not valid JSON" in answer.text


@ANYWHERE
@pytest.mark.parametrize("raw", [b"", b" ", b"null", b"[]", b"0", b'""', b"{", b"}", b"\xef\xbb\xbf{}"])
def test_what_is_no_object_is_refused(editor: httpx2.Client, target: Target, raw: bytes) -> None:
    answer = send(editor, target, raw)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "VALIDATION_ERROR"


IDS = ["1", "null", "%00", "..%2f..%2fetc", "019a9c2e", "x" * 5000, "%ff", "{}", "'--", "0" * 37, "%F0%9F%91%97"]


@pytest.mark.parametrize("value", IDS)
def test_an_id_in_a_path_that_is_none_is_refused(editor: httpx2.Client, value: str) -> None:
    for method, path, field in (
        ("GET", "/api/v1/shows/{}", "show_id"),
        ("DELETE", "/api/v1/clips/{}", "clip_id"),
        ("GET", "/api/v1/ingest/{}", "job_id"),
        ("GET", "/api/v1/ingest/{}/events", "job_id"),
        ("GET", "/api/v1/scripts/{}/history", "script_id"),
        ("POST", "/api/v1/scripts/{}/activate", "script_id"),
    ):
        answer = editor.request(method, path.format(value))
        assert answer.status_code in {400, 404}
        assert not INSIDES.search(answer.text)
        if answer.status_code == 400:
            assert fields(answer) == [field]


def test_an_id_of_another_kind_in_a_path_is_not_found(editor: httpx2.Client) -> None:
    show = create(editor, SHOW)["show_id"]
    for path in ("episodes", "clips", "outfits", "guests", "scripts", "ingest"):
        assert editor.get(f"/api/v1/{path}/{show}").status_code == 404
    assert editor.get(f"/api/v1/episodes/{show}/history").status_code == 404


QUERIES = [
    ("/api/v1/clips", "unassigned=null", "unassigned"),
    ("/api/v1/clips", "episode_id=NULL", "episode_id"),
    ("/api/v1/clips", "status=Null", "status"),
    ("/api/v1/clips", "file_hash=" + "g" * 64, "file_hash"),
    ("/api/v1/clips", "duplicates=2", "duplicates"),
    ("/api/v1/outfits", "top={", "top"),
    ("/api/v1/outfits", "shoes=" + "[" * 9000, "shoes"),
    ("/api/v1/outfits", r"bottom={%22a%22:%22\u0000%22}", "bottom"),
    ("/api/v1/outfits", "accessories=" + "1" * 10_001, "accessories"),
    ("/api/v1/outfits", r"top=%22\ud800%22", "top"),
    ("/api/v1/outfits", "top=1e999", "top"),
    ("/api/v1/episodes", "season_number=1.5", "season_number"),
    ("/api/v1/episodes", "publish_date_from=2026-13-01", "publish_date_from"),
    ("/api/v1/search", "type=shoe", "type"),
    ("/api/v1/search", "q=" + "x" * 501, "q"),
    ("/api/v1/search", "cursor=e30", "cursor"),
    ("/api/v1/audit", "from=0.5", "from"),
    ("/api/v1/audit", "to=1767225600", "to"),
    ("/api/v1/audit", "from=0000-01-01T00:00:00Z", "from"),
    ("/api/v1/audit", "to=10000-01-01T00:00:00Z", "to"),
    ("/api/v1/audit", "action=drop", "action"),
    ("/api/v1/ingest", "batch_id=1", "batch_id"),
    ("/api/v1/ingest", "error_code=", "error_code"),
    ("/api/v1/clips", "limit=1&limit=2", "limit"),
    ("/api/v1/clips", "q=a&q=a", "q"),
    ("/api/v1/clips", "sort=title&tag=a&tag=b&sort=title", "sort"),
    ("/api/v1/clips", "include_deleted=true&include_deleted=false", "include_deleted"),
    ("/api/v1/search", "cursor=a&cursor=b", "cursor"),
    ("/api/v1/search", "limit=1.0", "limit"),
    ("/api/v1/search", "limit=%D9%A1", "limit"),
    ("/api/v1/search", "limit=007", "limit"),
    ("/api/v1/search", "limit=%201", "limit"),
    ("/api/v1/search", "limit=1_0", "limit"),
    ("/api/v1/search", "limit=1e1", "limit"),
    ("/api/v1/search", "limit=%2B1", "limit"),
    ("/api/v1/search", "show_id=019a9c2e7d417c559b1e3f60a1b2c3d4", "show_id"),
    ("/api/v1/episodes", "season_number=%EF%BC%91", "season_number"),
    ("/api/v1/episodes", "show_id=urn:uuid:019a9c2e-7d41-7c55-9b1e-3f60a1b2c3d4", "show_id"),
    ("/api/v1/episodes", "show_id={019a9c2e-7d41-7c55-9b1e-3f60a1b2c3d4}", "show_id"),
    ("/api/v1/episodes", "show_id=019a9c2e-7d417c55-9b1e-3f60a1b2c3d4", "show_id"),
    ("/api/v1/ingest", "batch_id=019a9c2e7d417c559b1e3f60a1b2c3d4", "batch_id"),
    ("/api/v1/ingest/stats", "entity_id=019a9c2e7d417c559b1e3f60a1b2c3d4", "entity_id"),
    ("/api/v1/outfits", "top={%22a%22:1,%22a%22:2}", "top"),
    ("/api/v1/outfits", "accessories=[{%22a%22:{%22b%22:1,%22c%22:2,%22b%22:1}}]", "accessories"),
    ("/api/v1/audit/verify", "seal=%D9%A3:" + "0" * 64, "seal"),
    ("/schema", "x=1", "x"),
    ("/schema/openapi.json", "x=1", "x"),
    ("/schema/assets/start.js", "v=1", "v"),
    ("/health", "x=1", "x"),
]


@pytest.mark.parametrize(
    ("path", "query", "field"), QUERIES, ids=[f"{path[8:]}-{query[:20]}" for path, query, _ in QUERIES]
)
def test_a_parameter_that_does_not_fit_is_named(admin: httpx2.Client, path: str, query: str, field: str) -> None:
    answer = admin.get(f"{path}?{query}")
    assert answer.status_code == 400, answer.text
    assert {str(name).partition("[")[0] for name in fields(answer)} == {field}
    assert not INSIDES.search(answer.text)


@pytest.mark.parametrize("value", [b"", b"x" * 256, b"a\tb", b"\xa0", b"\xad"])
def test_an_idempotency_key_that_cannot_be_printed_is_refused(editor: httpx2.Client, value: bytes) -> None:
    headers = [(b"Idempotency-Key", value), (b"Content-Type", b"application/json")]
    answer = editor.request("POST", SHOW.path, content=b'{"name": "x"}', headers=headers)
    assert (answer.status_code, fields(answer)) == (400, ["Idempotency-Key"])


def test_a_query_of_a_megabyte_is_refused(server: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"{SHOW.path}?q={'x' * 1_000_000}")
    assert 400 <= connection.getresponse().status < 500
    connection.close()


LOOSE = [
    lambda key: key.replace("-", ""),
    lambda key: f"{{{key}}}",
    lambda key: f"urn:uuid:{key}",
    lambda key: key[:-1] + "١",
]


@pytest.mark.parametrize("written", LOOSE, ids=["no dashes", "braces", "urn", "another digit"])
def test_an_id_is_written_as_the_document_says(editor: httpx2.Client, written: Callable[[str], str]) -> None:
    clip, episode = create(editor, CLIP), create(editor, EPISODE)["episode_id"]
    for method, end in (("GET", ""), ("DELETE", ""), ("GET", "/history"), ("POST", "/unassign")):
        answer = editor.request(method, f"{CLIP.path}/{written(clip['clip_id'])}{end}")
        assert (answer.status_code, fields(answer)) == (400, ["clip_id"])
    assert wrong(editor, TARGETS["a new clip"], episode_id=written(episode)) == ["episode_id"]
    assert wrong(editor, TARGETS["a new clip"], episode_id=written(episode), title="") == ["title", "episode_id"]
    assert wrong(editor, TARGETS["a job"], entity_id=written(clip["clip_id"])) == ["entity_id"]
    many = editor.post("/api/v1/ingest/batch", json={"jobs": [JOB | {"entity_id": written(clip["clip_id"])}]})
    assert many.json()["data"]["results"][0]["error"]["field"] == "entity_id"


def test_the_filter_of_many_jobs_takes_ids_as_the_document_says(admin: httpx2.Client) -> None:
    answer = admin.post("/api/v1/ingest/retry", json={"filter": {"batch_id": ID.replace("-", "")}})
    assert (answer.status_code, fields(answer)) == (400, ["filter.batch_id"])


def test_an_id_may_be_written_in_capitals(editor: httpx2.Client) -> None:
    clip, episode = create(editor, CLIP)["clip_id"], create(editor, EPISODE)["episode_id"]
    assert editor.get(f"{CLIP.path}/{clip.upper()}").json()["data"]["clip_id"] == clip
    assert create(editor, CLIP, episode_id=episode.upper())["episode_id"] == episode
    assert len(editor.get(CLIP.path, params={"episode_id": episode.upper()}).json()["data"]) == 1


def test_an_answer_names_a_hundred_wrong_fields_and_no_more(editor: httpx2.Client) -> None:
    answer = editor.post(GUEST.path, json={f"unknown {number} " + "x" * 200: 1 for number in range(4000)})
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 100
    assert all(len(error.get("field", "")) <= 101 for error in answer.json()["errors"])


@pytest.mark.parametrize("body", [b'{"foo": 1}', b"{bad", b"\xff", b"[]"])
def test_what_takes_no_body_refuses_one(editor: httpx2.Client, body: bytes) -> None:
    clip = create(editor, CLIP)["clip_id"]
    answer = editor.post(f"{CLIP.path}/{clip}/unassign", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "VALIDATION_ERROR")


def test_a_sign_that_folds_to_a_wildcard_is_none(editor: httpx2.Client) -> None:
    create(editor, GUEST)
    for sign in ("％", "＿", "%", "_", "\\"):
        assert editor.get(GUEST.path, params={"q": f"{sign}{sign}{sign}"}).json()["data"] == [], sign


def test_a_cursor_without_a_value_is_none_of_ours(editor: httpx2.Client) -> None:
    made = ["-created_at", None, str(uuid4())]
    cursor = base64.urlsafe_b64encode(msgspec.json.encode(made)).rstrip(b"=").decode()
    answer = editor.get(CLIP.path, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")

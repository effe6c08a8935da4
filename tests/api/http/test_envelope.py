"""What every answer looks like, and that no input is answered with a 500."""

import http.client
import json
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from models.db import connection as db
from models.settings import load
from tests.resources import EPISODE, SHOW, create
from tests.stack import PLAIN, Stack, own_database

JSON = {"Content-Type": "application/json"}
SHOWS = SHOW.path
LIMIT = 1024 * 1024
NUMBERS = count(1)


def errors(answer: httpx2.Response) -> list[tuple[str, str | None]]:
    """Code and field of each error, in order."""
    return [(error["code"], error.get("field")) for error in answer.json()["errors"]]


@pytest.fixture(scope="module")
def anonymous(server: Stack) -> Iterator[httpx2.Client]:
    """Somebody without a token."""
    with httpx2.Client(base_url=server.url, timeout=30, **PLAIN) as client:
        yield client


@pytest.fixture(scope="module")
def episode(editor: httpx2.Client) -> dict[str, Any]:
    """What an episode needs; each number is taken once."""
    return {"show_id": create(editor, SHOW)["show_id"], "title": "Fittings"}


def test_a_success_is_data_and_metadata(editor: httpx2.Client) -> None:
    before = datetime.now(UTC)
    answer = editor.post(SHOWS, json={"name": f"Envelope {uuid4()}"})
    body = answer.json()
    assert set(body) == {"data", "metadata"}
    assert set(body["metadata"]) == {"timestamp", "requestId"}
    stamp = datetime.fromisoformat(body["metadata"]["timestamp"])
    assert body["metadata"]["timestamp"].endswith("Z")
    assert before <= stamp <= datetime.now(UTC)
    assert body["metadata"]["requestId"] == answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_list_adds_its_pagination(editor: httpx2.Client) -> None:
    create(editor, SHOW)
    create(editor, SHOW)
    body = editor.get(SHOWS, params={"limit": 1}).json()
    assert set(body["metadata"]) == {"timestamp", "requestId", "pagination"}
    pagination = body["metadata"]["pagination"]
    assert set(pagination) == {"limit", "total", "nextCursor"}
    assert (pagination["limit"], len(body["data"])) == (1, 1)
    assert pagination["total"] >= 2
    assert isinstance(pagination["nextCursor"], str)


def test_an_error_is_errors_and_metadata(editor: httpx2.Client) -> None:
    answer = editor.get(f"{SHOWS}/{uuid4()}")
    body = answer.json()
    assert answer.status_code == 404
    assert set(body) == {"errors", "metadata"}
    assert [set(error) for error in body["errors"]] == [{"code", "message"}]
    assert body["errors"][0]["code"] == "NOT_FOUND"
    assert body["metadata"]["requestId"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["a", "call-42_x.Y", "f" * 128])
def test_a_valid_request_id_is_echoed(anonymous: httpx2.Client, given: str) -> None:
    answer = anonymous.get("/health", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.json()["metadata"]["requestId"] == given


@pytest.mark.parametrize("given", [b"", b"f" * 129, b"two words", b"a\tb", "é".encode(), b"a/b", b"{x}", b"\xff"])
def test_an_invalid_request_id_is_replaced(anonymous: httpx2.Client, given: bytes) -> None:
    answer = anonymous.get("/health", headers=[(b"X-Request-ID", given)])
    assert answer.headers.get_list("X-Request-ID") == [str(UUID(answer.headers["X-Request-ID"]))]


def test_each_request_has_an_id_of_its_own(anonymous: httpx2.Client) -> None:
    ids = {anonymous.get("/health").headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5


def refusals(client: httpx2.Client) -> dict[int, httpx2.Response]:
    """One answer of each refusal that needs no preparation."""
    return {
        400: client.post(SHOWS, json={}),
        404: client.get("/nowhere"),
        405: client.put(SHOWS, json={}),
        412: client.patch(f"{SHOWS}/{create(client, SHOW)['show_id']}", json={}, headers={"If-Match": '"9"'}),
        413: client.post(SHOWS, content=b" " * (LIMIT + 1), headers=JSON),
        415: client.post(SHOWS, data={"name": "form"}),
    }


def test_every_refusal_has_its_code_an_id_and_no_sniffing(editor: httpx2.Client, viewer: httpx2.Client) -> None:
    codes = {
        400: "VALIDATION_ERROR",
        401: "UNAUTHORIZED",
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        412: "PRECONDITION_FAILED",
        413: "PAYLOAD_TOO_LARGE",
        415: "UNSUPPORTED_MEDIA_TYPE",
    }
    answers = refusals(editor) | {
        401: editor.get(SHOWS, headers={"Authorization": ""}),
        403: viewer.post(SHOWS, json={"name": "not mine to make"}),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for status, answer in answers.items():
        assert {code for code, _ in errors(answer)} == {codes[status]}
        assert answer.headers["X-Request-ID"] == answer.json()["metadata"]["requestId"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/api", "/api/v1", "/api/v1/nothing", "/api/v2/shows", "/schema/nowhere", "/%E2%82%AC"]
)
def test_an_unknown_path_is_not_found(editor: httpx2.Client, path: str) -> None:
    answer = editor.get(path)
    assert answer.status_code == 404
    assert errors(answer) == [("NOT_FOUND", None)]


def test_a_wrong_method_says_which_are_right(editor: httpx2.Client) -> None:
    answer = editor.put(SHOWS, json={})
    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["Allow"].split(",")} >= {"GET", "POST"}


def test_a_body_of_a_megabyte_is_read_and_one_more_byte_is_not(editor: httpx2.Client) -> None:
    assert errors(editor.post(SHOWS, content=b" " * LIMIT, headers=JSON)) == [("VALIDATION_ERROR", None)]
    assert editor.post(SHOWS, content=b" " * (LIMIT + 1), headers=JSON).status_code == 413


def test_a_large_body_that_hides_its_length_is_refused(editor: httpx2.Client) -> None:
    chunks = (b" " * 1024 * 1024 for _ in range(11))
    assert editor.post(SHOWS, content=chunks, headers=JSON).status_code == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize(("path", "status", "megabytes"), [(SHOWS, 413, 11), (SHOWS, 413, 100), ("/nowhere", 404, 11)])
def test_who_sends_all_before_reading_reads_the_refusal(
    server: Stack, megabytes: int, chunked: bool, path: str, status: int
) -> None:
    headers = JSON | {"Authorization": f"Bearer {server.token('editor')}"}
    block = b" " * 1_000_000
    length = {} if chunked else {"Content-Length": str(megabytes * len(block))}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    blocks = (block for _ in range(megabytes))
    connection.request("POST", path, body=blocks, headers=headers | length, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == status
    assert json.loads(answer.read())["errors"]
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_of_nobody_we_know_no_more_is_read_than_a_body_may_have(server: Stack, chunked: bool) -> None:
    head = f"POST {SHOWS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {200_000_000}\r\n\r\n"
    block = b"ffff0\r\n" + b" " * 0xFFFF0 + b"\r\n" if chunked else b" " * 1_000_000
    taken = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sending:
        sending.sendall(head.encode())
        with suppress(ConnectionError):
            while taken < 200_000_000:
                taken += sending.send(block[taken % len(block) :])
        answer = b""
        with suppress(ConnectionError):
            while more := sending.recv(65536):
                answer += more
    assert taken < 40_000_000  # with what the sockets hold
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in answer


def test_who_announces_too_much_is_told_before_it_is_sent(server: Stack) -> None:
    head = f"POST {SHOWS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sending:
        sending.sendall(head.encode())
        assert b"".join(iter(lambda: sending.recv(65536), b"")).startswith(b"HTTP/1.1 401 ")


def test_who_asks_before_sending_is_refused_at_once(server: Stack) -> None:
    head = f"POST {SHOWS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token('editor')}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 11000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as asking:
        asking.sendall(head.encode())
        assert asking.recv(1024).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/json", ""]
)
def test_a_body_that_is_not_declared_as_json_is_refused(editor: httpx2.Client, kind: str) -> None:
    answer = editor.post(SHOWS, content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert errors(answer) == [("UNSUPPORTED_MEDIA_TYPE", "Content-Type")]


def test_json_may_name_its_charset(editor: httpx2.Client) -> None:
    body = f'{{"name": "Défilé {uuid4()}"}}'.encode()
    answer = editor.post(SHOWS, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 201


# Bodies no client means to send; which field is wrong, where that can be said.
BROKEN = {
    "nothing": (b"", None),
    "half an object": (b'{"name": "x"', None),
    "a word": (b"nope", None),
    "NaN": (b'{"name": "x", "metadata": {"a": NaN}}', None),
    "Infinity": (b'{"name": "x", "metadata": {"a": -Infinity}}', None),
    "a number too large to hold": (b'{"name": "x", "metadata": {"a": 1e400}}', None),
    "an integer of 5,000 digits": (b'{"name": "x", "metadata": {"a": ' + b"9" * 5000 + b"}}", None),
    "invalid UTF-8": (b'{"name": "a\xff\xfe"}', None),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), None),
    "Latin-1": ('{"name": "Défilé"}'.encode("latin-1"), None),
    "half a surrogate pair": (rb'{"name": "a\ud800b"}', None),
    "half a pair in metadata": (rb'{"name": "x", "metadata": {"a": "\udc00"}}', None),
    "deep objects": (b'{"name": "x", "metadata": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, None),
    "deep arrays": (b'{"name": "x", "metadata": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", None),
    "never closed": (b"[" * 1_000_000, None),
    "an array": (b"[]", None),
    "null": (b"null", None),
    "a string": (b'"x"', None),
    "NUL in a name": (rb'{"name": "a\u0000b"}', "name"),
    "NUL in metadata": (rb'{"name": "x", "metadata": {"a": ["\u0000"]}}', "metadata"),
    "NUL in a key": (rb'{"name": "x", "metadata": {"a\u0000": 1}}', "metadata"),
    "NUL itself": (b'{"name": "a\x00b"}', None),
    "a number for text": (b'{"name": 5}', "name"),
    "an array for an object": (b'{"name": "x", "metadata": []}', "metadata"),
}


@pytest.mark.parametrize(("body", "field"), BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_the_clients_fault(editor: httpx2.Client, body: bytes, field: str | None) -> None:
    answer = editor.post(SHOWS, content=body, headers=JSON)
    assert answer.status_code == 400
    assert errors(answer) == [("VALIDATION_ERROR", field)]


def test_an_escaped_backslash_is_no_nul(editor: httpx2.Client) -> None:
    name = rf"C:\u0000\{uuid4()}"
    assert create(editor, SHOW, name=name)["name"] == name


# Values at and beyond the edges of their types.
EDGES: list[tuple[str, Any, int]] = [
    ("publish_date", "0001-01-01", 201),
    ("publish_date", "9999-12-31", 201),
    ("publish_date", "0000-01-01", 400),
    ("publish_date", "10000-01-01", 400),
    ("publish_date", "2026-02-30", 400),
    ("publish_date", "2026-01-01T00:00:00Z", 400),
    ("publish_date", 20260101, 400),
    ("released_at", "9999-12-31T23:59:59Z", 201),
    ("released_at", "2026-03-01T18:00:00+05:30", 201),
    ("released_at", "0000-01-01T00:00:00Z", 400),
    ("released_at", "10000-01-01T00:00:00Z", 400),
    ("released_at", "0001-01-01T00:00:00+14:00", 400),
    ("released_at", "9999-12-31T23:59:59-12:00", 400),
    ("released_at", 1.5, 400),
    ("duration_seconds", 0, 201),
    ("duration_seconds", 2**31 - 1, 201),
    ("duration_seconds", 2**31, 400),
    ("duration_seconds", 10**40, 400),
    ("duration_seconds", -1, 400),
    ("duration_seconds", "60", 400),
    ("duration_seconds", True, 400),
    ("season_number", 0, 400),
    ("season_number", None, 400),
    ("language", "en-US\n", 400),
    ("title", "", 400),
    ("title", "é" * 500, 201),
    ("title", "é" * 501, 400),
    ("tags", ["one", ""], 400),
    ("tags", ["x"] * 101, 400),
    ("thumbnail_reference", f"https://pictures.example/{'s' * 999}", 201),
    ("thumbnail_reference", f"https://pictures.example/{'s' * 1000}", 400),
    ("show_id", "0", 400),
    ("show_id", str(UUID(int=0)), 400),
    ("version", 5, 400),
    ("episode_id", str(UUID(int=1)), 400),
    ("created_by", "somebody else", 400),
]


@pytest.mark.parametrize(("field", "value", "status"), EDGES)
def test_a_value_is_taken_up_to_its_edge(
    editor: httpx2.Client, episode: dict[str, Any], field: str, value: Any, status: int
) -> None:
    answer = editor.post(EPISODE.path, json=episode | {"episode_number": next(NUMBERS)} | {field: value})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert [(code, (name or "").partition("[")[0]) for code, name in errors(answer)] == [
            ("VALIDATION_ERROR", field)
        ]


def test_each_wrong_field_has_one_entry(editor: httpx2.Client) -> None:
    wrong = {"title": 5, "episode_number": "one", "publish_date": "soon", "tags": [1], "surprise": None}
    answer = editor.post(EPISODE.path, json=wrong)
    fields = [field for _, field in errors(answer)]
    assert sorted(map(str, fields)) == ["episode_number", "publish_date", "show_id", "surprise", "tags[0]", "title"]


def test_each_unknown_parameter_has_one_entry(editor: httpx2.Client) -> None:
    answer = editor.get(f"{SHOWS}?colour=red&colour=blue&shape=round&limit=5")
    assert errors(answer) == [("VALIDATION_ERROR", "colour"), ("VALIDATION_ERROR", "shape")]
    assert errors(editor.post(f"{SHOWS}?dry_run=true", json={"name": "x"})) == [("VALIDATION_ERROR", "dry_run")]
    assert errors(editor.delete(f"{SHOWS}/{uuid4()}?cause=x")) == [("VALIDATION_ERROR", "cause")]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=%00", "q"),
        ("cursor=%00", "cursor"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=", "limit"),
        ("status=nope", "status"),
        ("show_id=nope", "show_id"),
        ("tag=a&tag=%00", "tag"),
        ("season_number=one", "season_number"),
        ("publish_date_from=0000-01-01", "publish_date_from"),
        ("publish_date_to=10000-01-01", "publish_date_to"),
        ("include_deleted=maybe", "include_deleted"),
        ("=1", ""),
        ("%00=1", "\x00"),
        ("a[b]=1", "a[b]"),
    ],
)
def test_a_wrong_parameter_is_named(editor: httpx2.Client, query: str, field: str) -> None:
    answer = editor.get(f"{EPISODE.path}?{query}")
    assert answer.status_code == 400
    assert errors(answer) == [("VALIDATION_ERROR", field)]


@pytest.mark.parametrize(
    "query",
    [
        "q=%ff%fe",
        "q=%5C%25_'%22",
        "season_number=99999999999999999999",
        "season_number=-1",
        "&&&",
        "tag=",
        "category=" + "x" * 6000,
    ],
)
def test_odd_parameters_find_nothing_rather_than_fail(editor: httpx2.Client, query: str) -> None:
    assert editor.get(f"{EPISODE.path}?{query}").status_code == 200


def test_random_bytes_are_never_a_500(editor: httpx2.Client, rng: random.Random) -> None:
    seed = b'{"name":"x","metadata":{"a":[1,2.5,"\\u00e9"]},"status":"active"}'
    for _ in range(150):
        body = bytearray(seed)
        for _ in range(rng.randint(1, 6)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        answer = editor.post(SHOWS, content=bytes(body), headers=JSON)
        assert answer.status_code in {201, 400, 409}, (bytes(body), answer.text)


def test_random_paths_and_queries_are_never_a_500(editor: httpx2.Client, rng: random.Random) -> None:
    names = ["limit", "cursor", "sort", "q", "tag", "status", "show_id", "include_deleted", "publish_date_from"]
    for _ in range(100):
        value = "".join(f"%{rng.randrange(256):02x}" for _ in range(rng.randint(0, 8)))
        answer = editor.get(f"{EPISODE.path}?{rng.choice(names)}={value}")
        assert answer.status_code in {200, 400, 403}, answer.text
        assert editor.get(f"{EPISODE.path}/{value}").status_code in {200, 400, 404}


def test_a_browser_may_ask_from_elsewhere(anonymous: httpx2.Client) -> None:
    asks = {
        "Origin": "https://studio.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, if-match, x-request-id",
    }
    answer = anonymous.options(SHOWS, headers=asks)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert allowed == "*" or {"authorization", "content-type", "idempotency-key"} <= {
        name.strip() for name in allowed.split(",")
    }


def test_a_browser_may_read_what_it_needs(editor: httpx2.Client) -> None:
    origin = {"Origin": "https://studio.example"}
    answers = [editor.get(SHOWS, headers=origin), editor.get(f"{SHOWS}/{uuid4()}", headers=origin)]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"etag", "location", "x-request-id", "idempotency-replayed", "retry-after"}


async def test_times_are_utc_whatever_the_databases_zone_is(services: dict[str, str]) -> None:
    url = own_database(services)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "do $$ begin execute format('alter database %I set timezone to ''Asia/Tokyo''', current_database()); end $$"
        )
    async with db.pool(load(services | {"DATABASE_URL": url})) as pool, db.borrow(pool) as connected:
        stamp = await db.value(connected, "select timestamptz '2026-03-01 18:00:00Z'")
        naive = await db.value(connected, "select %s::timestamptz", [datetime(2026, 3, 1, 18)])
    assert stamp == naive == datetime(2026, 3, 1, 18, tzinfo=UTC)
    assert stamp.utcoffset() == datetime(2026, 3, 1, tzinfo=UTC).utcoffset()


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/api/v1/shows", "/api/v1/shows/{show}"])
def test_a_head_answers_as_a_get_without_the_body(editor: httpx2.Client, path: str) -> None:
    path = path.format(show=create(editor, SHOW)["show_id"])
    read, head = editor.get(path), editor.head(path)
    assert (head.status_code, head.content) == (read.status_code, b"")
    for name in ("Content-Type", "ETag"):
        assert head.headers.get(name) == read.headers.get(name)
    assert editor.get(path).status_code == read.status_code  # on the same connection


def test_a_head_asks_for_a_token_and_never_waits_for_a_stream(server: Stack, editor: httpx2.Client) -> None:
    assert httpx2.head(f"{server.url}/api/v1/shows", trust_env=False).status_code == 401
    assert editor.head(f"/api/v1/ingest/{uuid4()}/events").status_code == 405

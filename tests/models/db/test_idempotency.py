"""Idempotency-Key: the same request twice has one effect and one answer."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from models.settings import load
from tests.eventually import eventually
from tests.resources import CLIP, SHOW, create
from tests.stack import PLAIN, Stack

JOB_PATHS = ("/api/v1/ingest", "/api/v1/ingest/batch")


def key() -> dict[str, str]:
    """A header with a key that nobody used."""
    return {"Idempotency-Key": str(uuid4())}


def total(client: httpx2.Client, path: str, **params: Any) -> int:
    """How many there are."""
    number: int = client.get(path, params=params).json()["metadata"]["pagination"]["total"]
    return number


def test_the_same_request_is_answered_again_and_done_once(editor: httpx2.Client) -> None:
    headers, body = key(), {"title": f"Once {uuid4()}"}
    first = editor.post(CLIP.path, json=body, headers=headers)
    again = editor.post(CLIP.path, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert {name: again.headers[name] for name in ("ETag", "Location")} == {
        name: first.headers[name] for name in ("ETag", "Location")
    }
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert total(editor, CLIP.path, q=body["title"]) == 1


@contextmanager
def holding(server: Stack, headers: dict[str, str]) -> Iterator[None]:
    """A first request with this key that does not end."""
    take = "insert into idempotency_keys (caller, key, request_hash) values ('tester', %s, '')"
    with psycopg.connect(server.database_url) as connection:
        connection.execute(take, [headers["Idempotency-Key"]])
        yield
        connection.rollback()


def test_a_repetition_while_the_first_still_runs_is_told_to_come_back(server: Stack, editor: httpx2.Client) -> None:
    headers, body = key(), {"title": f"Slow {uuid4()}"}
    with holding(server, headers):
        answer = editor.post(CLIP.path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["Retry-After"].isdecimal()
    assert editor.post(CLIP.path, json=body, headers=headers).status_code == 201


def test_requests_that_wait_for_one_lock_do_not_keep_others_waiting_for_long(
    server: Stack, editor: httpx2.Client
) -> None:
    headers, count = key(), load(server.environ).database_pool_max
    with holding(server, headers), server.client() as waiting, ThreadPoolExecutor(count) as threads:
        posts = [threads.submit(waiting.post, CLIP.path, json={"title": "Slow"}, headers=headers) for _ in range(count)]
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        eventually(lambda: server.sql(waits) == [(count,)])
        assert editor.get("/health/ready").status_code == 200
        assert not any(post.done() for post in posts)
        assert editor.get(CLIP.path).status_code == 200
        assert {post.result().status_code for post in posts} == {503}


def test_without_a_key_each_request_counts(editor: httpx2.Client) -> None:
    body = {"title": f"Twice {uuid4()}"}
    for _ in range(2):
        assert "Idempotency-Replayed" not in editor.post(CLIP.path, json=body).headers
    assert total(editor, CLIP.path, q=body["title"]) == 2


def test_another_body_or_path_with_the_same_key_is_a_conflict(editor: httpx2.Client) -> None:
    headers, title = key(), f"Mine {uuid4()}"
    assert editor.post(CLIP.path, json={"title": title}, headers=headers).status_code == 201
    for path, body in ((CLIP.path, {"title": "Other"}), (SHOW.path, {"name": title})):
        answer = editor.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "CONFLICT")
    assert editor.post(CLIP.path, json={"title": title}, headers=headers).headers["Idempotency-Replayed"] == "true"


def test_another_query_with_the_same_key_is_another_request_however_it_is_written(admin: httpx2.Client) -> None:
    headers, check = key(), "/api/v1/search/check"
    assert admin.post(f"{check}?repair=false", headers=headers).is_success
    for again in (f"{check}?repair=false", f"{check}/?repair=f%61lse", "/api/v1/se%61rch/check?repair=false"):
        assert admin.post(again, headers=headers).headers["Idempotency-Replayed"] == "true"
    for other in (f"{check}?repair=true", check):
        assert admin.post(other, headers=headers).status_code == 409


HOSTS = (b"[", b"[::", b"a:b:c", b"x:99999999", b"x:-1", b"a@b", b"[v1.x]", b"", b"%zz", b"\xff", b"a b", b"x:\xd9\xa3")


@pytest.mark.parametrize("host", HOSTS)
def test_whatever_a_request_says_of_its_host_is_no_fault_of_ours(server: Stack, host: bytes) -> None:
    token = server.token("editor").encode()
    for line, code in (
        (b"POST /api/v1/clips", b"201"),
        (b"GET /api/v1/clips?limit=x", b"400"),
        (b"GET /a?\xff", b"404"),
    ):
        body = b'{"title": "Anywhere"}' if line.startswith(b"POST") else b""
        sent = b"Authorization: Bearer %b\r\nIdempotency-Key: %b\r\nContent-Type: application/json" % (
            token,
            uuid4().hex.encode(),
        )
        head = b"%b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n%b\r\nContent-Length: %d\r\n\r\n" % (
            line,
            host,
            sent,
            len(body),
        )
        assert answered(server, head + body) in (code, b"400")


def answered(server: Stack, request: bytes) -> bytes:
    """The status of the answer to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096).partition(b"\r\n")[0][9:12]


@pytest.mark.parametrize("path", ["/api/v1/upload/generate-url", "/api/v1/upload/multipart"])
def test_a_presigned_url_is_not_kept_and_a_replay_has_one_that_is_signed_anew(
    server: Stack, editor: httpx2.Client, path: str
) -> None:
    headers = key()
    body = {"file_name": "a.mp4", "file_type": "video/mp4", "entity_type": "clip", "file_size": 70 * 1024 * 1024}
    first = editor.post(path, json=body, headers=headers).json()["data"]
    kept = "select convert_from(body, 'utf8') || presigned::text from idempotency_keys where key = %s"
    ((text,),) = server.sql(kept, headers["Idempotency-Key"])
    assert not re.search("signature|x-amz-credential", text, re.IGNORECASE)
    moment = re.search(r"X-Amz-Date=(\w+)", str(first))
    eventually(lambda: datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ") != (moment and moment[1]))
    again = editor.post(path, json=body, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert unsigned(again.json()["data"]) == unsigned(first)
    assert again.json()["data"] != first
    for one in urls(again.json()["data"]):
        assert "AccessDenied" not in httpx2.put(one, headers=first.get("headers"), content=b"", **PLAIN).text


def urls(upload: dict[str, Any]) -> list[str]:
    """Where to send what."""
    return [upload["uploadUrl"]] if "uploadUrl" in upload else [part["url"] for part in upload["parts"]]


def unsigned(upload: dict[str, Any]) -> str:
    """All of an answer but when and how its URLs are signed."""
    return re.sub(r"X-Amz-(Date|Signature|Credential)=[^&']*", "", str(upload))


def test_many_at_once_have_one_effect(server: Stack, editor: httpx2.Client) -> None:
    headers, body = key(), {"title": f"Race {uuid4()}"}
    with server.client("editor") as other, ThreadPoolExecutor(8) as threads:
        clients = [editor, other] * 4
        answers = list(threads.map(lambda client: client.post(CLIP.path, json=body, headers=headers), clients))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert total(editor, CLIP.path, q=body["title"]) == 1


def test_different_bodies_at_once_have_one_effect(editor: httpx2.Client) -> None:
    headers, mark = key(), uuid4().hex
    bodies = [{"title": f"Race {mark} {number}"} for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda body: editor.post(CLIP.path, json=body, headers=headers), bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert total(editor, CLIP.path, q=mark) == 1


def test_a_failed_request_stores_nothing(editor: httpx2.Client) -> None:
    headers, name = key(), f"Second try {uuid4()}"
    assert editor.post(SHOW.path, json={"name": ""}, headers=headers).status_code == 400
    taken = create(editor, SHOW)["name"]
    assert editor.post(SHOW.path, json={"name": taken}, headers=headers).status_code == 409
    answer = editor.post(SHOW.path, json={"name": name}, headers=headers)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


def test_another_callers_key_is_another_key(server: Stack, editor: httpx2.Client) -> None:
    headers, body = key(), {"title": f"Each their own {uuid4()}"}
    first = editor.post(CLIP.path, json=body, headers=headers)
    with server.client("editor", subject="somebody-else") as other:
        second = other.post(CLIP.path, json=body, headers=headers)
    assert second.status_code == 201
    assert second.json()["data"]["clip_id"] != first.json()["data"]["clip_id"]
    assert second.json()["data"]["created_by"] == "somebody-else"


def test_a_key_is_forgotten_after_a_day(server: Stack, editor: httpx2.Client) -> None:
    headers, title = key(), f"Tomorrow {uuid4()}"
    editor.post(CLIP.path, json={"title": title}, headers=headers)
    age = "update idempotency_keys set created_at = created_at - %s::interval where key = %s"
    server.sql(age, "23 hours 59 minutes", headers["Idempotency-Key"])
    assert "Idempotency-Replayed" in editor.post(CLIP.path, json={"title": title}, headers=headers).headers
    server.sql(age, "1 minute", headers["Idempotency-Key"])
    changed = editor.post(CLIP.path, json={"title": f"{title} again"}, headers=headers)
    assert changed.status_code == 201
    assert "Idempotency-Replayed" not in changed.headers
    assert total(editor, CLIP.path, q=title) == 2


@pytest.mark.parametrize("value", ["", "k" * 256, "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(editor: httpx2.Client, value: str) -> None:
    answer = editor.post(CLIP.path, json={"title": "No key"}, headers={"Idempotency-Key": value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_does_not_open_what_is_closed(server: Stack, editor: httpx2.Client, viewer: httpx2.Client) -> None:
    headers, body = key(), {"title": f"Closed {uuid4()}"}
    assert editor.post(CLIP.path, json=body, headers=headers).status_code == 201
    assert viewer.post(CLIP.path, json=body, headers=headers).status_code == 403
    nobody = httpx2.post(f"{server.url}{CLIP.path}", json=body, headers=headers, **PLAIN)
    assert nobody.status_code == 401


def test_a_replayed_restore_is_a_success_again(editor: httpx2.Client, admin: httpx2.Client) -> None:
    path = f"{CLIP.path}/{create(editor, CLIP)['clip_id']}"
    editor.delete(path)
    headers = key()
    answers = [admin.post(f"{path}/restore", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def job(editor: httpx2.Client) -> dict[str, Any]:
    """A job for a new clip; its object is missing, which only its first stage finds."""
    clip = create(editor, CLIP)
    reference = f"s3://episodes-media/clip/{uuid4()}-missing.jpg"
    return {"entity_type": "clip", "entity_id": clip["clip_id"], "source_reference": reference}


@pytest.mark.parametrize("path", JOB_PATHS)
def test_a_job_posted_twice_runs_once(editor: httpx2.Client, path: str) -> None:
    headers, new = key(), job(editor)
    body: dict[str, Any] = {"jobs": [new]} if path.endswith("batch") else new
    first, again = (editor.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers.get("Location") == first.headers.get("Location")
    assert total(editor, "/api/v1/ingest", entity_id=new["entity_id"]) == 1


@pytest.mark.parametrize("path", JOB_PATHS)
def test_jobs_posted_at_once_with_one_key_are_one_job(editor: httpx2.Client, path: str) -> None:
    headers, new = key(), job(editor)
    body: dict[str, Any] = {"jobs": [new]} if path.endswith("batch") else new
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: editor.post(path, json=body, headers=headers), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert total(editor, "/api/v1/ingest", entity_id=new["entity_id"]) == 1

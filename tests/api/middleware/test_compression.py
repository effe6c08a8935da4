"""What is long travels compressed to who takes it so, and says the same."""

import asyncio
import zlib
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.middleware.compression import APART, SMALL, Compressed, gzip, takes_gzip
from tests.resources import CLIP, create

TEXT = "The red coat walks at the pier. " * 200
WBITS = 16 + zlib.MAX_WBITS


def test_a_long_answer_is_compressed_for_who_takes_gzip_and_for_nobody_else(editor: httpx2.Client) -> None:
    path = f"{CLIP.path}/{create(editor, CLIP, description=TEXT)['clip_id']}"
    plain = editor.get(path, headers={"Accept-Encoding": "identity"})
    short = editor.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert "Content-Encoding" not in plain.headers
    assert short.headers["Content-Encoding"] == "gzip"
    assert int(short.headers["Content-Length"]) * 5 < int(plain.headers["Content-Length"])
    assert plain.json()["data"] == short.json()["data"]
    assert plain.headers["ETag"] == short.headers["ETag"]
    for answer in (plain, short):
        assert "Accept-Encoding" in answer.headers["Vary"]


def test_a_short_answer_and_one_that_says_nothing_are_sent_as_they_are(editor: httpx2.Client) -> None:
    path = f"{CLIP.path}/{create(editor, CLIP)['clip_id']}"
    for answer in (editor.get(path), editor.get(f"{CLIP.path}/nothing"), editor.delete(path)):
        assert "Content-Encoding" not in answer.headers


def test_what_is_written_is_answered_compressed_and_again_for_its_key(editor: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "compressed", "Accept-Encoding": "gzip"}
    answers = [editor.post(CLIP.path, json={"title": "Walk", "description": TEXT}, headers=headers) for _ in range(2)]
    assert [answer.headers["Content-Encoding"] for answer in answers] == ["gzip", "gzip"]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br;q=1.0, gzip; q=0.8, *;q=0.1", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("identity", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0, *", False),
    ],
)
def test_a_client_says_what_it_takes(accepted: str | None, taken: bool) -> None:
    assert takes_gzip(accepted) == taken


@given(st.binary(max_size=5000))
def test_nothing_is_lost(body: bytes) -> None:
    assert zlib.decompress(gzip(body), wbits=WBITS) == body


def told(kind: bytes, *bodies: bytes) -> list[Any]:
    """What a client that takes gzip gets of an answer of these pieces."""
    got: list[Any] = []

    async def answer(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        for place, body in enumerate(bodies, 1):
            await send({"type": "http.response.body", "body": body, "more_body": place < len(bodies)})

    async def send(message: Any) -> None:
        got.append(message)

    scope: Any = {"type": "http", "headers": [(b"accept-encoding", b"gzip")]}
    asyncio.run(Compressed(answer)(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    return got


def test_events_leave_at_once_and_as_they_are() -> None:
    events = b"data: news\n\n" * SMALL
    assert [message.get("body") for message in told(b"text/event-stream", events, events)] == [None, events, events]
    assert told(b"text/event-stream", events)[1]["body"] == events


def test_what_comes_in_pieces_is_sent_in_pieces() -> None:
    piece = b"a" * SMALL * 2
    assert [message.get("body") for message in told(b"text/csv", piece, piece)] == [None, piece, piece]


def test_what_is_very_long_is_whole_too() -> None:
    body = b"abc" * APART
    start, rest = told(b"application/json", body)
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(rest["body"])
    assert zlib.decompress(rest["body"], wbits=WBITS) == body

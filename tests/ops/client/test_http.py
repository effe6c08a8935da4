"""The HTTP client against a server that answers as it is told: what is repeated, and what is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from models.dev_issuer import key
from ops.cli.sign_in import SignIn
from ops.client.errors import ApiError, FileFailed, Unreachable
from ops.client.http import Client
from ops.client.upload import Ticket, Uploads
from ops.errors import CommandError
from ops.ingest.plan import Item, Target, find, read

Answer = tuple[int, dict[str, str], Any]
FINE: Answer = (200, {}, {"data": {"ok": True}, "metadata": {}})


def refused(status: int, code: str, **headers: str) -> Answer:
    return status, headers, {"errors": [{"code": code, "message": "No.", "field": None}], "metadata": {}}


class Script:
    """A server on loopback that gives these answers one after the other and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            try:
                body = await reader.readexactly(int(headers.get("content-length", 0)))
            except asyncio.IncompleteReadError:
                break
            self.requests.append((first, headers, body))
            writer.write(self._answer(*self.answers.pop(0)))
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    def _answer(self, status: int, headers: dict[str, str], content: Any) -> bytes:
        body = json.dumps(content).encode()
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    made = Script()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture
async def client(script: Script, tmp_path: Path) -> AsyncIterator[Client]:
    key(tmp_path)
    async with Client(script.url, SignIn("editor", {"EPISODES_HOME": str(tmp_path)}), patience=1.0) as client:
        yield client


async def test_a_write_is_repeated_under_one_key_until_the_server_is_back(script: Script, client: Client) -> None:
    script.answers = [refused(503, "SERVICE_UNAVAILABLE"), (502, {}, "gateway"), FINE]
    await client.post("/api/v1/clips", dict[str, Any], {"title": "One"})
    assert len(script.requests) == 3
    assert len({headers["idempotency-key"] for _, headers, _ in script.requests}) == 1
    assert {body for _, _, body in script.requests} == {b'{"title":"One"}'}


async def test_a_server_that_is_too_busy_is_obeyed(script: Script, client: Client) -> None:
    script.answers = [refused(429, "RATE_LIMIT_EXCEEDED", Retry_After="0"), FINE]
    assert (await client.get("/api/v1/clips", dict[str, Any])).data == {"ok": True}


async def test_patience_ends(script: Script, client: Client) -> None:
    script.answers = [refused(503, "SERVICE_UNAVAILABLE")] * 20
    with pytest.raises(ApiError) as raised:
        await client.get("/api/v1/clips", dict[str, Any])
    assert raised.value.status == 503


async def test_an_error_is_told_and_not_repeated(script: Script, client: Client) -> None:
    script.answers = [refused(400, "VALIDATION_ERROR")]
    with pytest.raises(ApiError, match="VALIDATION_ERROR"):
        await client.post("/api/v1/clips", dict[str, Any], {})


async def test_an_expired_token_is_replaced_once(script: Script, client: Client) -> None:
    script.answers = [refused(401, "UNAUTHORIZED"), FINE, refused(401, "UNAUTHORIZED"), refused(401, "UNAUTHORIZED")]
    await client.get("/api/v1/clips", dict[str, Any])
    assert len({headers["authorization"] for _, headers, _ in script.requests}) == 2
    with pytest.raises(ApiError, match="UNAUTHORIZED"):
        await client.get("/api/v1/clips", dict[str, Any])


async def test_an_answer_of_something_else_is_one_clear_line(script: Script, client: Client) -> None:
    script.answers = [(200, {}, "hello"), (404, {}, "hello")]
    for _ in range(2):
        with pytest.raises(CommandError, match=script.url):
            await client.get("/", dict[str, Any])


async def test_a_list_is_walked_to_its_end(script: Script, client: Client) -> None:
    pages = [([1, 2], "next"), ([3], None)]
    script.answers = [
        (200, {}, {"data": rows, "metadata": {"pagination": {"limit": 2, "total": 3, "nextCursor": cursor}}})
        for rows, cursor in pages
    ]
    found = [page.data async for page in client.pages("/rows", list[int], limit=2, q=None)]
    assert found == [[1, 2], [3]]
    assert [first for first, _, _ in script.requests] == [
        "GET /rows?limit=2 HTTP/1.1",
        "GET /rows?limit=2&cursor=next HTTP/1.1",
    ]


@pytest.fixture
async def item(tmp_path: Path) -> Item:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 3_000_000)
    ((_, made),) = [pair async for pair in read(find([path], Target("clip")))]
    assert isinstance(made, Item)
    return made


def ticket(script: Script, name: str) -> Ticket:
    return Ticket(f"{script.url}/{name}", f"s3://bucket/{name}", {"Content-Type": "image/jpeg", "x-check": name})


@pytest.fixture
async def uploads(client: Client) -> AsyncIterator[Uploads]:
    made = Uploads(client, lambda count: None)
    yield made
    await made.close()


async def test_an_upload_is_streamed_with_exactly_its_headers(script: Script, uploads: Uploads, item: Item) -> None:
    script.answers = [(200, {}, "")]
    assert await uploads.send(item, ticket(script, "one")) == "s3://bucket/one"
    ((_, headers, body),) = script.requests
    assert (headers["content-length"], headers["x-check"], len(body)) == ("3000000", "one", 3_000_000)
    assert "transfer-encoding" not in headers
    assert "authorization" not in headers


async def test_a_broken_upload_is_repeated(script: Script, uploads: Uploads, item: Item) -> None:
    script.answers = [(503, {}, ""), (412, {}, "")]
    assert await uploads.send(item, ticket(script, "one")) == "s3://bucket/one"


async def test_an_expired_url_is_replaced(script: Script, uploads: Uploads, item: Item) -> None:
    new = {"uploadUrl": f"{script.url}/two", "fileReference": "s3://bucket/two", "headers": {}}
    script.answers = [(403, {}, ""), (200, {}, {"data": new, "metadata": {}}), (200, {}, "")]
    assert await uploads.send(item, ticket(script, "one")) == "s3://bucket/two"


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch, script: Script) -> dict[str, Any]:
    """Files of more than 2 MB are sent in parts of 2 MB, the first of which are these."""
    monkeypatch.setattr("ops.client.upload.WHOLE", 2_000_000)
    parts = [{"partNumber": number, "url": f"{script.url}/part{number}"} for number in (1, 2)]
    return {"uploadId": "u", "fileReference": "s3://bucket/parts", "partSize": 2_000_000, "parts": parts}


async def test_a_broken_part_is_repeated_alone(
    script: Script, uploads: Uploads, item: Item, in_parts: dict[str, Any]
) -> None:
    joined: Answer = (200, {}, {"data": {"fileReference": "s3://bucket/parts"}, "metadata": {}})
    begun: Answer = (200, {}, {"data": in_parts, "metadata": {}})
    script.answers = [begun, (200, {"ETag": '"a"'}, ""), (503, {}, ""), (200, {"ETag": '"b"'}, ""), joined]
    assert await uploads.send(item, ticket(script, "whole")) == "s3://bucket/parts"
    assert [(first.split()[1], len(body)) for first, _, body in script.requests[1:4]] == [
        ("/part1", 2_000_000),
        ("/part2", 1_000_000),
        ("/part2", 1_000_000),
    ]
    assert json.loads(script.requests[4][2]) == {"uploadId": "u", "fileReference": "s3://bucket/parts"}


async def test_a_part_whose_url_has_died_gets_a_new_one(
    script: Script, uploads: Uploads, item: Item, in_parts: dict[str, Any]
) -> None:
    fresh = [{"partNumber": 1, "size": 2_000_000, "etag": '"a"'}, {"partNumber": 2, "url": f"{script.url}/again"}]
    state: Answer = (200, {}, {"data": {"partSize": 2_000_000, "parts": fresh, "expiresIn": 9}, "metadata": {}})
    joined: Answer = (200, {}, {"data": {"fileReference": "s3://bucket/parts"}, "metadata": {}})
    begun: Answer = (200, {}, {"data": in_parts, "metadata": {}})
    arrived_after_all: Answer = (403, {}, "")
    script.answers = [begun, arrived_after_all, state, (403, {}, ""), state, (200, {}, ""), joined]
    assert await uploads.send(item, ticket(script, "whole")) == "s3://bucket/parts"
    asked = [first.split()[1] for first, _, _ in script.requests]
    known = "/api/v1/upload/multipart?uploadId=u&fileReference=s3%3A%2F%2Fbucket%2Fparts"
    assert asked[1:6] == ["/part1", known, "/part2", known, "/again"]


async def test_a_part_that_is_refused_fails_its_file(
    script: Script, uploads: Uploads, item: Item, in_parts: dict[str, Any]
) -> None:
    script.answers = [(200, {}, {"data": in_parts, "metadata": {}}), (400, {}, ""), (204, {}, "")]
    with pytest.raises(FileFailed) as raised:
        await uploads.send(item, ticket(script, "whole"))
    assert raised.value.why.code == "UPLOAD_REFUSED"


async def test_a_refused_upload_fails_its_file_alone(script: Script, uploads: Uploads, item: Item) -> None:
    script.answers = [(400, {}, "")]
    with pytest.raises(FileFailed) as raised:
        await uploads.send(item, ticket(script, "one"))
    assert raised.value.why.code == "UPLOAD_REFUSED"


@pytest.mark.parametrize("change", [b"x" * 4_000_000, b"short"])
async def test_a_file_that_changes_on_the_way_fails_alone(
    script: Script, uploads: Uploads, item: Item, change: bytes
) -> None:
    item.file.path.write_bytes(change)
    with pytest.raises(FileFailed) as raised:
        await uploads.send(item, ticket(script, "one"))
    assert raised.value.why.code == "FILE_CHANGED"


async def test_a_storage_that_stays_away_ends_the_run(
    uploads: Uploads, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.client.upload.PAUSES", (0.01, 0.01))
    nowhere = Ticket("http://127.0.0.1:9/one", "s3://bucket/one", {})
    with pytest.raises(Unreachable, match="storage"):
        await uploads.send(item, nowhere)

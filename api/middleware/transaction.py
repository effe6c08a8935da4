"""One request, one transaction: opened when a handler asks for the database, committed before the answer leaves.

The answer to a write is held back until its transaction has committed, so a client is never told of something that
did not happen; and the answer to an Idempotency-Key is stored in that same transaction.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import psycopg
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from models.access import keys
from models.db import connection as db
from models.db import idempotency, presigned
from models.db.connection import Connection, Pool
from models.db.idempotency import StoredResponse
from models.db.presigned import PresignedRequest
from models.errors import Invalid
from models.media.s3 import Storage

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
KEY_LIMIT: Final = 255
_KEPT_HEADERS: Final = frozenset({"etag", "location", "content-type"})


class Replay(Exception):
    """The request's Idempotency-Key has its answer already."""

    def __init__(self, answer: StoredResponse) -> None:
        super().__init__("replayed")
        self.answer = answer


class RequestTransaction:
    """The database of one request."""

    def __init__(self, pool: Pool, *, writes: bool) -> None:
        self._pool = pool
        self._writes = writes
        self._connection: Connection | None = None
        self._transaction: AbstractAsyncContextManager[object] | None = None
        self._key: tuple[str, str] | None = None
        self._made: list[tuple[str, PresignedRequest]] = []

    async def connection(self) -> Connection:
        """The request's connection; where the request writes, its first statement begins the transaction.

        A write of ``Table`` stands alone: it needs no transaction around it.
        """
        if self._connection is None:
            self._connection = await db.take(self._pool)
            if self._writes:
                self._connection.open_later(self._begin)
        return self._connection

    async def _begin(self) -> None:
        transaction = (await self.connection()).transaction()
        await transaction.__aenter__()
        self._transaction = transaction

    async def once(self, request: Request[Any, Any, Any], caller: str) -> None:
        """Honour the Idempotency-Key of a POST.

        Raises:
            Replay: where it has its answer already.
            Conflict: where it was used for another request.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return
        if not 1 <= len(key) <= KEY_LIMIT or not key.isprintable():
            raise Invalid(f"an Idempotency-Key has 1 to {KEY_LIMIT} printable characters", field="Idempotency-Key")
        answer = await idempotency.reserve(await self.connection(), caller, key, await _digest(request))
        if answer is not None:
            storage: Storage = request.app.state.storage
            answer.body = presigned.within(answer.body, answer.presigned, storage.sign)
            raise Replay(answer)
        self._key, self._made = (caller, key), presigned.watch()

    async def end(self, answer: StoredResponse) -> None:
        """Commit a success with its key, roll back anything else, give the connection back."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.open_later(None)
        try:
            await self._finish(connection, answer)
        finally:
            await self._pool.putconn(connection)

    async def _finish(self, connection: Connection, answer: StoredResponse) -> None:
        if self._transaction is None:
            return
        if answer.status >= 400:  # noqa: PLR2004
            await self._transaction.__aexit__(psycopg.Rollback, psycopg.Rollback(), None)
            return
        if self._key:
            answer.body, answer.presigned = presigned.without(answer.body, self._made)
            answer.body = keys.without_secret(answer.body)
            await idempotency.keep(connection, *self._key, answer)
        await self._transaction.__aexit__(None, None, None)


async def _digest(request: Request[Any, Any, Any]) -> bytes:
    """Of all that makes a request: what its address means, however that is written, and its body byte by byte.

    Not ``request.url``: that is made of headers, too, and those may say anything.
    """
    path = request.scope["path"].rstrip("/")
    address = repr((request.method, path, sorted(request.query_params.multi_items())))
    return hashlib.sha256(address.encode(errors="backslashreplace") + b"\n" + await request.body()).digest()


class Transactions:
    """The ASGI layer that ends each request's unit, and sends the answer only then."""

    def __init__(self, app: ASGIApp, pool: Pool, failed: Callable[[Exception], list[Message]]) -> None:
        self._app = app
        self._pool = pool
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
        elif scope["method"] in SAFE:
            await self._read(scope, receive, send)
        else:
            await self._write(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        transaction = scope.setdefault("state", {})["transaction"] = RequestTransaction(self._pool, writes=False)

        async def release(message: Message) -> None:
            if message["type"] == "http.response.start":
                await transaction.end(StoredResponse(200, {}, b""))
            await send(message)

        try:
            await self._app(scope, receive, release)
        finally:
            await transaction.end(StoredResponse(200, {}, b""))

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        transaction = scope.setdefault("state", {})["transaction"] = RequestTransaction(self._pool, writes=True)
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        try:
            await self._app(scope, receive, hold)
            if held:  # else nobody is left to answer: it is rolled back
                await transaction.end(_answer(held))
        except Exception as error:
            held = self._failed(error)
        finally:  # also where the request is cancelled: what has not ended is rolled back
            with suppress(psycopg.Error):  # the connection may be what failed
                await transaction.end(StoredResponse(500, {}, b""))
        for message in held:
            await send(message)


def _answer(held: list[Message]) -> StoredResponse:
    start: Any = held[0]
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    kept = {name: value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
    body = b"".join(message.get("body", b"") for message in held[1:])  # type: ignore[misc]  # only body messages follow
    return StoredResponse(start["status"], kept, body)

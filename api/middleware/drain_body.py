"""The rest of a large body is read before the request is refused.

Most clients send all of a body before they read an answer. Where nobody took the rest, they would find their connection
reset instead of the answer that says why. Of what nobody will read all of, nothing more is read; then the answer says
that the connection ends with it, and only who looks while sending is sure to see it.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from api.http.headers import sent
from models.errors import RequestTimeout

SHORT: Final = 64 * 1024  # bytes that sockets hold anyway
MOST: Final = 256 * 1024 * 1024  # bytes that are read for nothing of a caller whom we know
MOST_OF_NOBODY: Final = 16 * 1024 * 1024  # and of others: what a body may have, and some more
PATIENCE_SECONDS: Final = 30.0


class Drained:
    """The ASGI layer that lets an answer begin only once the body of its request has been read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _is_long(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, scope)

        async def after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.drained():
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, body, after_the_body)


class _Body:
    """A body while it is read."""

    def __init__(self, receive: Receive, scope: Any) -> None:
        self._receive = receive
        self._scope = scope
        self._ended = sent(scope, b"expect") is not None  # its client sends none before somebody begins to read
        self._read = 0

    async def __call__(self) -> HTTPReceiveMessage:
        message: Any = await self._receive()
        self._ended = not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        return message  # type: ignore[no-any-return]  # nothing else comes in a request

    async def drained(self) -> bool:
        """Read what is left, and forget it; whether it has ended."""
        most = MOST if self._scope.get("auth") else MOST_OF_NOBODY
        with suppress(TimeoutError, RequestTimeout):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._ended and max(self._read, _announced(self._scope)) <= most:
                    await self()
        return self._ended


def _announced(scope: Any) -> int:
    length = sent(scope, b"content-length") or ""
    return int(length) if length.isdecimal() else 0


def _is_long(scope: Any) -> bool:
    """Whether a request has a body that is no short one, or may have."""
    length = sent(scope, b"content-length")
    if length is None:
        return sent(scope, b"transfer-encoding") is not None
    return not length.isdecimal() or int(length) > SHORT

"""The rest of a large body is read before the request is refused.

Most clients send all of a body before they read an answer. Where nobody took the rest, they would find their connection
reset instead of the answer that says why.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from api.headers import sent

SHORT: Final = 64 * 1024  # bytes that sockets hold anyway
MOST: Final = 256 * 1024 * 1024  # bytes that are read for nothing; then the connection is cut off after all
PATIENCE_SECONDS: Final = 30.0


class Drained:
    """The ASGI layer that lets an answer begin only once the body of its request has been read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _is_long(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, asks_first=sent(scope, b"expect") is not None)

        async def after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
            await send(message)

        await self._app(scope, body, after_the_body)


class _Body:
    """A body while it is read; ``asks_first``: the client sends none before somebody begins to read."""

    def __init__(self, receive: Receive, *, asks_first: bool) -> None:
        self._receive = receive
        self._ended = asks_first

    async def __call__(self) -> HTTPReceiveMessage:
        message: Any = await self._receive()
        self._ended = not message.get("more_body", False)
        return message  # type: ignore[no-any-return]  # nothing else comes in a request

    async def drain(self) -> None:
        """Read what is left, and forget it."""
        read = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._ended and read < MOST:
                    message: Any = await self()
                    read += len(message.get("body", b""))


def _is_long(scope: Any) -> bool:
    """Whether a request has a body that is no short one, or may have."""
    length = sent(scope, b"content-length")
    if length is None:
        return sent(scope, b"transfer-encoding") is not None
    return not length.isdecimal() or int(length) > SHORT

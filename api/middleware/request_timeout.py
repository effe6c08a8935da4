"""A body has to arrive: who sends it drop by drop holds a connection, and soon all of them.

Each is given a while, and longer the more of it has come. The server itself counts the time of headers and of silence.
"""

import asyncio
import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send

from api.http.headers import sent
from models.errors import RequestTimeout

SLOWEST: Final = 16 * 1024  # bytes a second that a poor line sends


class Arrival:
    """The ASGI layer that gives up on a body which takes longer than ``patience`` seconds at the slowest pace."""

    def __init__(self, app: ASGIApp, patience: float) -> None:
        self._app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waits = scope["type"] == ScopeType.HTTP and _has_body(scope)
        await self._app(scope, _Body(receive, self._patience) if waits else receive, send)


class _Body:
    """A body while it arrives."""

    def __init__(self, receive: Receive, patience: float) -> None:
        self._receive = receive
        self._deadline = time.monotonic() + patience
        self._ended = False

    async def __call__(self) -> HTTPReceiveMessage:
        """The next piece of it.

        Raises:
            RequestTimeout
        """
        if self._ended:
            return await self._receive()  # type: ignore[return-value]  # nothing else comes in a request
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout("the body of the request did not arrive in time") from None
        self._ended = not message.get("more_body", False)
        self._deadline += len(message.get("body", b"")) / SLOWEST  # type: ignore[arg-type]  # as above
        return message  # type: ignore[return-value]


def _has_body(scope: Scope) -> bool:
    length = sent(scope, b"content-length")
    return length != "0" if length is not None else sent(scope, b"transfer-encoding") is not None

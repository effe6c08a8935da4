"""An answer has to be taken: who asks for much and reads none of it would have us hold it for ever.

What is long is sent by pieces, each when those before it are on their way, and no slower than a poor line takes them.
Of large answers so many are under way at once, of each caller and in all.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.request_timeout import SLOWEST
from models.errors import RateLimited

PIECE: Final = 32 * 1024  # bytes that are sent at once
LONG: Final = 2 * PIECE  # sockets hold what is shorter
LARGE: Final = 1024 * 1024  # bytes of an answer that is counted; a page of a list has up to eight times as many
PER_CALLER: Final = 32
TOTAL: Final = 64
AGAIN_SECONDS: Final = 2
OnFailure = Callable[[Exception], list[Message]]
COUNTED: Final = ("GET", "HEAD")  # of what was written its caller is always told


class Departure:
    """The ASGI layer that gives up on an answer which takes longer than ``patience`` seconds at the slowest pace.

    ``failed`` makes the answer to an error.
    """

    def __init__(self, app: ASGIApp, patience: float, failed: OnFailure) -> None:
        self._app = app
        self._patience = patience
        self._failed = failed
        self._large = _Large()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        answer = _Response(scope, send, self._patience, self._large, self._failed)
        try:
            await self._app(scope, receive, answer)
        finally:
            answer.end()


class _Large:
    """The large answers that are under way."""

    def __init__(self) -> None:
        self._callers: Counter[str] = Counter()

    def enter(self, caller: str) -> None:
        """One more of this caller.

        Raises:
            RateLimited
        """
        if self._callers[caller] >= PER_CALLER:
            raise RateLimited(f"at most {PER_CALLER} large answers to one caller are under way at once", AGAIN_SECONDS)
        if self._callers.total() >= TOTAL:
            raise RateLimited("as many large answers are under way as can be", AGAIN_SECONDS)
        self._callers[caller] += 1

    def leave(self, caller: str) -> None:
        """One of them has ended."""
        self._callers[caller] -= 1
        self._callers += Counter()  # forgets who has none


class _Response:
    """One answer while it is sent."""

    def __init__(self, scope: Scope, send: Send, patience: float, large: _Large, failed: OnFailure) -> None:
        self._scope: Any = scope
        self._send = send
        self._patience = patience
        self._large = large
        self._failed = failed
        self._caller: str | None = None  # where it is counted
        self._refused = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._refused:
            return
        elif len(message.get("body", b"")) > LONG:
            await self._by_pieces(message)
        else:
            await self._send(message)

    async def _start(self, message: Any) -> None:
        """Litestar takes what began for what was sent: the refusal goes out here, in place of the answer."""
        try:
            self._count(message["headers"])
        except RateLimited as error:
            self._refused = True
            for one in self._failed(error):
                await self._send(one)
        else:
            await self._send(message)

    def _count(self, headers: Any) -> None:
        """Only of those whom we know: what anybody may ask for is held once for all.

        Raises:
            RateLimited
        """
        caller = self._scope.get("auth")
        if caller and self._scope["method"] in COUNTED and _length(headers) > LARGE:
            self._large.enter(caller.subject)
            self._caller = caller.subject

    async def _by_pieces(self, message: Any) -> None:
        """Where it is not taken in time the rest is never sent, and the connection ends with that."""
        body, more = memoryview(message["body"]), message.get("more_body", False)
        deadline = time.monotonic() + self._patience
        for start in range(0, len(body), PIECE):
            piece = bytes(body[start : start + PIECE])
            last = start + PIECE >= len(body)
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._send({"type": "http.response.body", "body": piece, "more_body": more or not last})
            except TimeoutError:
                return
            deadline += len(piece) / SLOWEST

    def end(self) -> None:
        """It has been taken, or given up."""
        if self._caller is not None:
            self._large.leave(self._caller)


def _length(headers: Any) -> int:
    length = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(length)

"""How many streams may be open at once: each holds a connection for as long as its client likes."""

from collections import Counter
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from api.middleware.head import STREAMS
from models.errors import RateLimited

AGAIN_SECONDS: Final = 5  # until somebody may have left


class Streams:
    """The streams that this process sends: of each caller, and in all."""

    def __init__(self, per_caller: int, total: int) -> None:
        self._per_caller = per_caller
        self._total = total
        self._open: Counter[str] = Counter()

    def enter(self, scope: Any) -> None:
        """Count the caller's request as a stream, until it ends.

        Raises:
            RateLimited
        """
        caller = scope["auth"].subject
        if self._open[caller] >= self._per_caller:
            raise RateLimited(f"at most {self._per_caller} streams of one caller are open at once", AGAIN_SECONDS)
        if self._open.total() >= self._total:
            raise RateLimited("as many streams are open as can be", AGAIN_SECONDS)
        self._open[caller] += 1
        scope["state"]["streams_as"] = caller

    def leave(self, scope: Any) -> None:
        """The request has ended."""
        caller = scope["state"].pop("streams_as", None)
        if caller is not None:
            self._open[caller] -= 1
            self._open += Counter()  # forgets who has none


class Counted:
    """The ASGI layer that sees streams end, however they do."""

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("path", "").endswith(STREAMS):
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._streams.leave(scope)

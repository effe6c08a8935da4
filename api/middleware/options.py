"""OPTIONS: which methods a path has; what a browser asks before a request is answered in ``cors``."""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.head import STREAMS

UNOFFERED: Final = "TRACE"  # by any route
_REFUSED: Final = 405
_OF_THE_BODY: Final = (b"content-type", b"content-length")


class Options:
    """Asks the application for a method that nothing offers, and answers with the ``Allow`` of its refusal."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return
        answers = False

        async def bare(message: Message) -> None:
            nonlocal answers
            if message["type"] == "http.response.start" and message["status"] == _REFUSED:
                answers, message["status"] = True, 204
                message["headers"] = [pair for pair in message["headers"] if pair[0].lower() not in _OF_THE_BODY]
            elif answers and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        scope["method"] = UNOFFERED  # in place, as in ``heads``
        try:
            await self._app(scope, receive, bare)
        finally:
            scope["method"] = "OPTIONS"


def allow(methods: str, path: str) -> str:
    """The methods of a path as ``Allow`` names them, from those that its routes take."""
    named = {method.strip() for method in methods.split(",")} | {"OPTIONS"}
    if "GET" in named and not path.endswith(STREAMS):
        named.add("HEAD")
    return ", ".join(sorted(named))

"""HEAD: what GET would answer, without its body."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

STREAMS = "/events"  # would never come to its end


class Heads:
    """Asks the application for GET where a client asks for HEAD, and keeps the body back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD" or scope["path"].endswith(STREAMS):
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        scope["method"] = "GET"  # in place: what is found out about the route belongs to the layers outside too
        try:
            await self._app(scope, receive, bare)
        finally:
            scope["method"] = "HEAD"

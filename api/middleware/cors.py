"""Pages of other origins: which may read our answers, and what of them.

A layer of our own around all others, so that a page can also read the answers that are made outside Litestar: a
refusal by the rate limit, a commit that failed.
"""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.http.headers import Headers, sent

EXPOSED: Final = (
    "ETag, Idempotency-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, "
    "X-Request-ID"
)
# '*' does not stand for Authorization; the others are named for browsers that do not know '*'.
ACCEPTED: Final = "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-ID, *"
_PREFLIGHT: Final[Headers] = (
    (b"access-control-allow-methods", b"DELETE, GET, HEAD, PATCH, POST, PUT"),
    (b"access-control-allow-headers", ACCEPTED.encode()),
    (b"access-control-max-age", b"600"),
)
_EXPOSE: Final[Headers] = ((b"access-control-expose-headers", EXPOSED.encode()),)
_VARY: Final[Headers] = ((b"vary", b"Origin"),)


class CrossOrigin:
    """Answers a browser's question beforehand, and marks the answers that a page of an allowed origin asks for.

    ``origins`` is ``ALLOWED_ORIGINS``: origins separated by commas, or ``*`` for any. Tokens travel in a header, never
    in a cookie, so no credentials are allowed.
    """

    def __init__(self, app: ASGIApp, origins: str) -> None:
        self._app = app
        self._origins = frozenset(origin.strip() for origin in origins.split(","))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = sent(scope, b"origin")
        if scope["type"] != ScopeType.HTTP or origin is None:
            await self._app(scope, receive, send)
            return
        allowed = self._allowed(origin)
        if scope["method"] == "OPTIONS" and sent(scope, b"access-control-request-method"):
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed, *_EXPOSE]
            await send(message)

        await self._app(scope, receive, marked)

    def _allowed(self, origin: str) -> Headers:
        if "*" in self._origins:
            return ((b"access-control-allow-origin", b"*"),)
        if origin in self._origins:
            return ((b"access-control-allow-origin", origin.encode("latin-1")), *_VARY)
        return _VARY

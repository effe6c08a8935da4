"""Pages of other origins: which may read our answers, and what of them."""

from typing import Any, Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from starlette.middleware.cors import CORSMiddleware

from api.http.headers import sent, varied

EXPOSED: Final = (
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Sunset",
    "X-Request-ID",
)
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class CrossOrigin:
    """Starlette's layer for what a page asks; what others ask gets the word for caches, at a fraction of its cost.

    ``allowed`` is ``ALLOWED_ORIGINS``: origins separated by commas, or ``*``. Tokens travel in a header, never in a
    cookie, so no credentials are allowed. It stands outside Litestar, so that a page can also read the answers that are
    made there: a refusal by the rate limit, a commit that failed.
    """

    def __init__(self, app: ASGIApp, allowed: str) -> None:
        self._app = app
        layer = CORSMiddleware(
            app,  # type: ignore[arg-type]  # the same protocol, with types of its own
            allow_origins=[origin.strip() for origin in allowed.split(",")],
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
        self._of_pages = cast("ASGIApp", layer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or sent(scope, b"origin") is not None:
            await self._of_pages(scope, receive, send)
            return

        async def varying(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = varied(message["headers"], b"Origin")
            await send(message)

        await self._app(scope, receive, varying)

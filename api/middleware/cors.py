"""Pages of other origins: which may read our answers, and what of them."""

from typing import Final, cast

from litestar.types import ASGIApp
from starlette.middleware.cors import CORSMiddleware

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


def cross_origin(app: ASGIApp, allowed: str) -> ASGIApp:
    """Starlette's layer around ``app``; ``allowed`` is ``ALLOWED_ORIGINS``: origins separated by commas, or ``*``.

    Tokens travel in a header, never in a cookie, so no credentials are allowed. It stands outside Litestar, so that a
    page can also read the answers that are made there: a refusal by the rate limit, a commit that failed.
    """
    origins = [origin.strip() for origin in allowed.split(",")]
    layer = CORSMiddleware(
        app,  # type: ignore[arg-type]  # the same protocol, with types of its own
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )
    return cast("ASGIApp", layer)

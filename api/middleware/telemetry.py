"""The outermost layer: request ids, one log line a request, and its metrics."""

import logging
import re
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from api.http.deprecation import DEPRECATED, Deprecations, announced
from api.http.envelope import REQUEST_ID
from api.http.headers import Protection
from models.log import write
from models.metrics import HTTP_REQUESTS, HTTP_SECONDS, PROBE_REQUESTS, PROBE_SECONDS

log = logging.getLogger("api.request")
_VALID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others are made up
_QUIET: Final = frozenset({"/health", "/health/ready", "/metrics"})


class Telemetry:
    """Gives each request an id, answers with it and with protection, and tells what became of the request."""

    def __init__(self, app: ASGIApp, protection: Protection, deprecated: Deprecations = DEPRECATED) -> None:
        self._app = app
        self._deprecated = deprecated
        self._protection = protection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id, protection = _request_id(scope), self._protection.of(scope["path"])
        REQUEST_ID.set(request_id)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = announced(scope, self._deprecated)
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *protection, *told]
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            _record(scope, request_id, status, time.perf_counter() - started)


def _request_id(scope: Any) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _VALID.fullmatch(given) else _new_id()


def _new_id() -> str:
    """A UUIDv4, at a tenth of what ``uuid4`` takes."""
    drawn = secrets.token_hex(16)
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:]}"


def _record(scope: Any, request_id: str, status: int, seconds: float) -> None:
    """What asks again and again by itself is no traffic: counted apart, and not worth a line."""
    if (path := scope["path"]) in _QUIET:
        PROBE_REQUESTS.labels(path, str(status)).inc()
        PROBE_SECONDS.labels(path).observe(seconds)
        return
    route = scope.get("path_template") or "unmatched"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    _requests(method, route, status).inc()
    _seconds(method, route).observe(seconds)
    if log.isEnabledFor(logging.INFO):
        write(_line(scope, request_id, status, seconds))


@lru_cache(maxsize=4096)
def _requests(method: str, route: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _seconds(method: str, route: str) -> Histogram:
    return HTTP_SECONDS.labels(method, route)


class _Line(msgspec.Struct):
    """What the log says of a request, with the fields that its other lines have."""

    request_id: str
    method: str
    path: str
    status: int
    milliseconds: float
    caller: str | None
    timestamp: datetime
    program: str = "api"
    event: str = "request"
    level: str = "info"
    logger: str = log.name


def _line(scope: Any, request_id: str, status: int, seconds: float) -> _Line:
    caller = scope.get("auth")
    subject = caller.subject if caller else None
    milliseconds = round(seconds * 1000, 2)
    return _Line(request_id, scope["method"], scope["path"], status, milliseconds, subject, datetime.now(UTC))

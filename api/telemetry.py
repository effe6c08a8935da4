"""The outermost layer: request ids, one log line a request, and its metrics."""

import re
import time
from typing import Any, Final
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.envelope import REQUEST_ID
from api.headers import Protection
from models.metrics import HTTP_REQUESTS, HTTP_SECONDS

log = structlog.get_logger("api.request")
_VALID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others are made up
_QUIET: Final = frozenset({"/health", "/health/ready", "/metrics"})


class Telemetry:
    """Gives each request an id, answers with it and with protection, and tells what became of the request."""

    def __init__(self, app: ASGIApp, protection: Protection) -> None:
        self._app = app
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
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *protection]
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            _record(scope, status, time.perf_counter() - started)


def _request_id(scope: Any) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _VALID.fullmatch(given) else str(uuid4())


def _record(scope: Any, status: int, seconds: float) -> None:
    route = scope.get("path_template") or "unmatched"
    method = scope["method"] if scope["method"] in _METHODS else "other"
    HTTP_REQUESTS.labels(method, route, str(status)).inc()
    HTTP_SECONDS.labels(method, route).observe(seconds)
    if scope["path"] not in _QUIET:
        caller = scope.get("auth")
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 2),
            caller=caller.subject if caller else None,
        )

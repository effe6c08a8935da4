"""Whether we are alive, whether what we stand on is, and the metrics."""

import asyncio
import hmac
import time
from collections.abc import Awaitable
from importlib.metadata import version
from typing import Any, Final, Literal

import psycopg
from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from api.dependencies import Config
from api.envelope import Data, ErrorBody
from models import database, issuer, metrics
from models.errors import Problem, Unauthorized
from models.metrics import Truth
from models.settings import Settings

VERSION: Final = version("episodes")
PATIENCE_SECONDS: Final = 2.0

AnyRequest = Request[Any, Any, Any]


class Alive(Struct):
    """The process answers."""

    status: Literal["ok"]
    version: str


class ServiceState(Struct):
    """A service and how long it took to answer."""

    state: Literal["up", "down"]
    latency_ms: float


class Readiness(Struct):
    """Whether all we stand on answers."""

    status: Literal["ready", "unavailable"]
    database: ServiceState
    broker: ServiceState
    storage: ServiceState


class HealthController(Controller):
    """For whoever watches over the processes; no token needed."""

    tags = ("health",)

    @get("/health", summary="Is the process alive?")
    async def alive(self) -> Data[Alive]:
        return Data(Alive("ok", VERSION))

    @get(
        "/health/ready",
        summary="Do database, broker and storage answer?",
        responses={503: ResponseSpec(Data[Readiness], description="One of them does not")},
    )
    async def ready(self, request: AnyRequest) -> Response[Data[Readiness]]:
        state = request.app.state
        checks = (database.ping(state.health), state.broker.ping(), state.storage.ping())
        states = await asyncio.gather(*map(_timed, checks))
        up = all(service.state == "up" for service in states)
        body = Data(Readiness("ready" if up else "unavailable", *states))
        return Response(body, status_code=200 if up else 503, headers={} if up else {"Retry-After": "2"})

    @get("/metrics", summary="Prometheus metrics", media_type="text/plain", responses={401: ResponseSpec(ErrorBody)})
    async def metrics(self, request: AnyRequest, config: Config) -> Response[bytes]:
        _check_token(request, config)
        body = metrics.exposition(await _truth(request))
        return Response(body, headers={"Content-Type": metrics.CONTENT_TYPE})

    @get("/.well-known/jwks.json", summary="The embedded issuer's public keys", include_in_schema=False)
    async def jwks(self, config: Config) -> dict[str, Any]:
        return issuer.jwks(config.episodes_home) if config.embedded_issuer else {"keys": []}


async def _timed(check: Awaitable[None]) -> ServiceState:
    started = time.perf_counter()
    try:
        await asyncio.wait_for(check, PATIENCE_SECONDS)
        state: Literal["up", "down"] = "up"
    except (Problem, TimeoutError, OSError):
        state = "down"
    return ServiceState(state, round((time.perf_counter() - started) * 1000, 2))


async def _truth(request: AnyRequest) -> Truth | None:
    try:
        async with database.connection(request.app.state.health) as connection:
            return await metrics.truth(connection)
    except (Problem, psycopg.Error):
        return None


def _check_token(request: AnyRequest, config: Settings) -> None:
    if config.app_env == "development" and not config.metrics_token:
        return
    given = request.headers.get("authorization", "")
    wanted = f"Bearer {config.metrics_token}"
    if not config.metrics_token or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Unauthorized("metrics need 'Authorization: Bearer $METRICS_TOKEN'")

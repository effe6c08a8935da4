"""Whether we are alive, whether what we stand on is, and the metrics."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Final, Literal

import psycopg
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from api import shutdown
from api.dependencies import Config
from api.http.envelope import Data, ErrorBody
from models import build, dev_issuer, metrics
from models.db import connection as db
from models.db import schema
from models.db.connection import Pool
from models.db.schema import SchemaError
from models.errors import Problem, Unauthorized
from models.metrics import JobStatistics
from models.settings import Settings
from models.throttled import Throttled

PATIENCE_SECONDS: Final = 2.0
_FAILURES: Final = (Problem, SchemaError, psycopg.Error, TimeoutError, OSError)

AnyRequest = Request[Any, Any, Any]


class Alive(Struct):
    """The process answers; what it runs, as far as it knows."""

    status: Literal["ok"]
    version: str
    commit: str | None


class ServiceState(Struct):
    """A service and how long it took to answer."""

    state: Literal["up", "down"]
    latency_ms: float


class Readiness(Struct):
    """Whether this process can serve, and what it stands on; the schema is up where it is the one that is needed."""

    status: Literal["ready", "degraded", "unavailable"]
    database: ServiceState
    schema: ServiceState
    broker: ServiceState
    storage: ServiceState


class HealthController(Controller):
    """For whoever watches over the processes; no token needed."""

    tags = ("health",)

    @get("/health", summary="Is the process alive?")
    async def read_health(self) -> Data[Alive]:
        return Data(Alive("ok", build.version(), build.commit()))

    @get(
        "/health/ready",
        summary="Can the process serve?",
        description="For load balancers. Without broker or storage it serves all that needs neither, and is degraded.",
        responses={503: ResponseSpec(Data[Readiness], description="No database, another schema, or it is stopping")},
    )
    async def read_readiness(self, request: AnyRequest) -> Response[Data[Readiness]]:
        probes: Probes = request.app.state.probes
        found = await probes.readiness.get()
        if shutdown.TOLD.is_set():
            found = Readiness("unavailable", found.database, found.schema, found.broker, found.storage)
        down = found.status == "unavailable"
        return Response(Data(found), status_code=503 if down else 200, headers={"Retry-After": "2"} if down else {})

    @get("/metrics", summary="Prometheus metrics", media_type="text/plain", responses={401: ResponseSpec(ErrorBody)})
    async def read_metrics(self, request: AnyRequest, config: Config) -> Response[bytes]:
        _check_token(request, config)
        probes: Probes = request.app.state.probes
        return Response(await probes.metrics.get(), headers={"Content-Type": metrics.CONTENT_TYPE})

    @get("/.well-known/jwks.json", summary="The embedded issuer's public keys", include_in_schema=False)
    async def jwks(self, config: Config) -> dict[str, Any]:
        return dev_issuer.jwks(config.episodes_home) if config.embedded_issuer else {"keys": []}


class Probes:
    """Readiness and metrics of one process, looked up a few times a second, however many ask."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.readiness: Final = Throttled(self._readiness)
        self.metrics: Final = Throttled(self._metrics, metrics.SCRAPES)

    async def _readiness(self) -> Readiness:
        health = self._state.health
        checks = (db.ping(health), _schema(health), self._state.broker.ping(), self._state.storage.ping())
        states = await asyncio.gather(*map(_timed, checks))
        up = [one.state == "up" for one in states]
        return Readiness("ready" if all(up) else "degraded" if all(up[:2]) else "unavailable", *states)

    async def _metrics(self) -> bytes:
        readiness, truth = await asyncio.gather(self.readiness.get(), self._truth())
        ready = {name: getattr(readiness, name).state == "up" for name in ("database", "schema", "broker", "storage")}
        return metrics.exposition(truth, metrics.own(self._state.settings, self._state.pool, ready))

    async def _truth(self) -> JobStatistics | None:
        try:
            async with db.borrow(self._state.health) as connection:
                return await metrics.statistics(connection)
        except (Problem, psycopg.Error):
            return None


async def _schema(pool: Pool) -> None:
    async with db.borrow(pool) as connection:
        await schema.check(connection)


async def _timed(check: Awaitable[None]) -> ServiceState:
    started = time.perf_counter()
    try:
        await asyncio.wait_for(check, PATIENCE_SECONDS)
        state: Literal["up", "down"] = "up"
    except _FAILURES:
        state = "down"
    return ServiceState(state, round((time.perf_counter() - started) * 1000, 2))


def _check_token(request: AnyRequest, config: Settings) -> None:
    if not config.may_read_metrics(request.headers.get("authorization", "")):
        raise Unauthorized("metrics need 'Authorization: Bearer $METRICS_TOKEN'")

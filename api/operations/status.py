"""One look at everything that runs and waits, and how much the logs say."""

from datetime import UTC, datetime
from typing import Any, Literal

from litestar import Controller, Request, get, put
from litestar.datastructures import State
from litestar.params import JSONBody
from msgspec import Struct, structs

from api.dependencies import Db, Who
from api.http.envelope import Data
from api.operations.health import Probes, Readiness, ServiceState
from models.db import connection as db
from models.jobs import pauses
from models.jobs.pauses import Pause
from models.operations import log_level, problems
from models.operations import status as look
from models.operations.log_level import LogLevel, NewLogLevel
from models.operations.status import Ledger
from models.throttled import Throttled


class Services(Struct):
    """What everything stands on, with latencies; the schema is up where it is the one that is needed."""

    database: ServiceState
    schema: ServiceState
    broker: ServiceState
    storage: ServiceState


class Status(Ledger, kw_only=True):
    """Everything at once, at most a second old; ``problems`` are sentences, and none where all is well.

    ``backup`` is null where the database archives nothing.
    """

    status: Literal["healthy", "attention"]
    problems: list[str]
    at: datetime
    services: Services


class StatusController(Controller):
    """For whoever looks after the system."""

    path = "/api/v1/status"
    tags = ("status",)

    @get("/", summary="Look at everything that runs and waits")
    async def read_status(self, request: Request[Any, Any, Any]) -> Data[Status]:
        overview: Overview = request.app.state.overview
        return Data(await overview.recent.get())

    @get("/pauses", summary="List what is held back, by whom, why and until when")
    async def read_pauses(self, db: Db) -> Data[list[Pause]]:
        return Data(await pauses.read_all(db))

    @get("/log-level", summary="Read which log level is set for all programs")
    async def read_log_level(self, db: Db) -> Data[LogLevel]:
        return Data(await log_level.read(db))

    @put(
        "/log-level",
        summary="Set the log level of all programs for a while",
        description="It holds in every process within seconds, without a restart. For admins.",
    )
    async def change_log_level(self, db: Db, who: Who, data: JSONBody[NewLogLevel]) -> Data[LogLevel]:
        return Data(await log_level.change(db, who, data))


class Overview:
    """The status as one process tells it, looked up once a second, however many watch."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.recent = Throttled(self._read)

    async def _read(self) -> Status:
        probes: Probes = self._state.probes
        services = _services(await probes.readiness.get())
        ledger = await self._ledger()
        down = [name for name, found in structs.asdict(services).items() if found.state == "down"]
        wrong = problems.found(ledger, down)
        told = {name: getattr(ledger, name) for name in Ledger.__struct_fields__}
        healthy: Literal["healthy", "attention"] = "attention" if wrong else "healthy"
        return Status(**told, status=healthy, problems=wrong, at=datetime.now(UTC), services=services)

    async def _ledger(self) -> Ledger:
        """Nothing where the database is away: that is when somebody looks."""
        try:
            async with db.borrow(self._state.health) as connection:
                return await look.read(connection)
        except db.AWAY:
            return look.NOTHING_KNOWN


def _services(found: Readiness) -> Services:
    return Services(found.database, found.schema, found.broker, found.storage)

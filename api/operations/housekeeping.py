"""Housekeeping: what is done when, what came of it; run a task now, or hold it back."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.dependencies import Config, Db, Who
from api.http.envelope import Data, Listing, page_of
from models.db.paging import LONGEST_CURSOR
from models.housekeeping import integrity, orphans, schedule
from models.housekeeping.integrity import Finding, FindingKind, Integrity
from models.housekeeping.orphans import Orphan
from models.housekeeping.schedule import NewTaskPause, Task, TaskRun


class HousekeepingController(Controller):
    """The tasks and their schedule; for admins."""

    path = "/api/v1/housekeeping"
    tags = ("housekeeping",)

    @get("/", summary="List the tasks, when each runs next, and its last run")
    async def list_tasks(self, db: Db) -> Data[list[Task]]:
        return Data(await schedule.read_all(db))

    @get("/orphan-objects/found", summary="List objects in the storage that nothing refers to")
    async def list_orphans(
        self, db: Db, limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100
    ) -> Data[list[Orphan]]:
        return Data(await orphans.read_all(db, limit))

    @get("/{task:str}", summary="Read a task")
    async def read_task(self, db: Db, task: FromPath[str]) -> Data[Task]:
        return Data(await schedule.read(db, task))

    @post("/{task:str}/run", status_code=202, summary="Run a task now")
    async def run_task(self, db: Db, who: Who, task: FromPath[str]) -> Data[TaskRun]:
        return Data(await schedule.run_now(db, who, task))

    @post("/{task:str}/pause", status_code=200, summary="Hold a task back for a while")
    async def pause_task(self, db: Db, who: Who, task: FromPath[str], data: JSONBody[NewTaskPause]) -> Data[Task]:
        return Data(await schedule.pause(db, who, task, data))

    @post("/{task:str}/resume", status_code=200, summary="Let a task go on")
    async def resume_task(self, db: Db, who: Who, task: FromPath[str]) -> Data[Task]:
        return Data(await schedule.resume(db, who, task))


class IntegrityController(Controller):
    """Whether stored files are what they were; for admins."""

    path = "/api/v1/integrity"
    tags = ("housekeeping",)

    @get("/", summary="Are all stored files what they were?")
    async def read_integrity(self, db: Db, config: Config) -> Data[Integrity]:
        return Data(await integrity.summary(db, config.integrity_days))

    @get("/findings", summary="List files that are corrupt or missing, the newest first")
    async def list_findings(
        self,
        db: Db,
        kind: FromQuery[FindingKind | None] = None,
        resolved: Annotated[
            bool, QueryParameter(description="Those that are over, instead of those that are not.")
        ] = False,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
        cursor: Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR)] = None,
    ) -> Listing[Finding]:
        return page_of(await integrity.page(db, limit, cursor, resolved=resolved, kind=kind))

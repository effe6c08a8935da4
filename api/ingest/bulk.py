"""Bulk operations on jobs: count, look closer, retry, cancel, pause, limit."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Struct

from api.dependencies import Db, Who
from api.http.envelope import Data
from api.http.parameters import Id
from models.entities import EntityType
from models.errors import ErrorCode
from models.jobs import bulk, ledger, pauses, priorities, reprocessing
from models.jobs.bulk import CancelFilter, Cancelled, Retried, RetryFilter, Stats
from models.jobs.pauses import NewPause, Pause
from models.jobs.priorities import ConcurrencyLimit, PriorityState
from models.jobs.reprocessing import Reprocessed, ReprocessFilter
from models.jobs.types import Attempt, JobFilter, JobKind, Priority, Stage, Status

Since = Annotated[datetime | None, QueryParameter(description="Not before this time.")]
Until = Annotated[datetime | None, QueryParameter(description="Before this time.")]
FileNamePart = Annotated[
    str | None, QueryParameter(min_length=1, max_length=255, description="A part of the file's name.")
]
GivenFilter = NamedDependency[SkipValidation[JobFilter]]


def job_filter(
    kind: FromQuery[JobKind | None] = None,
    status: FromQuery[Status | None] = None,
    stage: FromQuery[Stage | None] = None,
    error_code: FromQuery[ErrorCode | None] = None,
    entity_type: FromQuery[EntityType | None] = None,
    entity_id: FromQuery[UUID | None] = None,
    batch_id: FromQuery[UUID | None] = None,
    file_name: FileNamePart = None,
    created_after: Since = None,
    created_before: Until = None,
    finished_after: Since = None,
    finished_before: Until = None,
) -> JobFilter:
    times = (created_after, created_before, finished_after, finished_before)
    return JobFilter(kind, status, stage, error_code, entity_type, entity_id, batch_id, file_name, *times)


FILTER: Final = {"filter_": Provide(job_filter, sync_to_thread=False)}


class Retry(Struct, forbid_unknown_fields=True):
    """Which jobs to start again."""

    filter: RetryFilter


class Cancel(Struct, forbid_unknown_fields=True):
    """Which jobs to cancel."""

    filter: CancelFilter


class Reprocess(Struct, forbid_unknown_fields=True):
    """Whose pictures to make again; of everything where the filter is empty."""

    filter: ReprocessFilter


class BulkController(Controller):
    """What is done to many jobs, and what is known of those that fail."""

    path = "/api/v1/ingest"
    tags = ("ingest",)
    dependencies = FILTER

    @get("/stats", summary="Count jobs, and failures in five ways")
    async def count_jobs(self, db: Db, filter_: GivenFilter) -> Data[Stats]:
        return Data(await bulk.stats(db, filter_))

    @get("/{job_id:str}/attempts", summary="List every start of every stage of a job")
    async def list_attempts(self, db: Db, job_id: Id) -> Data[list[Attempt]]:
        return Data(await ledger.attempts(db, job_id))

    @post("/retry", status_code=200, summary="Start all jobs again that match")
    async def retry_jobs(self, db: Db, who: Who, data: JSONBody[Retry]) -> Data[Retried]:
        return Data(await bulk.retry(db, who, data.filter))

    @post("/cancel", status_code=200, summary="Cancel all jobs that match")
    async def cancel_jobs(self, db: Db, who: Who, data: JSONBody[Cancel]) -> Data[Cancelled]:
        return Data(await bulk.cancel(db, who, data.filter))

    @post("/reprocess", status_code=202, summary="Make the thumbnails again of all that match")
    async def reprocess_files(self, db: Db, who: Who, data: JSONBody[Reprocess]) -> Data[Reprocessed]:
        return Data(await reprocessing.reprocess(db, who, data.filter))

    @get("/pauses", summary="List what is held back")
    async def list_pauses(self, db: Db) -> Data[list[Pause]]:
        return Data(await pauses.read_all(db))

    @post("/pauses", status_code=200, summary="Hold back a priority or a stage for a while")
    async def pause_jobs(self, db: Db, who: Who, data: JSONBody[NewPause]) -> Data[Pause]:
        return Data(await pauses.pause(db, who, data))

    @delete("/pauses/{paused:str}", summary="Let a priority or a stage go on")
    async def resume_jobs(self, db: Db, who: Who, paused: FromPath[Priority | Stage]) -> None:
        await pauses.resume(db, who, paused)

    @get("/priorities", summary="List the priorities and what they have under way")
    async def list_priorities(self, db: Db) -> Data[list[PriorityState]]:
        return Data(await priorities.read_all(db))

    @put("/priorities/{priority:str}", summary="Bound how many jobs of a priority run at once")
    async def limit_priority(
        self, db: Db, who: Who, priority: FromPath[Priority], data: JSONBody[ConcurrencyLimit]
    ) -> Data[PriorityState]:
        return Data(await priorities.limit(db, who, priority, data))

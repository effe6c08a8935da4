"""The main job: post it, watch it, start it again, cancel it."""

from functools import partial
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from litestar.response import ServerSentEvent

from api.dependencies import Config, Db, Files, Who
from api.http.envelope import Data, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from api.ingest import events
from api.ingest.bulk import FILTER, GivenFilter
from api.ingest.judging import judge
from models.db.connection import Pool, borrow
from models.db.paging import LONGEST_CURSOR
from models.errors import Invalid
from models.jobs import ledger, transitions
from models.jobs.types import Job, NewJob


class IngestController(Controller):
    """Jobs of the ingest pipeline."""

    path = "/api/v1/ingest"
    tags = ("ingest",)
    dependencies = FILTER

    @post("/", status_code=202, summary="Ingest a file")
    async def create_job(
        self, db: Db, who: Who, files: Files, config: Config, data: JSONBody[NewJob]
    ) -> Response[Data[Job]]:
        await transitions.check_open_jobs(db, who.subject, 1, config.max_open_jobs_per_caller)
        (wrong,) = await judge(db, files, [data])
        if wrong:
            raise Invalid(wrong.message, field=wrong.field)
        (job_id,) = await transitions.enqueue(db, who, [data])
        return JsonResponse(Data(await ledger.read(db, job_id)), headers={"Location": f"{self.path}/{job_id}"})

    @get("/", summary="List jobs, the newest first")
    async def list_jobs(
        self,
        db: Db,
        filter_: GivenFilter,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
        cursor: Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR)] = None,
    ) -> Listing[Job]:
        return page_of(await ledger.page(db, filter_, limit, cursor))

    @get("/{job_id:str}", summary="Read a job")
    async def read_job(self, db: Db, job_id: Id) -> Data[Job]:
        return Data(await ledger.read(db, job_id))

    @get(
        "/{job_id:str}/events",
        summary="Watch a job until it ends",
        media_type="text/event-stream",
        responses={204: ResponseSpec(None, description="It has ended, and Last-Event-ID names its last state")},
    )
    async def watch_job(
        self,
        request: Request[Any, Any, Any],
        job_id: Id,
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Response[Any]:
        pool: Pool = request.app.state.pool
        async with borrow(pool) as db:
            job = await ledger.read(db, job_id)
        seen = events.seen_version(last_event_id, job.version)
        if job.finished_at is not None and seen == job.version:
            return Response(None, status_code=204)  # nothing more comes: a browser that reads this does not come back
        state, caller = request.app.state, request.scope["auth"]
        state.streams.enter(request.scope)
        may = partial(state.authenticator.still, caller, request.headers.get("authorization"))
        return ServerSentEvent(events.events(pool, job_id, seen, may=may))

    @post("/{job_id:str}/retry", status_code=200, summary="Start a failed job again")
    async def retry_job(self, db: Db, who: Who, job_id: Id) -> Data[Job]:
        return Data(await transitions.retry(db, who, job_id))

    @post("/{job_id:str}/cancel", status_code=200, summary="Cancel a job that has not ended")
    async def cancel_job(self, db: Db, who: Who, job_id: Id) -> Data[Job]:
        return Data(await transitions.cancel(db, who, job_id))

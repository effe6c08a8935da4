"""The main job: post it, watch it, start it again, cancel it."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from litestar.response import ServerSentEvent
from msgspec import Meta, Struct, convert

from api.dependencies import Config, Db, Files, Who
from api.http import request_body
from api.http.envelope import Data, ErrorEntry, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from api.http.validation import value_errors
from api.ingest import events
from api.ingest.bulk import FILTER, GivenFilter
from models.db.connection import Connection, Pool, borrow, value
from models.db.paging import LONGEST_CURSOR
from models.errors import Invalid
from models.jobs import ledger, targets, transitions
from models.jobs.types import Job, NewJob
from models.media import references
from models.media.limits import roles
from models.media.s3 import Storage

BATCH_LIMIT: Final = 1000


class NewBatch(Struct, forbid_unknown_fields=True):
    """Up to 1,000 jobs; each is judged alone."""

    jobs: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=BATCH_LIMIT)]


class BatchResult(Struct):
    """What became of one item: a job, or why there is none."""

    index: int
    job: Job | None
    error: ErrorEntry | None


class Batch(Struct):
    """The answer to a batch, one result per item, in order."""

    batch_id: UUID
    results: list[BatchResult]


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
        (wrong,) = await _judge(db, files, [data])
        if wrong:
            raise Invalid(wrong.message, field=wrong.field)
        (job_id,) = await transitions.enqueue(db, who, [data])
        return JsonResponse(Data(await ledger.read(db, job_id)), headers={"Location": f"{self.path}/{job_id}"})

    @post("/batch", status_code=202, summary="Ingest many files", request_max_body_size=request_body.LARGE)
    async def create_batch(
        self, db: Db, who: Who, files: Files, config: Config, data: JSONBody[NewBatch]
    ) -> Data[Batch]:
        await transitions.check_open_jobs(db, who.subject, len(data.jobs), config.max_open_jobs_per_caller)
        read = [_read(item) for item in data.jobs]
        wanted = [item for item in read if isinstance(item, NewJob)]
        judged = iter(await _judge(db, files, wanted))
        wrong = [next(judged) if isinstance(item, NewJob) else item for item in read]
        good = [item for item, error in zip(read, wrong, strict=True) if error is None and isinstance(item, NewJob)]
        batch_id = await value(db, "select uuidv7()")
        made = iter(await ledger.read_all(db, await transitions.enqueue(db, who, good, batch_id)))
        results = [BatchResult(index, None if error else next(made), error) for index, error in enumerate(wrong)]
        return Data(Batch(batch_id, results))

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


def _read(item: dict[str, Any]) -> NewJob | ErrorEntry:
    wrong = value_errors(item, NewJob)
    return wrong[0] if wrong else convert(item, NewJob)


async def _judge(db: Connection, files: Storage, wanted: list[NewJob]) -> list[ErrorEntry | None]:
    """Why each job cannot be, or None; roles left out are filled in."""
    alive: set[tuple[str, UUID]] = set()
    for entity_type in {job.entity_type for job in wanted}:
        ids = {job.entity_id for job in wanted if job.entity_type == entity_type}
        alive |= {(entity_type, found) for found in await targets.living(db, entity_type, ids)}
    return [_wrong(job, files, (job.entity_type, job.entity_id) in alive) for job in wanted]


def _wrong(job: NewJob, files: Storage, alive: bool) -> ErrorEntry | None:
    try:
        _check(job, files, alive)
    except Invalid as error:
        return ErrorEntry(error.code, error.message, error.field)
    return None


def _check(job: NewJob, files: Storage, alive: bool) -> None:
    allowed = roles(job.entity_type)
    if job.role == "primary":
        job.role = allowed[0]
    if job.role not in allowed:
        raise Invalid(f"a file of {job.entity_type} has the role {' or '.join(allowed)}", field="role")
    if references.parse(job.source_reference).bucket not in files.buckets:
        raise Invalid(
            f"only objects in {' and '.join(sorted(files.buckets))} can be ingested", field="source_reference"
        )
    if not alive:
        raise Invalid(f"there is no {job.entity_type.replace('_', ' ')} {job.entity_id}", field="entity_id")

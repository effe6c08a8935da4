"""Many files as one batch: posted together or bit by bit, watched, cancelled, started again."""

from functools import partial
from itertools import count
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.response import ServerSentEvent
from msgspec import UNSET, Meta, Struct, UnsetType

from api.dependencies import AnyRequest, Config, Db, Files, Who
from api.http import request_body
from api.http.envelope import Data, ErrorBody, ErrorEntry, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from api.ingest import batch_events, events
from api.ingest.judging import judge, read
from models.db.connection import Connection, Pool, borrow
from models.db.fields import Name
from models.db.paging import LONGEST_CURSOR
from models.db.recording import Actor
from models.jobs import batch_changes, batches, transitions
from models.jobs.batch_changes import Opened
from models.jobs.batches import Batch, BatchFilter
from models.jobs.types import Job, NewJob
from models.media.s3 import Storage

BATCH_LIMIT: Final = 1000
PATH: Final = "/api/v1/ingest/batches"


class NewBatch(Struct, forbid_unknown_fields=True):
    """Up to 1,000 jobs, each judged alone, for a batch that is new or, by its ``batch_id``, open already.

    A job that says no priority has the priority ``batch``. A file that the batch brings for the same entity already,
    as its ``sha256`` tells, is answered by the job that is there.
    """

    jobs: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=BATCH_LIMIT)]
    name: Name | None = None
    batch_id: UUID | None = None


class BatchOpening(Struct, forbid_unknown_fields=True):
    """A batch that later posts add to.

    One that is kept open does not end before it is closed; to open it again, by the same name, gives the same batch.
    """

    name: Name
    keep_open: bool = False


class BatchResult(Struct):
    """What became of one item: a job, or why there is none."""

    index: int
    job: Job | None
    error: ErrorEntry | None


class PostedBatch(Struct):
    """The answer to a batch, one result per item, in order; there is no batch where no item is taken."""

    batch_id: UUID | None
    name: str | None
    results: list[BatchResult]


class RefusedBatch(ErrorBody, kw_only=True):
    """None of the jobs is taken: an error for each, named by its place, and the result of each.

    There are no results where the request as a whole is wrong.
    """

    data: PostedBatch | UnsetType = UNSET


class BatchController(Controller):
    """Jobs that belong together."""

    path = "/api/v1/ingest"
    tags = ("ingest",)

    @post(
        "/batch",
        status_code=202,
        summary="Ingest many files",
        request_max_body_size=request_body.LARGE,
        responses={400: ResponseSpec(RefusedBatch, description="None of the jobs is taken, or the request is wrong")},
    )
    async def create_batch(
        self, request: AnyRequest, db: Db, who: Who, files: Files, config: Config, data: JSONBody[NewBatch]
    ) -> Response[Data[PostedBatch]]:
        await transitions.check_open_jobs(db, who.subject, len(data.jobs), config.max_open_jobs_per_caller)
        judged = await _judged(db, files, data.jobs)
        good = [item for item in judged if isinstance(item, NewJob)]
        if not good:
            return _refused(judged)
        batch = await _batch(db, who, data, len(good), admin=_is_admin(request))
        made = await batch_changes.add(db, who, batch, good)
        posted = PostedBatch(batch.batch_id, batch.name, _results(judged, made))
        return JsonResponse(Data(posted), headers={"Location": f"{PATH}/{batch.batch_id}"})

    @post("/batches", status_code=201, summary="Open a batch that later posts add to")
    async def open_batch(self, db: Db, who: Who, data: JSONBody[BatchOpening]) -> Response[Data[Batch]]:
        made = await batch_changes.open_(db, who, data.name, kept_open=data.keep_open)
        headers = {"Location": f"{PATH}/{made.batch_id}"}
        return JsonResponse(Data(await batches.read(db, made.batch_id)), status_code=201, headers=headers)

    @get("/batches", summary="List batches, the newest first")
    async def list_batches(
        self,
        db: Db,
        name: Annotated[str | None, QueryParameter(max_length=255, description="A part of the name.")] = None,
        created_by: Annotated[str | None, QueryParameter(max_length=255, description="Who opened it.")] = None,
        finished: FromQuery[bool | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
        cursor: Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR)] = None,
    ) -> Listing[Batch]:
        return page_of(await batches.page(db, BatchFilter(name, created_by, finished), limit, cursor))

    @get("/batches/{batch_id:str}", summary="See how a batch stands")
    async def read_batch(self, db: Db, batch_id: Id) -> Data[Batch]:
        return Data(await batches.read(db, batch_id))

    @get(
        "/batches/{batch_id:str}/events",
        summary="Watch a batch until it ends",
        media_type="text/event-stream",
        responses={204: ResponseSpec(None, description="It has ended, and Last-Event-ID names its last state")},
    )
    async def watch_batch(
        self,
        request: Request[Any, Any, Any],
        batch_id: Id,
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Response[Any]:
        pool: Pool = request.app.state.pool
        async with borrow(pool) as db:
            batch = await batches.read(db, batch_id)
        seen = events.seen_version(last_event_id, batch.version)
        if batch.finished_at is not None and seen == batch.version:
            return Response(None, status_code=204)  # nothing more comes: a browser that reads this does not come back
        state, caller = request.app.state, request.scope["auth"]
        state.streams.enter(request.scope)
        may = partial(state.authenticator.still, caller, request.headers.get("authorization"))
        return ServerSentEvent(batch_events.events(state.batches, batch, seen, may=may))

    @post("/batches/{batch_id:str}/close", status_code=200, summary="Let a batch take no more jobs")
    async def close_batch(self, request: AnyRequest, db: Db, who: Who, batch_id: Id) -> Data[Batch]:
        return Data(await batch_changes.close(db, who, batch_id, admin=_is_admin(request)))

    @post("/batches/{batch_id:str}/cancel", status_code=200, summary="Cancel what of a batch has not ended")
    async def cancel_batch(self, request: AnyRequest, db: Db, who: Who, batch_id: Id) -> Data[Batch]:
        return Data(await batch_changes.cancel(db, who, batch_id, admin=_is_admin(request)))

    @post("/batches/{batch_id:str}/retry", status_code=200, summary="Start again what of a batch failed")
    async def retry_batch(self, request: AnyRequest, db: Db, who: Who, batch_id: Id) -> Data[Batch]:
        return Data(await batch_changes.retry(db, who, batch_id, admin=_is_admin(request)))


def _is_admin(request: AnyRequest) -> bool:
    return bool(request.scope["auth"].may("admin"))


async def _judged(db: Connection, files: Storage, items: list[dict[str, Any]]) -> list[NewJob | ErrorEntry]:
    """Each item as the job that it may be, or why it is none."""
    found = [read({"priority": "batch"} | item) for item in items]
    wrong = iter(await judge(db, files, [item for item in found if isinstance(item, NewJob)]))
    return [(next(wrong) or item) if isinstance(item, NewJob) else item for item in found]


async def _batch(db: Connection, who: Actor, data: NewBatch, number: int, *, admin: bool) -> Opened:
    if data.batch_id is not None:
        return await batch_changes.taking(db, who, data.batch_id, admin=admin)
    return await batch_changes.open_(db, who, data.name or ("1 file" if number == 1 else f"{number} files"))


def _results(judged: list[NewJob | ErrorEntry], made: list[Job]) -> list[BatchResult]:
    jobs = iter(made)
    return [
        BatchResult(index, None, item) if isinstance(item, ErrorEntry) else BatchResult(index, next(jobs), None)
        for index, item in enumerate(judged)
    ]


def _refused(judged: list[NewJob | ErrorEntry]) -> Response[Any]:
    wrong = [item for item in judged if isinstance(item, ErrorEntry)]
    named = [ErrorEntry(one.code, one.message, _at(index, one)) for index, one in zip(count(), wrong, strict=False)]
    return JsonResponse(RefusedBatch(named, data=PostedBatch(None, None, _results(judged, []))), status_code=400)


def _at(index: int, error: ErrorEntry) -> str:
    return f"jobs[{index}].{error.field}" if error.field else f"jobs[{index}]"

"""The application: only wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar import Controller, Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from api import errors, shutdown
from api.auth.api_keys import ApiKeys
from api.auth.authorize import Authenticator
from api.auth.controller import KeyController
from api.dependencies import PROVIDERS, one_by_one
from api.http import request_body
from api.http.headers import Protection
from api.http.json_response import JsonResponse
from api.ingest.batch_events import Reader
from api.ingest.batches import BatchController
from api.ingest.bulk import BulkController
from api.ingest.jobs import IngestController
from api.ingest.multipart import MultipartController
from api.ingest.uploads import UploadController
from api.middleware.admission import PlainRequest, admit
from api.middleware.compression import Compressed
from api.middleware.cors import CrossOrigin
from api.middleware.drain_body import Drained
from api.middleware.gcra import Counts, Quota
from api.middleware.head import Heads
from api.middleware.options import Options
from api.middleware.rate_limits import RateLimits
from api.middleware.request_timeout import Arrival
from api.middleware.response_timeout import Departure
from api.middleware.stream_limits import Counted, Streams
from api.middleware.telemetry import Telemetry
from api.middleware.transaction import Transactions
from api.middleware.unchanged import Unchanged
from api.openapi import page
from api.operations.broker_check import Broker
from api.operations.health import HealthController, Probes
from api.operations.housekeeping import HousekeepingController, IntegrityController
from api.operations.status import Overview, StatusController
from api.operations.webhooks import WebhookController
from api.resources import controllers
from api.resources.audit import AuditController
from api.resources.search import SearchController
from models import build, dev_issuer, termination
from models.db import connection as db
from models.media.s3 import Storage
from models.operations import heartbeat
from models.settings import Settings

CONTROLLERS: Final[tuple[type[Controller], ...]] = (
    HealthController,
    *controllers(),
    UploadController,
    MultipartController,
    IngestController,
    BatchController,
    BulkController,
    SearchController,
    AuditController,
    KeyController,
    HousekeepingController,
    IntegrityController,
    StatusController,
    WebhookController,
)


def create_app(settings: Settings) -> Litestar:
    """The API for these settings; it connects when it starts, not when it is made."""
    pool = db.pool(settings, limits=db.ANSWERING)
    health = db.pool(settings, size=2, limits=db.ANSWERING)  # answers also where requests use up the other
    counts = _counts(settings)
    app = Litestar(
        CONTROLLERS,
        dependencies=PROVIDERS,
        request_class=PlainRequest,
        before_request=admit,
        response_class=JsonResponse,
        exception_handlers=errors.HANDLERS,
        lifespan=[_running],
        state=State(
            {
                "settings": settings,
                "pool": pool,
                "health": health,
                "authenticator": Authenticator(settings, api_keys=ApiKeys(pool)),
                "counts": counts,
                "unchanged": Unchanged(pool),
                "streams": Streams(settings.streams_per_caller, settings.streams_total),
            }
        ),
        openapi_config=page.config(build.version()),
        request_max_body_size=request_body.SIZE,
        logging_config=None,
    )
    one_by_one(app)
    app.asgi_handler = _layered(app, settings, counts)
    return app


def _layered(app: Litestar, settings: Settings, counts: Counts | None) -> ASGIApp:
    """Litestar inside the layers that every request passes, also one that no route takes; from the outermost in:

    - ``Telemetry``: request id, log line and metrics, of what any layer answers
    - ``Departure``: the time that an answer may take; it holds what all layers inside have made
    - ``Arrival``: the time that a body may take to come, whoever reads it
    - ``Drained``: the rest of a refused body is read, so that its sender sees the refusal
    - ``Heads``: HEAD becomes GET before anybody looks for a route, and the body of the answer is left out
    - ``Compressed``: what has more than a kilobyte, for whoever takes it so
    - ``CrossOrigin``: answers a browser's question beforehand, and marks all answers, also a 429
    - ``Options``: OPTIONS that is no such question is answered from the routes
    - ``RateLimits``: before anything costs the database something
    - ``Transactions``: the answer waits for its commit
    - ``Counted``: how many streams are open
    - Litestar: ``admit`` (token, caller's limit, parameters, body, Idempotency-Key), and the route
    """
    counted = Counted(app.asgi_handler, app.state.streams)
    layered: ASGIApp = Transactions(counted, app.state.pool, errors.messages)
    if counts:
        proxies, authenticator = settings.trusted_proxies, app.state.authenticator
        layered = RateLimits(layered, counts, authenticator, proxies=proxies, failed=errors.messages)
    layered = Heads(Compressed(CrossOrigin(Options(layered), settings.allowed_origins)))
    arriving = Arrival(Drained(layered), settings.idle_seconds)
    return Telemetry(Departure(arriving, settings.idle_seconds, errors.messages), Protection(settings.app_env))


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.embedded_issuer:
        dev_issuer.key(settings.episodes_home)
    app.state.storage = Storage(settings)
    app.state.broker = Broker(settings)
    app.state.probes = Probes(app.state)
    app.state.overview = Overview(app.state)
    app.state.batches = Reader(app.state.pool)
    health = app.state.health
    async with app.state.pool, health, heartbeat.beating(health, heartbeat.introduce("api")):
        if shutdown.TOLD.is_set():  # while we started: the server hears of it only where it serves already
            termination.leave(0)
        yield
    app.state.storage.close()
    for client in (app.state.broker, app.state.counts):
        if client:
            await client.aclose()


def _counts(settings: Settings) -> Counts | None:
    """Of the rate limit; it has none where it is off."""
    return Counts(settings.redis_url, Quota(settings.rate_limit)) if settings.rate_limit else None

"""The application: only wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from api import bodies, documentation, errors, stopping
from api.answers import Answer
from api.arrival import Arrival
from api.audit import AuditController
from api.auth import Authenticator
from api.backgrounds import BackgroundController
from api.broker import Broker
from api.clips import ClipController
from api.components import ComponentController
from api.cors import CrossOrigin
from api.departure import Departure
from api.dependencies import PROVIDERS, one_by_one
from api.desk import DeskController
from api.draining import Drained
from api.episodes import EpisodeController
from api.guests import GuestController
from api.headers import Protection
from api.heads import Heads
from api.health import HealthController, Probes
from api.housekeeping import HousekeepingController, IntegrityController
from api.ingest import IngestController
from api.limits import RateLimits
from api.links import (
    BackgroundLinkController,
    ComponentLinkController,
    GuestLinkController,
    OutfitLinkController,
    UiElementLinkController,
)
from api.multipart import MultipartController
from api.options import Options
from api.outfits import OutfitController
from api.quotas import Counts, Quota
from api.requests import Plain, admit
from api.scripts import EpisodeScriptController, ScriptController
from api.search import SearchController
from api.shows import ShowController
from api.streams import Counted, Streams
from api.telemetry import Telemetry
from api.transaction import Transactions
from api.ui_elements import UiElementController
from api.uploads import UploadController
from models import build, database, issuer, process
from models.settings import Settings
from models.storage import Storage

CONTROLLERS = (
    HealthController,
    ShowController,
    EpisodeController,
    ClipController,
    EpisodeScriptController,
    ScriptController,
    OutfitController,
    UiElementController,
    BackgroundController,
    ComponentController,
    GuestController,
    OutfitLinkController,
    UiElementLinkController,
    BackgroundLinkController,
    ComponentLinkController,
    GuestLinkController,
    UploadController,
    MultipartController,
    IngestController,
    DeskController,
    SearchController,
    AuditController,
    HousekeepingController,
    IntegrityController,
)


def create_app(settings: Settings) -> Litestar:
    """The API for these settings; it connects when it starts, not when it is made."""
    pool = database.pool(settings, limits=database.ANSWERING)
    health = database.pool(settings, size=2, limits=database.ANSWERING)  # answers also where requests use up the other
    counts = _counts(settings)
    app = Litestar(
        CONTROLLERS,
        dependencies=PROVIDERS,
        request_class=Plain,
        before_request=admit,
        response_class=Answer,
        exception_handlers=errors.HANDLERS,
        lifespan=[_running],
        state=State(
            {
                "settings": settings,
                "pool": pool,
                "health": health,
                "authenticator": Authenticator(settings),
                "counts": counts,
                "streams": Streams(settings.streams_per_caller, settings.streams_total),
            }
        ),
        openapi_config=documentation.config(build.VERSION),
        request_max_body_size=bodies.SIZE,
        logging_config=None,
    )
    one_by_one(app)
    app.asgi_handler = _layered(app, settings, counts)
    return app


def _layered(app: Litestar, settings: Settings, counts: Counts | None) -> ASGIApp:
    """Litestar inside the layers that every request passes, also one that no route takes; the outermost comes last."""
    counted = Counted(app.asgi_handler, app.state.streams)
    layered: ASGIApp = Transactions(counted, app.state.pool, errors.messages)
    if counts:
        proxies, authenticator = settings.trusted_proxies, app.state.authenticator
        layered = RateLimits(layered, counts, authenticator, proxies=proxies, failed=errors.messages)
    layered = Heads(CrossOrigin(Options(layered), settings.allowed_origins))
    arriving = Arrival(Drained(layered), settings.idle_seconds)
    return Telemetry(Departure(arriving, settings.idle_seconds, errors.messages), Protection(settings.app_env))


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.embedded_issuer:
        issuer.key(settings.episodes_home)
    app.state.storage = Storage(settings)
    app.state.broker = Broker(settings)
    app.state.probes = Probes(app.state)
    async with app.state.pool, app.state.health:
        if stopping.TOLD.is_set():  # while we started: the server hears of it only where it serves already
            process.leave(0)
        yield
    app.state.storage.close()
    for client in (app.state.broker, app.state.counts):
        if client:
            await client.aclose()


def _counts(settings: Settings) -> Counts | None:
    """Of the rate limit; it has none where it is off."""
    return Counts(settings.redis_url, Quota(settings.rate_limit)) if settings.rate_limit else None

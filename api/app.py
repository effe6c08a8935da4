"""The application: only wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State

from api import documentation, errors
from api.audit import AuditController
from api.auth import Authenticator, authorize
from api.backgrounds import BackgroundController
from api.clips import ClipController
from api.components import ComponentController
from api.dependencies import PROVIDERS
from api.episodes import EpisodeController
from api.guests import GuestController
from api.health import VERSION, HealthController
from api.ingest import IngestController
from api.outfits import OutfitController
from api.requests import check_request
from api.search import SearchController
from api.shows import ShowController
from api.telemetry import Telemetry
from api.transaction import Transactions
from api.ui_elements import UiElementController
from api.uploads import UploadController
from models import database, issuer
from models.settings import Settings
from models.storage import Storage

CONTROLLERS = (
    HealthController,
    ShowController,
    EpisodeController,
    ClipController,
    OutfitController,
    UiElementController,
    BackgroundController,
    ComponentController,
    GuestController,
    UploadController,
    IngestController,
    SearchController,
    AuditController,
)
BODY_LIMIT = 10 * 1024 * 1024


def create_app(settings: Settings) -> Litestar:
    """The API for these settings; it connects when it starts, not when it is made."""
    pool = database.pool(settings)
    app = Litestar(
        CONTROLLERS,
        dependencies=PROVIDERS,
        guards=[authorize],
        before_request=check_request,
        exception_handlers=errors.HANDLERS,
        lifespan=[_running],
        state=State({"settings": settings, "pool": pool, "authenticator": Authenticator(settings)}),
        cors_config=CORSConfig(
            allow_origins=[origin.strip() for origin in settings.allowed_origins.split(",")],
            expose_headers=["ETag", "Location", "X-Request-ID", "Idempotency-Replayed", "Retry-After"],
        ),
        openapi_config=documentation.config(VERSION),
        request_max_body_size=BODY_LIMIT,
        logging_config=None,
    )
    app.asgi_handler = Telemetry(Transactions(app.asgi_handler, pool, errors.messages))
    return app


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.embedded_issuer:
        issuer.key(settings.episodes_home)
    app.state.storage = Storage(settings)
    app.state.broker = _broker(settings)
    async with app.state.pool:
        yield
    app.state.storage.close()
    if app.state.broker:
        await app.state.broker.aclose()


def _broker(settings: Settings) -> "redis.asyncio.Redis | None":
    if settings.broker.startswith("amqp"):
        return None
    return redis.asyncio.Redis.from_url(settings.broker, socket_timeout=2, socket_connect_timeout=2)

"""Pictures made again: of what the entity holds now, whatever it held when somebody asked for that.

It attaches nothing, so that it cannot put an older file in the place of a newer one.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from models import claims, database, files, search_documents, thumbnails
from models.claims import Claimed
from models.database import Connection
from models.errors import Fault
from models.files import StoredFile
from models.thumbnails import NewThumbnail
from pipeline.context import Context
from pipeline.deduplicate import TURN_SECONDS
from pipeline.fetching import stored
from pipeline.places import place
from pipeline.stage import Finish, Postpone, Step
from pipeline.thumbnail import store

log = structlog.get_logger()
AWAY_SECONDS: Final = 15.0  # between attempts while the storage takes no pictures
PATIENCE: Final = timedelta(days=1)  # for which a job waits for that; then it is tried like any other


async def render_again(context: Context, claimed: Claimed, folder: Path) -> Finish:
    """Make the pictures of the entity's contents, but of those that were made since the job was posted."""
    async with database.connection(context.pool) as connection:
        old = await files.pictured(connection, claimed.entity_type, claimed.entity_id, claimed.created_at)
    made = [(file.sha256, await _render(context, file, folder)) for file in old]

    async def finish(connection: Connection) -> None:
        for sha256, pictures in made:
            await files.rendered(connection, sha256, pictures)

    return finish


async def _render(context: Context, file: StoredFile, folder: Path) -> list[NewThumbnail]:
    path = await stored(context, file, folder)
    media = await context.sandbox.inspect(path, name=file.file_reference.rpartition("/")[2])
    rendered = await context.sandbox.render(path, folder, media.kind)
    return await store(context, file.sha256, rendered)


async def show_again(context: Context, claimed: Claimed, _: Path) -> Finish | Postpone:
    """Put the pictures in the entity's places, in turn with its ingests: those see that this job is running.

    What lies there may be a mixture, so it does not give up while the storage is unavailable.
    """
    try:
        return await _show_again(context, claimed)
    except Fault as fault:
        if fault.code != "STORAGE_UNAVAILABLE" or datetime.now(UTC) - claimed.created_at > PATIENCE:
            raise
        log.warning("pictures not put back yet", error=fault.message)
        return Postpone(AWAY_SECONDS)


async def _show_again(context: Context, claimed: Claimed) -> Finish:
    async with database.transaction(context.pool) as connection:
        busy = await claims.entity_is_busy(connection, claimed)
        file = await files.shown(connection, claimed.entity_type, claimed.entity_id)
    made = await place(context, claimed, file) if file and not busy else []

    async def finish(connection: Connection) -> Step:
        if busy:
            return Postpone(TURN_SECONDS)
        if file and made:
            await thumbnails.replace(connection, claimed.entity_type, claimed.entity_id, file.sha256, made)
            await search_documents.index(connection, claimed.entity_type, [claimed.entity_id])
        return None

    return finish

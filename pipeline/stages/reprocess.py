"""Pictures made again: of what the entity holds now, whatever it held when somebody asked for that.

It attaches nothing, so that it cannot put an older file in the place of a newer one.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from models.db import connection as db
from models.db.connection import Connection
from models.errors import Fault
from models.jobs import claims
from models.jobs.claims import Claimed
from models.jobs.endings import Advanced, Ending, Postponed, Succeeded
from models.media import files, thumbnails
from models.media.files import StoredFile
from models.media.thumbnails import NewThumbnail
from models.search import documents
from pipeline.engine.context import Context
from pipeline.engine.runner import Finish
from pipeline.stages.deduplicate import TURN_SECONDS
from pipeline.stages.download import stored
from pipeline.stages.placement import place
from pipeline.stages.thumbnail import store

log = structlog.get_logger()
AWAY_SECONDS: Final = 15.0  # between attempts while the storage takes no pictures
PATIENCE: Final = timedelta(days=1)  # for which a job waits for that; then it is tried like any other


async def render_again(context: Context, claimed: Claimed, folder: Path) -> Finish:
    """Make the pictures of the entity's contents, but of those that were made since the job was posted."""
    async with db.borrow(context.pool) as connection:
        old = await files.pictured(connection, claimed.entity_type, claimed.entity_id, claimed.created_at)
    made = [(file.sha256, await _render(context, file, folder)) for file in old]

    async def finish(connection: Connection) -> Ending:
        for sha256, pictures in made:
            await files.rendered(connection, sha256, pictures)
        return Advanced()

    return finish


async def _render(context: Context, file: StoredFile, folder: Path) -> list[NewThumbnail]:
    path = await stored(context, file, folder)
    media = await context.sandbox.inspect(path, name=file.file_reference.rpartition("/")[2])
    rendered = await context.sandbox.render(path, folder, media.kind)
    return await store(context, file.sha256, rendered)


async def show_again(context: Context, claimed: Claimed, _: Path) -> Finish | Ending:
    """Put the pictures in the entity's places, in turn with its ingests: those see that this job is running.

    What lies there may be a mixture, so it does not give up while the storage is unavailable.
    """
    try:
        return await _show_again(context, claimed)
    except Fault as fault:
        if fault.code != "STORAGE_UNAVAILABLE" or datetime.now(UTC) - claimed.created_at > PATIENCE:
            raise
        log.warning("pictures not put back yet", error=fault.message)
        return Postponed(AWAY_SECONDS)


async def _show_again(context: Context, claimed: Claimed) -> Finish:
    async with db.transaction(context.pool) as connection:
        busy = await claims.entity_is_busy(connection, claimed)
        file = await files.shown(connection, claimed.entity_type, claimed.entity_id)
    made = await place(context, claimed, file) if file and not busy else []

    async def finish(connection: Connection) -> Ending:
        if busy:
            return Postponed(TURN_SECONDS)
        if file and made:
            await thumbnails.replace(connection, claimed.entity_type, claimed.entity_id, file.sha256, made)
            await documents.index(connection, claimed.entity_type, [claimed.entity_id])
        return Succeeded()

    return finish

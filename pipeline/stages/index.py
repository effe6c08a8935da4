"""Last stage: the entity shows the file, has its pictures, and is found as it now is."""

from pathlib import Path

from models.db import connection as db
from models.db.connection import Connection
from models.errors import Fault
from models.jobs import targets
from models.jobs.claims import Claimed
from models.jobs.endings import Ending, Succeeded
from models.media import files, thumbnails
from models.media.files import StoredFile
from models.search import documents
from pipeline.engine.context import Context
from pipeline.engine.runner import Finish
from pipeline.stages.placement import place


async def index(context: Context, claimed: Claimed, _: Path) -> Finish:
    """Put the content's pictures in the entity's places, then write what is true of the entity."""
    file = await _file(context, claimed)
    made = await place(context, claimed, file)

    async def finish(connection: Connection) -> Ending:
        await targets.attach(connection, claimed, file, claimed.found)
        if made:
            await thumbnails.replace(connection, claimed.entity_type, claimed.entity_id, file.sha256, made)
        if claimed.on_duplicate == "keep":
            await files.keep(connection, file)
        await files.displace(connection, claimed.owner, file.sha256)
        await documents.index(connection, claimed.entity_type, [claimed.entity_id])
        return Succeeded()

    return finish


async def _file(context: Context, claimed: Claimed) -> StoredFile:
    """The content, with pictures only where the entity wants them; a copy that is kept has a reference of its own."""
    async with db.borrow(context.pool) as connection:
        file = await files.find(connection, claimed.sha256 or "")
        chosen = claimed.role == "trailer" and await targets.has_chosen_picture(connection, claimed.entity_id)
    if file is None:
        raise Fault("INTERNAL", "the stored file was removed meanwhile")
    if chosen:
        file.thumbnails = []
    if claimed.on_duplicate == "keep":
        file.file_reference = claimed.source_reference
    return file

"""Last stage: the entity shows the file, has its pictures, and is found as it now is."""

import asyncio
from pathlib import Path

from msgspec import convert

from models import database, entities, files, references, search_documents, thumbnails
from models.claims import Claimed
from models.database import Connection
from models.errors import Fault, Rejected
from models.files import StoredFile
from models.thumbnails import NewThumbnail
from pipeline.context import Context
from pipeline.stage import Finish


async def index(context: Context, claimed: Claimed, _: Path) -> Finish:
    """Put the content's pictures in the entity's places, then write what is true of the entity."""
    file = await _file(context, claimed)
    made = await place(context, claimed, file)

    async def finish(connection: Connection) -> None:
        await entities.attach(connection, claimed, file, claimed.found)
        if made:
            await thumbnails.replace(connection, claimed.entity_type, claimed.entity_id, file.sha256, made)
        await files.displace(connection, claimed.owner, file.sha256)
        await search_documents.index(connection, claimed.entity_type, [claimed.entity_id])

    return finish


async def _file(context: Context, claimed: Claimed) -> StoredFile:
    """The content, with pictures only where the entity wants them; a copy that is kept has a reference of its own."""
    async with database.connection(context.pool) as connection:
        file = await files.find(connection, claimed.sha256 or "")
        chosen = claimed.role == "trailer" and await entities.has_chosen_picture(connection, claimed.entity_id)
    if file is None:
        raise Fault("INTERNAL", "the stored file was removed meanwhile")
    if chosen:
        file.thumbnails = []
    if claimed.on_duplicate == "keep":
        file.file_reference = claimed.source_reference
    return file


async def place(context: Context, claimed: Claimed, file: StoredFile) -> list[NewThumbnail]:
    """Copy a content's pictures to where the entity has its own."""
    pictures = convert(file.thumbnails, list[NewThumbnail])
    return list(await asyncio.gather(*(_copy(context, claimed, picture) for picture in pictures)))


async def _copy(context: Context, claimed: Claimed, picture: NewThumbnail) -> NewThumbnail:
    bucket = context.storage.thumbnails
    target = thumbnails.reference(bucket, claimed.entity_type, claimed.entity_id, picture.size_variant)
    try:
        await context.storage.copy(references.parse(picture.file_reference), target)
    except Rejected as error:  # the job's own file is well; a picture of ours is gone
        raise Fault("INTERNAL", f"a stored picture is missing: {picture.size_variant}") from error
    return NewThumbnail(picture.size_variant, str(target), picture.width, picture.height, picture.file_size)

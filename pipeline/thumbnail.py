"""Third stage: the pictures. A new file is decoded; a duplicate gets copies and is not decoded again."""

import asyncio
from pathlib import Path

from msgspec import convert

from models import database, entities, files, metrics, references, thumbnails
from models.claims import Claimed
from models.database import Connection
from models.errors import Fault
from models.files import StoredFile
from models.thumbnails import NewThumbnail
from pipeline.context import Context
from pipeline.deduplicate import content
from pipeline.fetching import local
from pipeline.stage import Finish
from pipeline.thumbnails import Thumbnail


async def thumbnail(context: Context, claimed: Claimed) -> Finish:
    """Store the three pictures, and give the entity its file."""
    file = await _file(context, claimed)
    made = await _pictures(context, claimed, file) if await _wanted(context, claimed) else []
    context.drop(claimed.job_id)

    async def finish(connection: Connection) -> None:
        await entities.attach(connection, claimed, file, claimed.found)
        if made:
            await thumbnails.replace(connection, claimed.entity_type, claimed.entity_id, file.sha256, made)
        await files.settle(connection, file, claimed.job_id, (claimed.entity_type, claimed.entity_id), list(made))

    return finish


async def _wanted(context: Context, claimed: Claimed) -> bool:
    if claimed.role != "trailer":
        return True
    async with database.connection(context.pool) as connection:
        return not await entities.has_chosen_picture(connection, claimed.entity_id)


async def _file(context: Context, claimed: Claimed) -> StoredFile:
    """The file that the entity gets: its own, or for a duplicate the one that is stored."""
    if claimed.outcome == "stored":
        return content(claimed)
    async with database.connection(context.pool) as connection:
        file = await files.find(connection, claimed.sha256 or "")
    if file is None:
        raise Fault("INTERNAL", "the stored file was removed meanwhile")
    return file


async def _pictures(context: Context, claimed: Claimed, file: StoredFile) -> list[NewThumbnail]:
    lent = convert(file.thumbnails, list[NewThumbnail])
    if claimed.outcome == "duplicate":
        metrics.DUPLICATES.inc()
        if lent:
            return list(await asyncio.gather(*(_copy(context, claimed, picture) for picture in lent)))
    source = await local(context, claimed, references.parse(file.file_reference))
    rendered = await context.sandbox.render(source, context.folder(claimed.job_id), claimed.found.kind)
    return list(await asyncio.gather(*(_store(context, claimed, picture) for picture in rendered)))


async def _copy(context: Context, claimed: Claimed, picture: NewThumbnail) -> NewThumbnail:
    bucket = context.storage.thumbnails
    target = thumbnails.reference(bucket, claimed.entity_type, claimed.entity_id, picture.size_variant)
    await context.storage.copy(references.parse(picture.file_reference), target)
    return NewThumbnail(picture.size_variant, str(target), picture.width, picture.height, picture.file_size)


async def _store(context: Context, claimed: Claimed, picture: Thumbnail) -> NewThumbnail:
    bucket = context.storage.thumbnails
    target = thumbnails.reference(bucket, claimed.entity_type, claimed.entity_id, picture.size_variant)
    await context.storage.put(target, Path(picture.path), "image/jpeg")
    return NewThumbnail(picture.size_variant, str(target), picture.width, picture.height, picture.file_size)

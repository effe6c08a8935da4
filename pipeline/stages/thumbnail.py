"""Third stage: the pictures of a new content. Content that is stored already is not decoded again."""

import asyncio
from pathlib import Path

from models.db import connection as db
from models.db.connection import Connection
from models.jobs.claims import Claimed
from models.jobs.endings import Advanced, Ending
from models.media import files, thumbnails
from models.media.thumbnails import NewThumbnail
from pipeline.engine.context import Context
from pipeline.engine.runner import Finish
from pipeline.media.protocol import RenderedThumbnail
from pipeline.stages.download import local


async def thumbnail(context: Context, claimed: Claimed, folder: Path) -> Finish | Ending:
    """Store three pictures under the content's own name, where no other content's overwrite them."""
    async with db.borrow(context.pool) as connection:
        file = await files.find(connection, claimed.sha256 or "")
    if file and file.stored:
        return Advanced()
    made = await _render(context, claimed, folder)

    async def finish(connection: Connection) -> Ending:
        await files.settle(connection, claimed.sha256 or "", claimed.job_id, made)
        return Advanced()

    return finish


async def _render(context: Context, claimed: Claimed, folder: Path) -> list[NewThumbnail]:
    source = await local(context, claimed, folder)
    rendered = await context.sandbox.render(source, folder, claimed.found.kind)
    return await store(context, claimed.sha256 or "", rendered)


async def store(context: Context, sha256: str, rendered: list[RenderedThumbnail]) -> list[NewThumbnail]:
    """Put the pictures of a content in their places."""
    return list(await asyncio.gather(*(_store(context, sha256, picture) for picture in rendered)))


async def _store(context: Context, content: str, picture: RenderedThumbnail) -> NewThumbnail:
    target = thumbnails.of_content(context.storage.thumbnails, content, picture.size_variant)
    sha256 = await context.storage.put(target, Path(picture.path), "image/jpeg")
    return NewThumbnail(picture.size_variant, str(target), picture.width, picture.height, picture.file_size, sha256)

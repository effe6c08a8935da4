"""First stage: fetch the file, check and hash it, look inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.db import connection as db
from models.errors import JobError, Rejected
from models.jobs import poison
from models.jobs.claims import Claimed
from models.jobs.endings import Advanced, Probed
from models.media import uploads
from models.media.limits import accepted, size_limit, too_large, unsupported
from models.media.types import Media
from pipeline.engine.context import Context
from pipeline.media.hashing import HashingWriter
from pipeline.stages.download import fetch


async def ingest(context: Context, claimed: Claimed, folder: Path) -> Advanced:
    """Learn the SHA-256, size and media of the job's source."""
    path, written, etag = await fetch(context, claimed, folder)
    if written.size == 0:
        raise Rejected("EMPTY_FILE", "the file is empty")
    async with db.borrow(context.pool) as connection:
        announced = await uploads.find(connection, claimed.source_reference)
    if announced is not None:
        uploads.check_file(announced, written.size, written.hexdigest())
    if claimed.declared_sha256 not in (None, written.hexdigest()):
        raise Rejected("HASH_MISMATCH", f"the file's SHA-256 is {written.hexdigest()}, not what was declared")
    with _noted(written):
        async with db.borrow(context.pool) as connection:
            await poison.refuse_known(connection, written.hexdigest())
        media = await context.sandbox.inspect(path, name=claimed.source_reference.rpartition("/")[2])
        check(media, written.size, claimed)
    return Advanced(Probed(written.hexdigest(), written.size, media, etag))


@contextmanager
def _noted(written: HashingWriter) -> Iterator[None]:
    """What is refused is known by its hash, as what is taken is."""
    try:
        yield
    except JobError as error:
        error.content = written.hexdigest(), written.size
        raise


def check(media: Media, size: int, claimed: Claimed) -> None:
    """Whether the entity takes such a file.

    Raises:
        Rejected: UNSUPPORTED_MEDIA_TYPE, FILE_TOO_LARGE
    """
    kinds = accepted(claimed.entity_type, claimed.role)
    if media.kind not in kinds:
        message = unsupported(media.mime_type, claimed.entity_type, kinds, role=claimed.role)
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", message)
    limit = size_limit(media.kind, claimed.entity_type)
    if size > limit:
        message = too_large(size, limit, media.kind, claimed.entity_type, claimed.role)
        raise Rejected("FILE_TOO_LARGE", message)

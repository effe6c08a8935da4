"""Bringing a source to this machine once: the next stage of the same run finds it there."""

from pathlib import Path

from models.errors import Fault, Rejected
from models.jobs.claims import Claimed
from models.media.files import StoredFile
from models.media.references import parse
from models.media.types import accepted, size_limit
from pipeline.engine.context import Context
from pipeline.media.hashing import HashingWriter


async def fetch(context: Context, claimed: Claimed, folder: Path) -> tuple[Path, HashingWriter, str]:
    """Download the job's source, hashing it on the way: where it is, what was written, its ETag."""
    path = folder / "source"
    limit = max(size_limit(kind, claimed.entity_type) for kind in accepted(claimed.entity_type, claimed.role))
    with HashingWriter(path) as writer:
        etag = await context.storage.fetch(parse(claimed.source_reference), writer.write, limit=limit)
    return path, writer, etag


async def local(context: Context, claimed: Claimed, folder: Path) -> Path:
    """The job's source on this machine, fetched again where the run began after the first stage.

    Raises:
        Rejected: HASH_MISMATCH, where the object has been replaced since it was hashed.
        Fault: STORAGE_UNAVAILABLE, where the same object came with other bytes.
    """
    path = folder / "source"
    if path.exists():
        return path
    source, size = parse(claimed.source_reference), claimed.file_size or 0
    with HashingWriter(path) as writer:
        etag = await context.storage.fetch(source, writer.write, limit=size, etag=claimed.source_etag)
    if writer.hexdigest() == claimed.sha256:
        return path
    if etag == claimed.source_etag:
        raise Fault("STORAGE_UNAVAILABLE", "the object storage sent other bytes than before of the same object")
    raise Rejected("HASH_MISMATCH", "the object was replaced while it was processed; send it again")


async def stored(context: Context, file: StoredFile, folder: Path) -> Path:
    """A stored file on this machine, proved to be the one that was stored.

    Raises:
        Rejected: SOURCE_MISSING, FILE_TOO_LARGE or HASH_MISMATCH, where it is not what it was.
    """
    path = folder / file.sha256
    with HashingWriter(path) as writer:
        await context.storage.fetch(parse(file.file_reference), writer.write, limit=file.file_size)
    if writer.hexdigest() != file.sha256:
        raise Rejected("HASH_MISMATCH", f"the stored file is not what it was: its SHA-256 is {writer.hexdigest()}")
    return path

"""Bringing a source to this machine once: the next stage on the same machine finds it here."""

from pathlib import Path

from models.claims import Claimed
from models.errors import Rejected
from models.media import accepted, size_limit
from models.references import Reference, parse
from pipeline.context import Context
from pipeline.hashing import HashingWriter


async def fetch(context: Context, claimed: Claimed) -> tuple[Path, HashingWriter, str]:
    """Download the job's source, hashing it on the way: where it is, what was written, its ETag."""
    path = _path(context, claimed)
    limit = max(size_limit(kind, claimed.entity_type) for kind in accepted(claimed.entity_type, claimed.role))
    with HashingWriter(path) as writer:
        etag = await context.storage.fetch(parse(claimed.source_reference), writer.write, limit=limit)
    return path, writer, etag


async def local(context: Context, claimed: Claimed, source: Reference) -> Path:
    """The job's file on this machine, fetched again where another machine did the stage before.

    Raises:
        Rejected: HASH_MISMATCH, where the object has been replaced since it was hashed.
    """
    path = _path(context, claimed)
    if path.exists() and path.stat().st_size == claimed.file_size:
        return path
    with HashingWriter(path) as writer:
        await context.storage.fetch(source, writer.write, limit=claimed.file_size or 0)
    if writer.hexdigest() != claimed.sha256:
        raise Rejected("HASH_MISMATCH", "the object was replaced while it was processed; send it again")
    return path


def _path(context: Context, claimed: Claimed) -> Path:
    return context.folder(claimed.job_id) / "source"

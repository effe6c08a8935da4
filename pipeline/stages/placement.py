"""The places of an entity's pictures in the storage: only the worker that holds the job writes there.

A place keeps its name when its picture changes, and the storage keeps the last write. A worker that slept through its
lease, or a request that was late, could overwrite newer pictures with older ones. So each copy is signed for less time
than the lease lasts: the storage refuses a late one before another worker may write. See ops/docs/decisions/0015.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from msgspec import convert
from msgspec.structs import replace

from models.db import connection as db
from models.errors import Fault, Rejected
from models.housekeeping import orphans
from models.jobs import claims
from models.jobs.claims import Claimed
from models.media import references, thumbnails
from models.media.files import StoredFile
from models.media.references import Reference
from models.media.thumbnails import NewThumbnail
from pipeline.engine.context import Context
from pipeline.engine.lease import LostLease

OF_THE_LEASE: Final = 0.75  # the rest is for clocks that differ
ROUNDS: Final = 3
PAUSE_SECONDS: Final = 0.3  # between them
Copy = tuple[Reference, Reference]  # from, to


async def place(context: Context, claimed: Claimed, file: StoredFile) -> list[NewThumbnail]:
    """Copy a content's pictures to where the entity has its own; nothing of it arrives after this has ended.

    Raises:
        LostLease: where somebody else owns the job now.
        Fault: where the storage does not take them.
    """
    pictures = convert(file.thumbnails, list[NewThumbnail])
    bucket, kind, key = context.storage.thumbnails, claimed.entity_type, claimed.entity_id
    targets = [thumbnails.reference(bucket, kind, key, picture.size_variant) for picture in pictures]
    sources = [references.parse(picture.file_reference) for picture in pictures]
    await _copy(context, claimed, list(zip(sources, targets, strict=True)))
    return [replace(picture, file_reference=str(to)) for picture, to in zip(pictures, targets, strict=True)]


async def _copy(context: Context, claimed: Claimed, copies: Sequence[Copy]) -> None:
    """All of them, or none that counts; begun anew where time runs out or the storage fails for a moment."""
    error = Fault("STORAGE_UNAVAILABLE", "the object storage did not take the pictures in time")
    for _ in range(ROUNDS if copies else 0):
        until = await _hold(context, claimed, [target for _, target in copies])
        try:
            if await _round(context, copies, until):
                return
        except Fault as fault:
            error = fault
        await asyncio.sleep(PAUSE_SECONDS)
    if copies:
        raise error


async def _hold(context: Context, claimed: Claimed, targets: list[Reference]) -> float:
    """Renew the lease, and claim the places: until when, by this machine's clock, they may be written."""
    began = time.monotonic()
    async with db.transaction(context.pool) as connection:
        if not await claims.renew(connection, claimed, context.holder):
            raise LostLease
        await orphans.spare(connection, targets)
    return began + context.holder.lease_seconds * OF_THE_LEASE


async def _round(context: Context, copies: Sequence[Copy], until: float) -> bool:
    """Copy once; whether the storage took all. Who stops this waits until nothing more of it can arrive."""
    begun = asyncio.gather(*(context.storage.copy(*copy, until) for copy in copies), return_exceptions=True)
    try:
        await asyncio.shield(begun)
    finally:
        ended = await begun
        if any(isinstance(one, Fault) for one in ended):  # it may have been sent, and be on its way still
            await asyncio.sleep(max(0.0, until - time.monotonic()))
    for one in ended:
        if isinstance(one, Rejected):  # the job's own file is well; a picture of ours is gone
            raise Fault("INTERNAL", "a stored picture is missing") from one
        if isinstance(one, BaseException):
            raise one
    return all(ended)

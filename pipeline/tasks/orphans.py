"""Objects that no row refers to: listed when they are seen, removed when they are still such after a grace time."""

from typing import Final, NamedTuple

import structlog

from models.db import connection as db
from models.housekeeping import orphans, schedule
from models.housekeeping.orphans import ObjectPage
from models.media.references import Reference
from pipeline.tasks.run import Run

log = structlog.get_logger()
PAGE: Final = 1000  # objects looked at at once
REMOVAL_SECONDS: Final = 5.0  # in which a removal has its effect or none


class BucketPosition(NamedTuple):
    """In a bucket, after a key."""

    bucket: str
    after: str


async def orphan_objects(run: Run) -> bool:
    """Walk over all buckets, from where the run before it stopped."""
    buckets = sorted(run.storage.buckets)
    place: BucketPosition | None = await _beginning(run, buckets)
    while place:
        if run.out_of_time:
            return True
        page = await _page(run, *place)
        if not await _remove_all(run, page.bucket, await _look(run, page)):
            return True  # and what is left of this page is looked at again
        place = _following(page, buckets)
        await _move(run, place)
    return False


async def _beginning(run: Run, buckets: list[str]) -> BucketPosition:
    """Where the last run stopped, unless that bucket is none of ours any more."""
    async with run.transaction() as connection:
        found = await schedule.position(connection, run.task)
    return BucketPosition(**found) if found and found["bucket"] in buckets else BucketPosition(buckets[0], "")


async def _page(run: Run, bucket: str, after: str) -> ObjectPage:
    objects = await run.storage.objects(bucket, after, PAGE)
    return ObjectPage(bucket, after, objects[-1].key if len(objects) == PAGE else None, objects)


def _following(page: ObjectPage, buckets: list[str]) -> BucketPosition | None:
    """Where the page after this one begins; None after the last."""
    if page.last is not None:
        return BucketPosition(page.bucket, page.last)
    rest = buckets[buckets.index(page.bucket) + 1 :]
    return BucketPosition(rest[0], "") if rest else None


async def _move(run: Run, place: BucketPosition | None) -> None:
    async with run.transaction() as connection:
        await schedule.move(connection, run.task, place and place._asdict())


async def _look(run: Run, page: ObjectPage) -> list[str]:
    """Mark the orphans of a page; those whose time is over.

    What is younger than an upload may take is none yet. What is removed was marked by an earlier run. The look through
    all texts may take seconds, in which nobody waits for a lock.
    """
    settled = run.ago(hours=run.settings.upload_grace_hours)
    keys = [one.key for one in page.objects if one.modified_at < settled]
    async with db.borrow(run.context.pool) as connection:
        found = await orphans.without_reference(connection, page.bucket, keys)
    async with run.transaction() as connection:
        run.counts["found"] += await orphans.mark(connection, page, found)
        over = run.ago(hours=run.settings.orphan_grace_hours)
        return await orphans.removable(connection, page, found, over)


async def _remove_all(run: Run, bucket: str, keys: list[str]) -> bool:
    """One after the other; False where time ran out before."""
    for key in keys:
        if run.out_of_time:
            return False
        await _remove(run, Reference(bucket, key))
    return True


async def _remove(run: Run, target: Reference) -> None:
    """Announced first, so that nobody begins to refer to it meanwhile; too late for that, the storage refuses."""
    async with run.transaction() as connection:
        announced = await orphans.condemn(connection, target, REMOVAL_SECONDS)
    if announced is None:
        return
    if not await run.storage.remove(target, announced + REMOVAL_SECONDS):
        run.counts["put_off"] += 1  # to a later run
        log.warning("an orphan was not removed in time", object=str(target))
        return
    async with run.transaction() as connection:
        await orphans.forget(connection, target)
        run.counts["removed"] += 1

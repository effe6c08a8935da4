"""Objects that no row refers to: listed when they are seen, removed when they are still such after a grace time."""

import time
from typing import Final, NamedTuple

from models import housekeeping, orphans
from models.orphans import Page
from models.references import Reference
from pipeline.run import Run

PAGE: Final = 1000  # objects looked at at once
REMOVAL_SECONDS: Final = 5.0  # in which a removal has its effect or none


class Place(NamedTuple):
    """In a bucket, after a key."""

    bucket: str
    after: str


async def orphan_objects(run: Run) -> bool:
    """Walk over all buckets, from where the run before it stopped."""
    buckets = sorted(run.storage.buckets)
    place: Place | None = await _beginning(run, buckets)
    while place:
        if run.out_of_time:
            return True
        page = await _page(run, *place)
        place = _following(page, buckets)
        await _look(run, page, place)
    return False


async def _beginning(run: Run, buckets: list[str]) -> Place:
    """Where the last run stopped, unless that bucket is none of ours any more."""
    async with run.transaction() as connection:
        found = await housekeeping.position(connection, run.task)
    return Place(**found) if found and found["bucket"] in buckets else Place(buckets[0], "")


async def _page(run: Run, bucket: str, after: str) -> Page:
    objects = await run.storage.objects(bucket, after, PAGE)
    return Page(bucket, after, objects[-1].key if len(objects) == PAGE else None, objects)


def _following(page: Page, buckets: list[str]) -> Place | None:
    """Where the page after this one begins; None after the last."""
    if page.last is not None:
        return Place(page.bucket, page.last)
    rest = buckets[buckets.index(page.bucket) + 1 :]
    return Place(rest[0], "") if rest else None


async def _look(run: Run, page: Page, following: Place | None) -> None:
    """Mark the orphans of a page, and remove those whose time is over.

    What is younger than an upload may take is none yet. What is removed was marked by an earlier run.
    """
    settled = run.ago(hours=run.settings.upload_grace_hours)
    keys = [one.key for one in page.objects if one.modified_at < settled]
    async with run.transaction() as connection:
        found = await orphans.without_reference(connection, page.bucket, keys)
        run.counts["found"] += await orphans.mark(connection, page, found)
        over = run.ago(hours=run.settings.orphan_grace_hours)
        removable = await orphans.removable(connection, page, found, over)
        await housekeeping.move(connection, run.task, following and following._asdict())
    for key in removable:
        await _remove(run, Reference(page.bucket, key))


async def _remove(run: Run, target: Reference) -> None:
    """Announced first, so that nobody begins to refer to it meanwhile; too late for that, the storage refuses."""
    until = time.monotonic() + REMOVAL_SECONDS
    async with run.transaction() as connection:
        if not await orphans.condemn(connection, target, REMOVAL_SECONDS):
            return
    if not await run.storage.remove(target, until):
        return  # the next run does
    async with run.transaction() as connection:
        await orphans.forget(connection, target)
        run.counts["removed"] += 1

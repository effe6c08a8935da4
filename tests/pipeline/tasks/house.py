"""What the tests of housekeeping share: buckets, settings, a run of a task."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from tests import media
from tests.eventually import eventually
from tests.stack import Stack
from tests.work import ENDED, storage

PATH = "/api/v1/housekeeping"
JOBS = "/api/v1/ingest"
MEDIA, PICTURES = "house-media", "house-pictures"
OURS = {"S3_PRIMARY_BUCKET": MEDIA, "S3_THUMBNAIL_BUCKET": PICTURES}  # what others store here would be orphans
EAGER = {"UPLOAD_GRACE_HOURS": "0", "ORPHAN_GRACE_HOURS": "0", "TRASH_RETENTION_DAYS": "30", "LEASE_SECONDS": "1.5"}
CAUTIOUS = {"UPLOAD_GRACE_HOURS": "1", "TRASH_RETENTION_DAYS": "0", "JOB_RETENTION_DAYS": "0", "INTEGRITY_DAYS": "0"}
LONG_AGO = "now() - interval '40 days'"
TABLES = (
    "shows, episodes, clips, outfits, components, ingest_jobs, files, thumbnails, held_objects, orphan_objects, outbox"
)
PICTURE = media.jpeg()
REMOVAL = re.compile(rb"DELETE /house-media/")


def objects(stack: Stack, bucket: str = MEDIA) -> set[str]:
    """The keys of a bucket."""
    return {one["Key"] for one in storage(stack.environ).list_objects_v2(Bucket=bucket).get("Contents", ())}


def key_of(reference: str) -> str:
    """The key in a reference."""
    return reference.removeprefix("s3://").partition("/")[2]


def run(client: httpx2.Client, task: str) -> dict[str, int]:
    """What a run of a task did, from its beginning to its end."""
    posted = client.post(f"{PATH}/{task}/run")
    assert posted.status_code == httpx2.codes.ACCEPTED, posted.text
    last = over(client, task)
    assert (last["job_id"], last["status"]) == (posted.json()["data"]["job_id"], "succeeded"), last
    done: dict[str, int] = last["result"]
    return done


def over(client: httpx2.Client, task: str) -> dict[str, Any]:
    """The last run of a task once it has ended."""

    def look() -> dict[str, Any] | None:
        last: dict[str, Any] = client.get(f"{PATH}/{task}").json()["data"]["last_run"]
        return last if last and last["status"] in ENDED else None

    return eventually(look, within=60)


@contextmanager
def another_worker(stack: Stack, **settings: str) -> Iterator[Any]:
    """Other settings do the work for a while."""
    stack.worker.stop()
    other = stack.child("pipeline.worker", METRICS_PORT="0", **settings)
    other.spawn()
    try:
        yield other
    finally:
        if other.alive:
            other.stop()
        stack.worker.spawn()


def audited(client: httpx2.Client, **wanted: str) -> list[tuple[str, str, Any, Any]]:
    """Who did what: actor, action, before, after; the oldest first."""
    rows = client.get("/api/v1/audit", params=wanted).json()["data"]
    return [(row["actor"], row["action"], row["before"], row["after"]) for row in rows[::-1]]


def deleted(stack: Stack, client: httpx2.Client, path: str, *, long_ago: bool = True) -> None:
    """Put a row in the trash, long ago unless told otherwise."""
    assert client.delete(path, params={"reason": "x"}).status_code == httpx2.codes.NO_CONTENT
    if long_ago:
        table, key = path.removeprefix("/api/v1/").split("/")
        stack.sql(f"update {table} set deleted_at = {LONG_AGO} where {table[:-1]}_id = %s", key)


def gone(client: httpx2.Client, path: str) -> bool:
    """Whether not even an admin finds a row any more."""
    return client.get(path, params={"include_deleted": True}).status_code == httpx2.codes.NOT_FOUND

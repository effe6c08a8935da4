"""Whose fault it is that nothing is there: the sender's where it is one object, ours where it is a whole bucket."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests import media
from tests.eventually import eventually
from tests.stack import Stack, running
from tests.work import ended, post, storage, unique, upload

BUCKET = "buckets-media"


@pytest.fixture
def s3(services: dict[str, str]) -> Any:
    """The storage, past the application."""
    return storage(services)


@pytest.fixture
def stack(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory, s3: Any) -> Iterator[Stack]:
    """A stack with a bucket of its own."""
    s3.create_bucket(Bucket=BUCKET)
    with running(services, tmp_path_factory.mktemp("buckets"), S3_PRIMARY_BUCKET=BUCKET) as made:
        yield made
    for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=one["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def remove(s3: Any, reference: str) -> tuple[str, bytes]:
    """Take away an object and its bucket, in which there is nothing else; its key and what it was."""
    key = reference.removeprefix(f"s3://{BUCKET}/")
    data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    return key, data


def test_a_bucket_of_ours_that_is_missing_is_our_fault_and_the_job_goes_on_when_it_is_back(
    stack: Stack, s3: Any
) -> None:
    with stack.client() as client:
        reference = upload(client, unique(media.jpeg()))
        key, data = remove(s3, reference)
        job = post(client, reference)

        def error() -> Any:
            return client.get(f"/api/v1/ingest/{job['job_id']}").json()["data"]["error"]

        assert eventually(error) == {"code": "STORAGE_UNAVAILABLE", "message": f"the bucket {BUCKET} is missing"}
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        assert ended(client, job)["status"] == "succeeded"


@pytest.mark.chaos
def test_a_job_whose_bucket_stays_away_fails_by_our_fault_and_a_retry_stores_it(stack: Stack, s3: Any) -> None:
    with stack.client() as client:
        reference = upload(client, unique(media.jpeg()))
        key, data = remove(s3, reference)
        failed = ended(client, post(client, reference), within=60)
        assert (failed["status"], failed["attempts"], failed["error"]["code"]) == ("failed", 3, "STORAGE_UNAVAILABLE")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        assert client.post(f"/api/v1/ingest/{failed['job_id']}/retry").status_code == httpx2.codes.OK
        assert ended(client, failed)["status"] == "succeeded"


def test_an_object_that_is_missing_and_a_bucket_that_is_none_of_ours_are_the_senders_fault(
    stack: Stack, s3: Any
) -> None:
    with stack.client() as client:
        missing = ended(client, post(client, f"s3://{BUCKET}/clip/never.jpg"))
        assert missing["error"]["code"] == "SOURCE_MISSING"
        body = {"entity_type": "clip", "entity_id": missing["entity_id"], "source_reference": "s3://theirs/a.jpg"}
        assert client.post("/api/v1/ingest", json=body).status_code == httpx2.codes.BAD_REQUEST
        stack.worker.stop()
        job = post(client, upload(client, unique(media.jpeg())))
        remove(s3, job["source_reference"])
        other = stack.child("pipeline.worker", METRICS_PORT="0", S3_PRIMARY_BUCKET="episodes-media")
        other.spawn()
        assert ended(client, job)["error"]["code"] == "SOURCE_MISSING"
        other.stop()
        s3.create_bucket(Bucket=BUCKET)

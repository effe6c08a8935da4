"""A stack of their own for the tests of housekeeping: it waits for nothing before it tidies up."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.pipeline.tasks.house import EAGER, MEDIA, OURS, PICTURES, TABLES, objects
from tests.stack import Stack, running
from tests.work import storage


@pytest.fixture(scope="session")
def shared(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with buckets of its own, that waits for nothing before it tidies up."""
    there = {bucket["Name"] for bucket in storage(services).list_buckets()["Buckets"]}
    for bucket in {MEDIA, PICTURES} - there:  # tests that move between processes may make one twice
        storage(services).create_bucket(Bucket=bucket)
    with running(services, tmp_path_factory.mktemp("house"), **OURS, **EAGER) as made:
        yield made


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The same with nothing in it."""
    shared.sql(f"truncate {TABLES}, integrity_findings, search_documents cascade")
    shared.sql("update housekeeping_tasks set position = null, next_run_at = now() + interval '1 day'")
    for bucket in (MEDIA, PICTURES):
        for key in objects(shared, bucket):
            storage(shared.environ).delete_object(Bucket=bucket, Key=key)
    return shared


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """An admin."""
    with stack.client("admin", "chief") as client:
        yield client

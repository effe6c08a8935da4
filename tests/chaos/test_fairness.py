"""Slow content of one caller, legal as it is, keeps nobody else waiting."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests import media
from tests.eventually import eventually
from tests.stack import Stack
from tests.work import ended, post, unique, upload

PICTURE = media.jpeg((640, 360))
SOON = 5.0  # seconds, with all processors busy


def at_work(stack: Stack, caller: str) -> int:
    """How many jobs of a caller a worker holds."""
    query = "select count(*) from ingest_jobs where created_by = %s and lease_expires_at is not null"
    number: int = stack.sql(query, caller)[0][0]
    return number


def slow(client: Any, seconds: int) -> dict[str, Any]:
    """A job whose file is decoded for so long."""
    return post(client, upload(client, unique(PICTURE) + b"SLOW%d" % seconds))


@pytest.mark.chaos
def test_a_picture_ends_soon_beside_twelve_slow_ones_of_another(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.dispatcher.spawn()
    stack.api.start()
    worker = stack.worker = stack.child("tests.chaos.slow_worker")
    worker.spawn()
    with stack.client(subject="mallory") as mallory, stack.client(subject="alice") as alice:
        jobs = [slow(mallory, 9) for _ in range(12)]
        eventually(lambda: at_work(stack, "mallory") >= 6, within=60)
        for _ in range(3):
            reference = upload(alice, unique(PICTURE))
            since = time.monotonic()
            assert ended(alice, post(alice, reference), within=60)["status"] == "succeeded"
            assert time.monotonic() - since < SOON
            assert at_work(stack, "mallory") >= 6
        assert mallory.get(f"/api/v1/ingest/{jobs[-1]['job_id']}").json()["data"]["status"] == "queued"

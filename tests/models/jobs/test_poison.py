"""Content that killed its decoder is known from then on, by whomever it is sent."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests import media
from tests.chaos.poisoned_decoder import POISON
from tests.eventually import eventually
from tests.stack import Stack
from tests.work import ended, post, sha256, unique, upload

PICTURE = media.jpeg((320, 180))


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    """A stack whose decoders have a bug."""
    made = new_stack()
    made.worker = made.child("tests.chaos.poisoned_worker", METRICS_PORT="0")
    made.start()
    return made


def hurried(stack: Stack, client: httpx2.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended, without the pauses between its attempts."""

    def look() -> dict[str, Any] | None:
        stack.sql("update ingest_jobs set run_at = now() where status = 'queued' and run_at > now()")
        now: dict[str, Any] = client.get(f"/api/v1/ingest/{job['job_id']}").json()["data"]
        return now if now["status"] == "failed" else None

    return eventually(look, within=60)


def test_content_that_killed_its_decoder_is_refused_at_once_until_somebody_retries_it(stack: Stack) -> None:
    poison = unique(PICTURE) + POISON
    with stack.client(subject="mallory") as mallory, stack.client(subject="alice") as alice:
        first = hurried(stack, mallory, post(mallory, upload(mallory, poison)))
        assert (first["error"]["code"], first["attempts"]) == ("DECODER_KILLED", 3)
        assert (first["sha256"], first["file_size"]) == (sha256(poison), len(poison))
        again = ended(alice, post(alice, upload(alice, poison)))
        assert (again["status"], again["error"], again["attempts"]) == ("failed", first["error"], 1)
        assert again["sha256"] == sha256(poison)
        assert alice.post(f"/api/v1/ingest/{again['job_id']}/retry").status_code == 200
        retried = hurried(stack, alice, again)
        assert (retried["error"], retried["attempts"]) == (first["error"], 3)
        assert ended(alice, post(alice, upload(alice, unique(PICTURE))))["status"] == "succeeded"
    assert stack.sql("select sha256, error_code from poisoned_contents") == [(sha256(poison), "DECODER_KILLED")]


def test_what_is_refused_for_what_it_is_is_known_by_its_hash_and_not_for_poison(server: Stack) -> None:
    text = unique(b"A bill of materials.").hex().encode()
    with server.client() as client:
        job = ended(client, post(client, upload(client, text, "look.jpg")))
        assert (job["status"], job["sha256"], job["file_size"]) == ("failed", sha256(text), len(text))
    assert server.sql("select 1 from poisoned_contents") == []

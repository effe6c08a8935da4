"""What is accepted ends, once, whatever dies meanwhile."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
import pytest
import redis

from ops.stack.__main__ import Plan
from ops.stack.processes import Process
from tests import media
from tests.chaos.world import decoders_of
from tests.eventually import eventually
from tests.resources import CLIP, create
from tests.stack import Stack
from tests.work import post, unique, upload

STAGES = ("ingest", "deduplicate", "thumbnail", "index")
LEASE = "1.5"
PICTURE = media.jpeg((320, 180))


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    """A stack to break, whose leases end soon."""
    made = new_stack(LEASE_SECONDS=LEASE)
    made.api.start()
    return made


def posted(stack: Stack, client: httpx2.Client, count: int) -> list[dict[str, Any]]:
    """So many jobs, each of another picture."""
    references = [upload(client, unique(PICTURE)) for _ in range(count)]
    return [post(client, reference) for reference in references]


def some_succeeded(stack: Stack, count: int) -> bool:
    """Whether so many jobs have ended well."""
    found: int = stack.sql("select count(*) from ingest_jobs where status = 'succeeded'")[0][0]
    return found >= count


def all_ended(stack: Stack, within: float = 90) -> Counter[str]:
    """How the jobs ended, once all have."""
    counts = "select status, count(*) from ingest_jobs group by status"

    def look() -> Counter[str] | None:
        found = Counter(dict(stack.sql(counts)))
        return None if found["queued"] or found["running"] else found

    return eventually(look, within)


def assert_none_twice(stack: Stack, count: int) -> None:
    """Each job ended each stage exactly once, and left exactly one file and three pictures."""
    ended = stack.sql(
        "select stage, count(*), count(distinct job_id) from ingest_attempts where result = 'succeeded' group by stage"
    )
    assert {stage: (number, jobs) for stage, number, jobs in ended} == dict.fromkeys(STAGES, (count, count))
    assert stack.sql("select count(*), count(distinct sha256) from files where stored_at is not null") == [
        (count, count)
    ]
    assert stack.sql("select count(*) from thumbnails") == [(count * 3,)]
    assert stack.sql("select count(*) from clips where file_hash is not null") == [(count,)]


def killed(child: Any) -> None:
    """kill -9, and all that it started."""
    os.kill(child.pid, signal.SIGKILL)
    eventually(lambda: not child.alive)


@pytest.mark.chaos
def test_all_of_100_jobs_end_once_when_workers_are_killed(stack: Stack) -> None:
    with stack.client() as client:
        posted(stack, client, 100)
        stack.dispatcher.spawn()
        for share in (15, 60):  # twice: what is at work when a worker dies for the third time counts as the cause
            stack.worker.spawn()
            eventually(partial(some_succeeded, stack, share), within=60)
            killed(stack.worker)
        stack.worker.spawn()
        assert all_ended(stack) == {"succeeded": 100}
    assert_none_twice(stack, 100)


@pytest.mark.chaos
def test_a_broker_that_forgets_everything_loses_no_job(stack: Stack) -> None:
    with stack.client() as client:
        posted(stack, client, 40)
        stack.dispatcher.spawn()
        broker = redis.Redis.from_url(stack.environ["REDIS_URL"])
        eventually(broker.dbsize)
        broker.flushdb()
        stack.worker.spawn()
        eventually(lambda: stack.sql("select 1 from ingest_jobs where status = 'succeeded'"), within=60)
        broker.flushdb()
        broker.close()
        assert all_ended(stack) == {"succeeded": 40}
    assert_none_twice(stack, 40)


@pytest.mark.chaos
def test_a_worker_that_slept_past_its_lease_writes_nothing(stack: Stack) -> None:
    with stack.client() as client:
        posted(stack, client, 20)
        stack.dispatcher.spawn()
        stack.worker.spawn()
        eventually(lambda: stack.sql("select 1 from ingest_jobs where lease_expires_at is not null"), within=60)
        assert stack.worker.pid
        os.kill(stack.worker.pid, signal.SIGSTOP)
        late = stack.worker
        held = "select 1 from ingest_attempts where result = 'lost'"
        eventually(lambda: stack.sql(held), within=60)
        stack.worker = stack.child("pipeline.worker", METRICS_PORT="0", WORKER_ID="second")
        stack.worker.spawn()
        assert all_ended(stack) == {"succeeded": 20}
        assert late.pid
        os.kill(late.pid, signal.SIGCONT)
        eventually(lambda: "lease lost" in stack.log("worker"), within=60)
        late.stop()
    assert_none_twice(stack, 20)


def test_a_worker_told_to_stop_gives_its_work_back_at_once(stack: Stack) -> None:
    with stack.client() as client:
        posted(stack, client, 30)
        stack.dispatcher.spawn()
        stack.worker.spawn()
        eventually(lambda: stack.sql("select 1 from ingest_jobs where status = 'succeeded'"), within=60)
        stack.worker.stop()
        assert "worker stopped" in stack.log("worker")
        assert stack.sql("select 1 from ingest_jobs where lease_expires_at is not null") == []
        stack.worker.spawn()
        assert all_ended(stack) == {"succeeded": 30}
    assert_none_twice(stack, 30)


def test_a_stage_that_does_not_end_is_given_back_before_the_supervisor_loses_patience(stack: Stack) -> None:
    patience = next(program.patience for program in Plan().programs if program.name == "worker")
    stack.worker = Process(replace(stack.worker.program, patience=patience))
    with stack.client() as client:
        stack.worker.spawn()
        eventually(lambda: "worker started" in stack.log("worker"))
        for decoder in eventually(lambda: decoders_of(stack.worker)):
            os.kill(decoder, signal.SIGSTOP)
        (job,) = posted(stack, client, 1)
        stack.dispatcher.spawn()
        eventually(lambda: stack.sql("select 1 from ingest_jobs where lease_expires_at is not null"), within=60)
        stack.worker.stop()
        assert "worker stopped" in stack.log("worker")
        left = "select attempts, lease_expires_at from ingest_jobs where job_id = %s"
        assert stack.sql(left, job["job_id"]) == [(0, None)]


def test_a_cancelled_job_has_no_effect_even_while_it_runs(stack: Stack) -> None:
    with stack.client() as client:
        jobs = posted(stack, client, 12)
        stack.dispatcher.spawn()
        stack.worker.spawn()
        eventually(lambda: stack.sql("select 1 from ingest_jobs where status = 'running'"), within=60)
        answers = [client.post(f"/api/v1/ingest/{job['job_id']}/cancel").status_code for job in jobs]
        ended = all_ended(stack)
        assert ended["cancelled"] == answers.count(200) > 0
        assert ended["succeeded"] == answers.count(409)
        cancelled = "select entity_id from ingest_jobs where status = 'cancelled'"
        assert stack.sql(f"select 1 from clips where file_hash is not null and clip_id in ({cancelled})") == []
        assert stack.sql("select 1 from files where stored_at is null") == []


@pytest.mark.chaos
def test_a_storage_that_is_away_is_tried_three_times(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(S3_ENDPOINT_URL="http://127.0.0.1:9")
    stack.worker.spawn()
    stack.dispatcher.spawn()
    stack.api.spawn()
    with stack.client() as client:
        eventually(lambda: answers(client), within=60)
        clip = create(client, CLIP)["clip_id"]
        post(client, "s3://episodes-media/clip/x.jpg", clip)
        assert all_ended(stack) == {"failed": 1}
        (job,) = client.get("/api/v1/ingest", params={"error_code": "STORAGE_UNAVAILABLE"}).json()["data"]
    assert (job["attempts"], job["stages"][0]["attempts"]) == (3, 3)


def answers(client: httpx2.Client) -> bool:
    """Whether the API is alive."""
    try:
        return client.get("/health").status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False

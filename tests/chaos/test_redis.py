"""The broker empty, away, full, frozen, and full of what nobody of us has sent: it carries hints, never the truth."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import redis

from ops.services import Services
from tests.chaos.conftest import ON_RABBITMQ, Dealer, world_of
from tests.chaos.proxy import Hold
from tests.chaos.world import PICTURE, World
from tests.eventually import eventually
from tests.work import unique

pytestmark = pytest.mark.skipif(ON_RABBITMQ, reason="these are faults of Redis")
QUEUE = "episodes:pipeline"
FETCH = re.compile(rb"GET /episodes-media/")
SOON = 10.0  # seconds within which all that was in an emptied broker is dispatched again


@pytest.fixture(scope="module")
def client(fragile: World) -> Iterator[httpx2.Client]:
    """Signed in as an editor."""
    with fragile.stack.client() as signed_in:
        yield signed_in


@pytest.fixture
def queue(fragile: World) -> Iterator[redis.Redis]:
    """The broker itself, as somebody who can do everything with it."""
    with redis.Redis.from_url(fragile.stack.environ["REDIS_URL"]) as connected:
        yield connected


def started(world: World) -> int:
    """How many jobs were ever started."""
    number: int = world.stack.sql("select count(*) from ingest_jobs where started_at is not null")[0][0]
    return number


def message(job_id: object, actor: str = "ingest", **more: object) -> tuple[str, str]:
    """A hint as Dramatiq writes it to Redis, and its id there."""
    redis_id = str(uuid4())
    body = {
        "queue_name": "pipeline",
        "actor_name": actor,
        "args": [job_id],
        "kwargs": {},
        "options": {"redis_message_id": redis_id},
        "message_id": str(uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }
    return redis_id, json.dumps(body | more)


def put(queue: redis.Redis, redis_id: str, body: str | bytes) -> None:
    """Put a message into the queue."""
    queue.hset(f"{QUEUE}.msgs", redis_id, body)
    queue.rpush(QUEUE, redis_id)


def forgeries() -> list[tuple[str, str | bytes]]:
    """What somebody who can write to Redis may put there."""
    names = {"redis_message_id": str(uuid4())}
    deep = '{"args":' + "[" * 100_000
    return [
        (str(uuid4()), b"\x00\xff garbage"),
        (str(uuid4()), "[]"),
        (str(uuid4()), "null"),
        (str(uuid4()), deep),
        message(str(uuid4()), actor="shutdown"),
        message(str(uuid4()), actor="thumbnail"),
        message("'; drop table ingest_jobs; --"),
        message({"job": 1}),
        message(str(uuid4()), args=[]),
        message(str(uuid4()), args=[str(uuid4())] * 7),
        message(str(uuid4()), kwargs={"force": True}),
        message(str(uuid4()), options={}),
        message(str(uuid4()), options=names | {"eta": "soon"}),
        message(str(uuid4()), options=names | {"eta": 2**62}),
        message(str(uuid4()), options=names | {"pipe_target": {"actor": "index"}}),
        message(str(uuid4()), queue_name="another"),
        message(str(uuid4()), message_id=[1]),
        message("x" * 10_000_000),
        (str(uuid4()), b"\xff" * 10_000_000),
    ]


@contextmanager
def full(queue: redis.Redis) -> Iterator[None]:
    """Redis takes nothing more."""
    queue.config_set("maxmemory", "1")
    try:
        yield
    finally:
        queue.config_set("maxmemory", "0")


@contextmanager
def away(own: Services) -> Iterator[None]:
    """Redis is gone, and comes back with nothing in it."""
    assert own.redis is not None
    own.redis.stop()
    shutil.rmtree(own.home / "valkey" / "appendonlydir")
    try:
        yield
    finally:
        own.redis.start()


@contextmanager
def frozen(own: Services) -> Iterator[None]:
    """Redis neither answers nor refuses."""
    assert own.redis is not None
    assert own.redis.pid is not None
    os.kill(own.redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(own.redis.pid, signal.SIGCONT)


def test_garbage_and_forgeries_cost_no_job_and_no_worker(
    fragile: World, client: httpx2.Client, queue: redis.Redis, dealt: Dealer
) -> None:
    fragile.lone()
    since, times = time.monotonic(), 0
    for _ in range(6):
        for redis_id, body in forgeries():
            put(queue, redis_id, body)
            times += 1
        fragile.send(client)
    dealt("garbage, unknown actors, forged ids, 10 MB messages in Redis", fragile, since, times=times, within=40)
    before = started(fragile)
    fragile.send(client)  # and the same worker goes on as if nothing had been
    dealt("… and what comes after them", fragile, time.monotonic(), times=0, within=10)
    assert started(fragile) == before + 1
    assert fragile.workers[-1].alive


def test_a_hint_delivered_fifty_times_at_once_is_one_job(
    fragile: World, client: httpx2.Client, queue: redis.Redis, dealt: Dealer
) -> None:
    for child in fragile.workers:
        child.stop()
    sent = fragile.send(client)
    for _ in range(50):
        put(queue, *message(sent.job_id))
    since = time.monotonic()
    for _ in range(2):
        fragile.worker()
    dealt("one hint delivered 50 times at once", fragile, since, times=50)
    attempts = "select count(*) from ingest_attempts where job_id = %s"
    assert fragile.stack.sql(attempts, sent.job_id) == [(4,)]


def test_redis_full_delays_and_loses_nothing(
    fragile: World, client: httpx2.Client, queue: redis.Redis, dealt: Dealer
) -> None:
    fragile.lone()
    since = time.monotonic()
    with full(queue):
        for _ in range(5):
            fragile.send(client)
        eventually(lambda: "used memory > 'maxmemory'" in fragile.stack.log("dispatcher"), within=20)
    dealt("Redis full (maxmemory, noeviction)", fragile, since)


@pytest.mark.chaos
def test_redis_full_while_stages_are_at_work(
    fragile: World, client: httpx2.Client, queue: redis.Redis, dealt: Dealer
) -> None:
    fragile.lone()
    hold = Hold()
    trap = fragile.storage.trap("up", FETCH, hold)
    fragile.send(client)
    trap.wait()
    since = time.monotonic()
    with full(queue):
        hold.release()
        fragile.settle()  # the job ends; its hint cannot be acknowledged
    fragile.calm()
    for _ in range(5):
        fragile.send(client)
    dealt("Redis full while stages are at work", fragile, since)


@pytest.fixture
def crowd(own: Services, tmp_path: Path) -> Iterator[World]:
    """A world for a thousand jobs."""
    with world_of(own.environment, tmp_path, LEASE_SECONDS="2") as made:
        yield made


@pytest.mark.chaos
def test_a_thousand_queued_jobs_survive_a_flush(crowd: World, queue: redis.Redis, dealt: Dealer) -> None:
    with crowd.stack.client() as client:
        crowd.send_batch(client, [unique(PICTURE) for _ in range(100)], 1000)
    crowd.worker()
    succeeded = "select count(*) from ingest_jobs where status = 'succeeded'"
    eventually(lambda: crowd.stack.sql(succeeded)[0][0] > 50, within=60)
    since = time.monotonic()
    hinted = "select clock_timestamp(), array_agg(job_id) from ingest_jobs where hinted_at is not null"
    ((flushed, lost),) = crowd.stack.sql(hinted)
    queue.flushall()
    again = "select count(*) from ingest_jobs where job_id = any(%s) and (hinted_at > %s or started_at is not null)"
    eventually(lambda: crowd.stack.sql(again, lost, flushed)[0][0] == len(lost), within=SOON)
    dealt("FLUSHALL with 1,000 queued", crowd, since, within=240)


@pytest.mark.chaos
def test_redis_away_for_a_minute_and_back_empty(
    own: Services, fragile: World, client: httpx2.Client, dealt: Dealer
) -> None:
    fragile.lone()
    for _ in range(5):
        fragile.send(client)
    since = time.monotonic()
    with away(own):
        for _ in range(5):
            fragile.send(client)
        time.sleep(60)  # there is nothing to be awaited: that is the fault
    dealt("Redis down for 60 s and back empty", fragile, since, within=30)


@pytest.mark.chaos
def test_redis_away_while_a_stage_fails(own: Services, fragile: World, client: httpx2.Client, dealt: Dealer) -> None:
    fragile.lone()
    hold = Hold()
    trap = fragile.storage.trap("up", FETCH, hold)
    sent = fragile.send(client)
    trap.wait()
    since = time.monotonic()
    fragile.storage.stop()
    with away(own):
        hold.release()
        failed = "select 1 from ingest_attempts where job_id = %s and result = 'failed'"
        eventually(lambda: fragile.stack.sql(failed, sent.job_id), within=20)  # it has nobody to tell but the database
        fragile.calm()
        fragile.storage.start()
    dealt("Redis down while a stage fails", fragile, since)


@pytest.mark.chaos
def test_redis_frozen(own: Services, fragile: World, client: httpx2.Client, dealt: Dealer) -> None:
    fragile.lone()
    fragile.send(client)
    since = time.monotonic()
    with frozen(own):
        for _ in range(5):
            fragile.send(client)
        time.sleep(20)
    dealt("Redis frozen for 20 s (SIGSTOP)", fragile, since)

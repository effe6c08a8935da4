"""The broker empty, away, full, frozen, and full of what nobody of us has sent: it carries messages, never the truth.

The same on Redis and on RabbitMQ (``CHAOS_BROKER``).
"""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ops.stack.services import Services
from tests.chaos.brokers import Broker, Rabbit, Redis, forgeries, message
from tests.chaos.conftest import ON_RABBITMQ, QUICK, Dealer, MakeBroker, world_of
from tests.chaos.proxy import Hold
from tests.chaos.storage import FETCH
from tests.chaos.world import PICTURE, World
from tests.eventually import eventually
from tests.work import unique

NAME = "RabbitMQ" if ON_RABBITMQ else "Redis"
SOON = 10.0  # seconds within which all that was in an emptied broker is dispatched again


@pytest.fixture(scope="module")
def client(fragile: World) -> Iterator[httpx2.Client]:
    """Signed in as an editor."""
    with fragile.stack.client() as signed_in:
        yield signed_in


def broker_of(world: World, own: Services, request: pytest.FixtureRequest) -> Broker:
    """What carries a world's messages."""
    if ON_RABBITMQ:
        return Rabbit(request.getfixturevalue("rabbitmq"), world.stack.environ["BROKER_URL"])
    return Redis(own, world.stack.environ["REDIS_URL"])


@pytest.fixture
def messages(fragile: World, own: Services, request: pytest.FixtureRequest) -> Broker:
    """What carries them."""
    return broker_of(fragile, own, request)


def started(world: World) -> int:
    """How many jobs were ever started."""
    number: int = world.stack.sql("select count(*) from ingest_jobs where started_at is not null")[0][0]
    return number


@QUICK
def test_garbage_and_forgeries_cost_no_job_and_no_worker(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    fragile.lone()
    since, times = time.monotonic(), 0
    for _ in range(6):
        made = forgeries()
        messages.put(made)
        times += len(made)
        fragile.send(client)
    dealt(f"garbage, unknown actors, forged ids, 10 MB messages in {NAME}", fragile, since, times=times, within=40)
    before = started(fragile)
    fragile.send(client)  # and the same worker goes on as if nothing had been
    dealt("… and what comes after them", fragile, time.monotonic(), times=0, within=10)
    assert started(fragile) == before + 1
    assert fragile.workers[-1].alive


@QUICK
def test_a_message_delivered_fifty_times_at_once_is_one_job(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    for child in fragile.workers:
        child.stop()
    sent = fragile.send(client)
    messages.put([message(sent.job_id) for _ in range(50)])
    since = time.monotonic()
    for _ in range(2):
        fragile.worker()
    dealt("one message delivered 50 times at once", fragile, since, times=50)
    attempts = "select count(*) from ingest_attempts where job_id = %s"
    assert fragile.stack.sql(attempts, sent.job_id) == [(4,)]


@QUICK
def test_a_full_broker_delays_and_loses_nothing(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    fragile.lone()
    since = time.monotonic()
    dispatched = "select count(*) from ingest_jobs where job_id = any(%s) and dispatched_at is not null"
    with messages.full():
        ids = [fragile.send(client).job_id for _ in range(5)]
        eventually(lambda: fragile.stack.sql(dispatched, ids) != [(0,)], within=20)  # noted, and not to be sent
    dealt(f"{NAME} full ({'memory alarm' if ON_RABBITMQ else 'maxmemory, noeviction'})", fragile, since)


@pytest.mark.chaos
def test_a_full_broker_while_stages_are_at_work(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    fragile.lone()
    hold = Hold()
    trap = fragile.storage.trap("up", FETCH, hold)
    fragile.send(client)
    trap.wait()
    since = time.monotonic()
    with messages.full():
        hold.release()
        fragile.settle()  # the job ends; on Redis its message cannot be acknowledged
    fragile.calm()
    for _ in range(5):
        fragile.send(client)
    dealt(f"{NAME} full while stages are at work", fragile, since)


@pytest.fixture
def crowd(own: Services, broker: MakeBroker, tmp_path: Path) -> Iterator[World]:
    """A world for a thousand jobs."""
    with world_of(own.environment, tmp_path, LEASE_SECONDS="2", **broker()) as made:
        yield made


@pytest.mark.chaos
def test_a_thousand_queued_jobs_survive_that_all_messages_are_gone(
    crowd: World, own: Services, request: pytest.FixtureRequest, dealt: Dealer
) -> None:
    with crowd.stack.client() as client:
        crowd.send_batch(client, [unique(PICTURE) for _ in range(100)], 1000)
    crowd.worker()
    succeeded = "select count(*) from ingest_jobs where status = 'succeeded'"
    eventually(lambda: crowd.stack.sql(succeeded)[0][0] > 50, within=60)
    since = time.monotonic()
    dispatched = "select clock_timestamp(), array_agg(job_id) from ingest_jobs where dispatched_at is not null"
    ((flushed, lost),) = crowd.stack.sql(dispatched)
    broker_of(crowd, own, request).purge()
    again = "select count(*) from ingest_jobs where job_id = any(%s) and (dispatched_at > %s or started_at is not null)"
    eventually(lambda: crowd.stack.sql(again, lost, flushed)[0][0] == len(lost), within=SOON)
    dealt(f"{'purge' if ON_RABBITMQ else 'FLUSHALL'} with 1,000 queued", crowd, since, within=240)


@pytest.mark.chaos
def test_a_broker_that_is_away_for_a_minute_and_back_empty(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    fragile.lone()
    for _ in range(5):
        fragile.send(client)
    since = time.monotonic()
    with messages.away():
        for _ in range(5):
            fragile.send(client)
        time.sleep(60)  # there is nothing to be awaited: that is the fault
    dealt(f"{NAME} down for 60 s and back empty", fragile, since, within=60 + 30)


@pytest.mark.chaos
def test_a_broker_that_is_away_while_a_stage_fails(
    fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer
) -> None:
    fragile.lone()
    hold = Hold()
    trap = fragile.storage.trap("up", FETCH, hold)
    sent = fragile.send(client)
    trap.wait()
    since = time.monotonic()
    fragile.storage.stop()
    with messages.away():
        hold.release()
        failed = "select 1 from ingest_attempts where job_id = %s and result = 'failed'"
        eventually(lambda: fragile.stack.sql(failed, sent.job_id), within=20)  # it has nobody to tell but the database
        fragile.calm()
        fragile.storage.start()
    dealt(f"{NAME} down while a stage fails", fragile, since)


@pytest.mark.chaos
def test_a_frozen_broker(fragile: World, client: httpx2.Client, messages: Broker, dealt: Dealer) -> None:
    fragile.lone()
    fragile.send(client)
    since = time.monotonic()
    with messages.frozen():
        for _ in range(5):
            fragile.send(client)
        time.sleep(20)
    dealt(f"{NAME} frozen for 20 s (SIGSTOP)", fragile, since)

"""When the faults are over nothing is left of them: no stuck thread, no connection in use, no orphan."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx2
import pytest

from ops.stack.services import Services
from tests.chaos import troubles
from tests.chaos.conftest import Dealer, MakeBroker, world_of
from tests.chaos.proxy import Hold
from tests.chaos.storage import FETCH
from tests.chaos.test_broker import broker_of
from tests.chaos.test_postgresql import crash
from tests.chaos.troubles import Wish
from tests.chaos.world import World, decoders_of
from tests.eventually import eventually
from tests.processes import family, lives
from tests.resources import CLIP

THREADS = 6  # jobs that the worker runs at once
CONNECTIONS = 4  # of the API's pool
READING: Final[Wish] = "lock table clips in access exclusive mode", []  # whoever reads them waits


@pytest.fixture
def alone(own: Services, broker: MakeBroker, tmp_path: Path) -> Iterator[World]:
    """A world of its own, of which nothing may be left."""
    settings = {"WORKER_THREADS": str(THREADS), "DATABASE_POOL_MAX": str(CONNECTIONS), "DATABASE_POOL_MIN": "1"}
    with world_of(own.environment, tmp_path, LEASE_SECONDS="2", **settings, **broker()) as made:
        yield made


@pytest.mark.chaos
def test_after_all_faults_every_thread_and_connection_works_and_no_process_is_left(
    own: Services, alone: World, request: pytest.FixtureRequest, dealt: Dealer
) -> None:
    worker = alone.worker()
    with alone.stack.client() as client:
        full_strength(alone, client)
        since = time.monotonic()
        for fault in faults_of(own, alone, request):
            for _ in range(THREADS):
                alone.send(client)
            fault()
            eventually(lambda: client.get(CLIP.path).status_code == 200, within=10)
        dealt("one of each: PostgreSQL, broker, S3; then all threads and connections at work", alone, since, times=4)
        full_strength(alone, client)
    left = {pid for child in (alone.stack.api, alone.stack.dispatcher, worker) for pid in family(child.pid or 0)}
    assert len(left) > 3
    assert set(decoders_of(worker)) < left
    alone.stop()
    assert [pid for pid in left if lives(pid)] == []
    assert processes_of(alone) == []


def faults_of(own: Services, world: World, request: pytest.FixtureRequest) -> list[Callable[[], None]]:
    """One of each service's."""
    broker = broker_of(world, own, request)

    def database() -> None:
        crash(own)
        assert own.postgres is not None
        own.postgres.start()

    def away() -> None:
        with broker.away():
            pass

    def storage() -> None:
        world.storage.stop()
        world.storage.start()

    return [database, lambda: troubles.end_backends(world.stack.database_url), away, storage]


def full_strength(world: World, client: httpx2.Client) -> None:
    """The worker runs as many jobs at once as it has threads, the API as many requests as it has connections."""
    hold = Hold()
    world.storage.trap("up", FETCH, hold, times=1000)
    for _ in range(THREADS):
        world.send(client)
    at_work = "select count(*) from ingest_jobs where lease_expires_at is not null"
    eventually(lambda: world.stack.sql(at_work) == [(THREADS,)], within=30)
    hold.release()
    world.calm()
    world.settle()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        with troubles.held(world.stack.database_url, READING):
            asked = [threads.submit(client.get, CLIP.path) for _ in range(CONNECTIONS)]
            waiting = "select count(*) >= %s from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'clips'"
            eventually(lambda: world.stack.sql(waiting, CONNECTIONS) == [(True,)], within=2.5)
        assert [one.result().status_code for one in asked] == [200] * CONNECTIONS


def processes_of(world: World) -> list[str]:
    """Every process on this machine that was started for a stack, as its environment tells."""
    mark = f"EPISODES_HOME={world.stack.home}".encode()
    return [process.name for process in Path("/proc").glob("[0-9]*") if mark in environment(process).split(b"\0")]


def environment(process: Path) -> bytes:
    """Of a process, or nothing where it is another user's, or gone."""
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""

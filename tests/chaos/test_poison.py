"""What kills its decoder, or the whole worker, is found out; what was at work beside it is not harmed."""

import os
import re
import time
from urllib.parse import urlsplit

import httpx2
import pytest

from ops.stack.processes import Process
from tests import work
from tests.chaos.conftest import Dealer
from tests.chaos.poisoned_decoder import POISON
from tests.chaos.proxy import Hold, Link, Proxy
from tests.chaos.storage import FETCH
from tests.chaos.world import PICTURE, World, decoders_of, kill, through
from tests.eventually import eventually
from tests.work import unique

# A stage that a worker died with, and that has one attempt left.
SUSPECT = """
    with lost as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker, finished_at, result)
        values (%s, 1, 'ingest', 1, 'gone', now(), 'lost')
    )
    update ingest_jobs set fence = 2, attempts = 2 where job_id = %s
"""
NEIGHBOURS = 5


@pytest.mark.chaos
def test_a_file_that_kills_its_decoder_is_told_after_three_starts_and_the_worker_lives(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    world.lone().stop()
    worker = world.worker("tests.chaos.poisoned_worker", WORKER_ID="poisoned")
    since, pid = time.monotonic(), worker.pid
    poison = world.send(client, unique(PICTURE) + POISON, "DECODER_KILLED")
    for _ in range(NEIGHBOURS):
        world.send(client)
    dealt("a file that kills its decoder", world, since, times=3, within=30)
    starts = "select attempt, error_code, worker from ingest_attempts where job_id = %s order by fence"
    assert world.stack.sql(starts, poison.job_id) == [(n, "DECODER_KILLED", "poisoned") for n in (1, 2, 3)]
    assert worker.pid == pid
    worker.stop()


def test_a_decoder_that_died_while_it_was_idle_is_no_files_fault(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    world.lone().stop()
    worker = world.worker(DECODERS="2")
    world.send(client)
    world.settle()
    since = time.monotonic()
    for decoder in decoders_of(worker):
        os.kill(decoder, 9)
    sent = world.send(client)
    dealt("kill -9 of idle decoders", world, since, times=2)
    assert world.stack.sql("select max(attempt) from ingest_attempts where job_id = %s", sent.job_id) == [(1,)]
    worker.stop()


class Supervised:
    """A worker that one file kills, and that is started again when it dies, as its supervisor does."""

    def __init__(self, world: World) -> None:
        self.deaths: list[int] = []  # how many jobs were at work at each
        self.neighbours = Hold()  # they are at work until the worker has died twice
        self._world = world
        self._child = self._start()

    def die(self, link: Link, _: bytes) -> None:
        """An act: who has asked for this file dies of it, with all its neighbours at work."""
        if len(self.deaths) < 2:
            eventually(lambda: self._at_work() > NEIGHBOURS, within=20)
        self.deaths.append(self._at_work())
        kill(self._child)
        link.reset()
        if len(self.deaths) == 2:
            self.neighbours.release()
        self._child = self._start()

    def _start(self) -> Process:
        self._name = f"killed {len(self.deaths)} times"
        return self._world.worker(WORKER_THREADS=str(NEIGHBOURS + 1), WORKER_ID=self._name)

    def _at_work(self) -> int:
        """How many jobs this one holds; those of its predecessor wait for the end of their leases."""
        query = "select count(*) from ingest_attempts where worker = %s and finished_at is null"
        number: int = self._world.stack.sql(query, self._name)[0][0]
        return number


@pytest.mark.chaos
def test_a_job_that_kills_every_worker_fails_and_its_neighbours_succeed(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    data = unique(PICTURE)
    reference = work.upload(client, data)
    world.lone().stop()
    supervised = Supervised(world)
    world.storage.trap("up", re.compile(reference.removeprefix("s3:/").encode()), supervised.die, times=10)
    world.storage.trap("up", FETCH, supervised.neighbours, times=1000)
    since = time.monotonic()
    killer = world.send(client, data, "INTERNAL", reference=reference)
    for _ in range(NEIGHBOURS):
        world.send(client)
    dealt("a job that kills every worker, with neighbours at work", world, since, times=3, within=90)
    assert supervised.deaths == [NEIGHBOURS + 1, NEIGHBOURS + 1, 1]
    starts = "select attempt, result from ingest_attempts where job_id = %s order by fence"
    assert world.stack.sql(starts, killer.job_id) == [(1, "lost"), (2, "lost"), (3, "lost")]
    world.calm()


def at_work(world: World) -> int:
    """How many jobs a worker holds."""
    number: int = world.stack.sql("select count(*) from ingest_jobs where lease_expires_at is not null")[0][0]
    return number


def waiting(world: World) -> int:
    """How many jobs wait that are no suspects."""
    query = "select count(*) from ingest_jobs where status = 'queued' and attempts = 0"
    number: int = world.stack.sql(query)[0][0]
    return number


@pytest.mark.chaos
def test_a_suspect_that_waits_to_run_alone_holds_up_one_worker_and_no_other(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    world.lone().stop()
    busy, beside = Hold(), Proxy(urlsplit(world.stack.environ["S3_ENDPOINT_URL"]).port or 0)
    beside.start()
    traps = [way.trap("up", FETCH, busy) for way in (world.storage, beside)]  # a job of each goes on until it is let go
    pause = "insert into ingest_pauses (name, reason, paused_by, until) values ('batch', 'a', 'b', 'infinity')"
    world.stack.sql(pause)
    suspect = world.send(client, priority="batch")
    world.stack.sql(SUSPECT, suspect.job_id, suspect.job_id)
    since = time.monotonic()
    workers = world.worker(), world.worker(S3_ENDPOINT_URL=through(beside, world.stack.environ["S3_ENDPOINT_URL"]))
    while not all(trap.sprung.wait(0.5) for trap in traps):
        world.send(client)
    eventually(lambda: at_work(world) == 2 and not waiting(world), within=20)
    world.stack.sql("delete from ingest_pauses")
    reserved = "select 1 from ingest_jobs where job_id = %s and dispatched_at > clock_timestamp()"
    eventually(lambda: world.stack.sql(reserved, suspect.job_id), within=20)
    for _ in range(8):  # longer than a message is waited for
        world.send(client)
        eventually(lambda: at_work(world) == 2 and not waiting(world), within=10)
        time.sleep(1)  # there is nothing to be awaited: that nothing happens is the point
    assert world.stack.sql("select status, attempts from ingest_jobs where job_id = %s", suspect.job_id) == [
        ("queued", 2)
    ]
    busy.release()
    dealt("a suspect waits for its turn alone, beside another worker", world, since)
    for worker in workers:
        worker.stop()
    beside.stop()

"""What kills its decoder, or the whole worker, is found out; what was at work beside it is not harmed."""

import os
import re
import time

import httpx2
import pytest

from ops.children import Child
from tests import work
from tests.chaos.conftest import Dealer
from tests.chaos.poisoned_decoder import POISON
from tests.chaos.proxy import Hold, Link
from tests.chaos.world import PICTURE, World, decoders_of, kill
from tests.eventually import eventually
from tests.work import unique

FETCH = re.compile(rb"GET /episodes-media/")
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
    dealt("a file that kills its decoder", world, since, times=3)
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

    def _start(self) -> Child:
        return self._world.worker(WORKER_THREADS=str(NEIGHBOURS + 1))

    def _at_work(self) -> int:
        number: int = self._world.stack.sql("select count(*) from ingest_jobs where lease_expires_at is not null")[0][0]
        return number


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

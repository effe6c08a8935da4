"""PostgreSQL restarts, ends backends, refuses for real reasons: nobody sees a 500, and nothing accepted is lost."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest

from ops.stack.services import Services
from tests import work
from tests.chaos import proxy, troubles
from tests.chaos.conftest import QUICK, Dealer
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Hold
from tests.chaos.storage import FETCH
from tests.chaos.troubles import Wish
from tests.chaos.world import PICTURE, World
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, create

SOON = 10.0  # seconds within which the API serves again
LOCK = 3.0  # seconds that a request waits for one


@pytest.fixture(scope="module")
def client(fragile: World) -> Iterator[httpx2.Client]:
    """Signed in as an editor."""
    with fragile.stack.client() as signed_in:
        yield signed_in


class Load:
    """Callers that create clips and ask for jobs, without a pause; what they were answered."""

    def __init__(self, world: World, data: list[bytes], references: list[str]) -> None:
        self.sent: list[Sent] = []
        self.answers: Counter[int] = Counter()
        self.served = 0.0  # when a write was last accepted
        self.unfriendly: list[str] = []  # neither accepted nor a 503 that says when to come back
        self._world = world
        self._files = list(zip(data, references, strict=True))
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(4)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        with self._world.stack.client() as client:
            while not self._stopped.is_set() and self._files:
                data, reference = self._files.pop()
                clip = self._written(client, CLIP.path, CLIP.body(client))
                body = {"entity_type": "clip", "entity_id": clip["clip_id"], "source_reference": reference}
                job = self._written(client, "/api/v1/ingest", body)
                self.sent.append(Sent(job["job_id"], clip["clip_id"], reference, data))

    def _written(self, client: httpx2.Client, path: str, body: object) -> dict[str, str]:
        """Ask until it is accepted, with one key, as a client should."""
        key = {"Idempotency-Key": os.urandom(8).hex()}
        while True:
            answer = client.post(path, json=body, headers=key)
            self.answers[answer.status_code] += 1
            if answer.status_code in (201, 202):
                self.served = time.monotonic()
                data: dict[str, str] = answer.json()["data"]
                return data
            if answer.status_code != 503 or not answer.headers.get("Retry-After", "").isdecimal():
                self.unfriendly.append(f"{answer.status_code} {answer.text}")
                raise AssertionError(self.unfriendly[-1])
            time.sleep(0.1)


@contextmanager
def load(world: World, client: httpx2.Client, count: int) -> Iterator[Load]:
    """Callers at work; what they were accepted joins what was sent."""
    data = [work.unique(PICTURE) for _ in range(count)]
    made = Load(world, data, [work.upload(client, one) for one in data])
    with made:
        eventually(lambda: len(made.sent) > 3, within=30)
        yield made
        eventually(lambda: len(made.sent) == count or made.unfriendly, within=60)
    world.sent += made.sent
    assert made.unfriendly == []


def crash(own: Services) -> None:
    """Immediate shutdown: no backend may say goodbye, the next start recovers from the log."""
    assert own.postgres is not None
    assert own.postgres.pid is not None
    os.kill(own.postgres.pid, signal.SIGQUIT)
    own.postgres.await_end()


@pytest.mark.parametrize("seconds", [0, pytest.param(30, marks=pytest.mark.chaos)])
def test_postgresql_restarted_at_once_under_load(
    own: Services, fragile: World, client: httpx2.Client, dealt: Dealer, seconds: int
) -> None:
    fragile.lone()
    assert own.postgres is not None
    with load(fragile, client, 40 if seconds == 0 else 80) as callers:
        crash(own)
        since = time.monotonic()
        if seconds:
            eventually(lambda: callers.answers[503], within=20)
            time.sleep(seconds)  # nothing to be awaited: that is the fault
        own.postgres.start()
        back = time.monotonic()
        eventually(lambda: callers.served > back, within=SOON)
    assert set(callers.answers) <= {201, 202, 503}
    fault = f"PostgreSQL away for {seconds} s under load" if seconds else "PostgreSQL restarted at once under load"
    dealt(fault, fragile, since, within=90 + seconds)


def test_a_backend_killed_in_mid_transaction(fragile: World, client: httpx2.Client, dealt: Dealer) -> None:
    fragile.lone()
    hold = Hold()
    trap = fragile.postgresql.trap("up", proxy.COMMIT, hold, skip=3)
    fragile.send(client)
    trap.wait()
    since = time.monotonic()
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'"
    assert fragile.stack.sql(ended)
    hold.release()
    fragile.calm()
    dealt("a backend killed in mid-transaction", fragile, since)


def refused(asked: httpx2.Response) -> bool:
    """Whether a caller was told to come back."""
    return (asked.status_code, asked.headers.get("Retry-After")) == (503, "2")


@pytest.fixture
def clip(client: httpx2.Client) -> str:
    """One that a request changes; what a test before this one has ended may still be coming back."""
    eventually(lambda: client.get(CLIP.path).status_code == 200, within=30)
    return str(create(client, CLIP)["clip_id"])


def change(client: httpx2.Client, clip: str, **more: str) -> httpx2.Response:
    """The request."""
    return client.patch(f"{CLIP.path}/{clip}", json={"description": "at the pier"} | more)


@QUICK
def test_a_deadlock(fragile: World, client: httpx2.Client, dealt: Dealer, clip: str) -> None:
    with crossing(fragile, client, dealt, "deadlock (40P01)") as crossed:
        episode = create(client, EPISODE)["episode_id"]
        crossed.request(clip, (troubles.EPISODE, [episode]), (troubles.CLIP, [clip]), episode_id=episode)
        crossed.job(lambda sent: (troubles.JOB, [sent.job_id]), "deadlock detected")


@QUICK
def test_a_serialization_failure(fragile: World, client: httpx2.Client, dealt: Dealer, clip: str) -> None:
    """PostgreSQL's own isolation knows none; an operator may set another one."""
    with (
        crossing(fragile, client, dealt, "serialization failure (40001)") as crossed,
        troubles.everybody(fragile.stack.database_url, "default_transaction_isolation", "repeatable read"),
    ):
        eventually(lambda: client.get(CLIP.path).status_code == 200, within=30)
        crossed.request(clip, (troubles.CLIP, [clip]), (troubles.TOUCH, [clip]))
        crossed.job(lambda sent: (troubles.TOUCH, [sent.entity_id]), "could not serialize access")


class Crossing:
    """Another session in the way: of a request that changes a clip, and of a job that ends, which does so as well."""

    def __init__(self, world: World, client: httpx2.Client) -> None:
        self._world = world
        self._client = client
        self._url = world.stack.database_url

    def request(self, clip: str, first: Wish, second: Wish, **more: str) -> None:
        """The caller is told to come back, and may."""
        asked: list[Future[httpx2.Response]] = []
        self._searchable()
        with ThreadPoolExecutor(1) as threads:

            def begin() -> None:
                asked.append(threads.submit(change, self._client, clip, **more))

            assert troubles.cross(self._url, first, second, begin=begin)
            assert refused(asked[0].result())
        assert change(self._client, clip, **more).status_code == 200

    def job(self, second: Callable[[Sent], Wish], told: str) -> None:
        """What the stage has done is recorded by another transaction."""
        before = self._world.stack.log("worker").count(told)
        hold = Hold()
        trap = self._world.storage.trap("up", FETCH, hold)
        sent = self._world.send(self._client)
        trap.wait()
        self._searchable()
        assert troubles.cross(self._url, (troubles.CLIP, [sent.entity_id]), second(sent), begin=hold.release)
        self._world.settle()
        assert self._world.stack.log("worker").count(told) > before

    def _searchable(self) -> None:
        """Who writes what the search finds waits for a row as well, and whoever comes next waits behind that one."""
        eventually(lambda: self._world.stack.sql("select from outbox") == [], within=SOON)


@contextmanager
def crossing(world: World, client: httpx2.Client, dealt: Dealer, trouble: str) -> Iterator[Crossing]:
    """A worker, a session in the way of it, and the line in the table."""
    world.lone()
    since = time.monotonic()
    yield Crossing(world, client)
    world.calm()
    dealt(trouble, world, since, times=2)


@QUICK
def test_a_row_that_somebody_holds_for_long_is_not_waited_for(
    fragile: World, client: httpx2.Client, dealt: Dealer, clip: str
) -> None:
    since = time.monotonic()
    with troubles.held(fragile.stack.database_url, (troubles.CLIP, [clip])):
        assert refused(change(client, clip))
        assert time.monotonic() - since < LOCK + 2
    assert change(client, clip).status_code == 200
    dealt("lock timeout (55P03), at the API", fragile, since)


@pytest.mark.chaos
def test_a_worker_waits_for_a_row_as_long_as_a_statement_may_run_and_asks_again(
    fragile: World, client: httpx2.Client, dealt: Dealer
) -> None:
    fragile.lone()
    since, hold, told = time.monotonic(), Hold(), "canceling statement due to statement timeout"
    before = fragile.stack.log("worker").count(told)
    trap = fragile.storage.trap("up", FETCH, hold)
    sent = fragile.send(client)
    trap.wait()
    with troubles.held(fragile.stack.database_url, (troubles.CLIP, [sent.entity_id])):
        hold.release()
        eventually(lambda: fragile.stack.log("worker").count(told) > before, within=60)
    fragile.calm()
    dealt("lock held for longer than a statement may run (57014), at a worker", fragile, since, within=90)


@contextmanager
def raising(world: World, state: str, table: str) -> Iterator[None]:
    """Writes to a table fail with a SQLSTATE."""
    body = f"begin raise exception 'dealt' using errcode = '{state}'; end"
    world.stack.sql(f"create function fail() returns trigger language plpgsql as $${body}$$")
    world.stack.sql(f"create trigger fail before insert on {table} for each row execute function fail()")
    try:
        yield
    finally:
        world.stack.sql("drop function fail() cascade")


@pytest.mark.chaos
def test_a_statement_that_never_ends_in_time_fails_its_job_and_leaves_nothing(
    fragile: World, client: httpx2.Client, dealt: Dealer
) -> None:
    """By a trigger: a worker that had to wait for each end of its patience would take a quarter of an hour."""
    fragile.lone()
    since, data = time.monotonic(), work.unique(PICTURE)
    with raising(fragile, "57014", "thumbnails"):
        fragile.send(client, data, "INTERNAL")
        fragile.settle(within=150)
    fragile.send(client, data, on_duplicate="reject")
    dealt("a statement that never ends in time", fragile, since, times=3, within=180)


@QUICK
def test_a_disk_that_is_full(fragile: World, own: Services, client: httpx2.Client, dealt: Dealer, clip: str) -> None:
    fragile.lone()
    since, url, data = time.monotonic(), fragile.stack.database_url, own.home / "postgres"
    with troubles.disk_full(url, data, "audit_log"):
        assert refused(change(client, clip))
    assert change(client, clip).status_code == 200
    with troubles.disk_full(url, data, "thumbnails", times=2):
        fragile.send(client)
        fragile.settle()
    assert "No space left on device" in (own.home / "logs" / "postgres.log").read_text()
    dealt("disk full (53100)", fragile, since, times=3)


@QUICK
def test_a_database_that_only_reads_for_a_while(
    fragile: World, client: httpx2.Client, dealt: Dealer, clip: str
) -> None:
    fragile.lone()
    fragile.send(client)
    since = time.monotonic()
    with troubles.everybody(fragile.stack.database_url, "default_transaction_read_only", "on"):
        eventually(lambda: client.get(CLIP.path).status_code == 200, within=SOON)
        assert refused(change(client, clip))
    eventually(lambda: change(client, clip).status_code == 200, within=SOON)
    dealt("the whole database is read-only for a while (25006)", fragile, since)

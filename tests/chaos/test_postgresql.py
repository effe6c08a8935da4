"""PostgreSQL restarts, ends backends, refuses for real reasons: nobody sees a 500, and nothing accepted is lost."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import psycopg
import pytest

from ops.services import Services
from tests import work
from tests.chaos import proxy
from tests.chaos.conftest import Dealer
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Hold
from tests.chaos.world import PICTURE, World
from tests.eventually import eventually
from tests.resources import CLIP

SOON = 10.0  # seconds within which the API serves again
# SQLSTATE → what it is. Each is raised by the server itself.
TROUBLES = {
    "40P01": "deadlock",
    "40001": "serialization failure",
    "55P03": "lock timeout",
    "53100": "disk full",
    "25006": "read-only",
}


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
    dealt(fault, fragile, since, within=60)


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


@contextmanager
def raising(world: World, state: str, table: str, times: int) -> Iterator[None]:
    """The first writes to a table fail with a SQLSTATE; a sequence counts them, which no rollback undoes."""
    world.stack.sql("create sequence if not exists dealt")
    world.stack.sql("select setval('dealt', 1, false)")
    world.stack.sql(f"""
        create function fail() returns trigger language plpgsql security definer as $$
        begin
            if nextval('dealt') <= {times} then raise exception 'dealt' using errcode = '{state}'; end if;
            return new;
        end $$""")
    world.stack.sql(f"create trigger fail before insert on {table} for each row execute function fail()")
    try:
        yield
    finally:
        world.stack.sql("drop function fail() cascade")


@pytest.mark.parametrize("state", [s if s == "25006" else pytest.param(s, marks=pytest.mark.chaos) for s in TROUBLES])
def test_a_refusal_of_the_server_is_told_to_callers_and_survived_by_jobs(
    fragile: World, client: httpx2.Client, dealt: Dealer, state: str
) -> None:
    fragile.lone()
    since = time.monotonic()
    with raising(fragile, state, "ingest_jobs", times=1):
        body = {"entity_type": "clip", "source_reference": "s3://episodes-media/clip/none.jpg"}
        clip = client.post(CLIP.path, json=CLIP.new).json()["data"]["clip_id"]
        answer = client.post("/api/v1/ingest", json=body | {"entity_id": clip})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    with raising(fragile, state, "thumbnails", times=2):
        fragile.send(client)
        fragile.settle()
    dealt(f"{TROUBLES[state]} ({state})", fragile, since, times=3)


@pytest.mark.chaos
def test_a_statement_that_never_ends_in_time_fails_its_job_and_leaves_nothing(
    fragile: World, client: httpx2.Client, dealt: Dealer
) -> None:
    fragile.lone()
    since = time.monotonic()
    data = work.unique(PICTURE)
    with raising(fragile, "57014", "thumbnails", times=1_000_000):
        fragile.send(client, data, "INTERNAL")
        fragile.settle(within=150)
    fragile.send(client, data, on_duplicate="reject")
    dealt("a statement that never ends in time", fragile, since, times=3)


@pytest.mark.chaos
def test_a_database_that_only_reads_for_a_while(fragile: World, client: httpx2.Client, dealt: Dealer) -> None:
    fragile.lone()
    fragile.send(client)
    since = time.monotonic()
    only_reads(fragile, "on")
    answer = client.post(CLIP.path, json=CLIP.new)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert client.get(CLIP.path).status_code == 200
    only_reads(fragile, "off")
    eventually(lambda: client.post(CLIP.path, json=CLIP.new).status_code == 201, within=SOON)
    dealt("the whole database is read-only for a while", fragile, since)


def only_reads(world: World, state: str) -> None:
    """Switch a database between reading and writing, for those who connect from now on, as everybody then has to."""
    name = world.stack.database_url.rpartition("/")[2]
    with psycopg.connect(world.stack.database_url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute(f'alter database "{name}" set default_transaction_read_only = {state}'.encode())
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


@pytest.mark.chaos
def test_a_caller_does_not_wait_long_for_a_lock(fragile: World, client: httpx2.Client, dealt: Dealer) -> None:
    since = time.monotonic()
    with psycopg.connect(fragile.stack.database_url) as holder:
        holder.execute("lock table clips in exclusive mode")
        answer = client.post(CLIP.path, json=CLIP.new)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    dealt("a lock that somebody holds for long", fragile, since)

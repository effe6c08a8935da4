"""The API, the dispatcher, a worker as a whole: killed, told to stop, put to sleep, and not heard when they commit."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import httpx2
import pytest

from ops.stack import ports
from ops.stack.processes import Process
from tests import work
from tests.chaos import proxy
from tests.chaos.conftest import LEASE_SECONDS, ON_RABBITMQ, QUICK, Dealer
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Hold, cut, passing
from tests.chaos.storage import ANY, COPY, FORBIDDEN, LARGE, PICTURES
from tests.chaos.test_workers_die import WITHIN
from tests.chaos.world import PICTURE, World, decoders_of, kill
from tests.eventually import eventually
from tests.processes import lives
from tests.resources import CLIP, create
from tests.stack import PLAIN


@contextmanager
def second_api(world: World) -> Iterator[tuple[Process, httpx2.Client]]:
    """An API behind the proxies, and a client of it."""
    (port,) = ports.free(1)
    api = world.program("api", PORT=str(port), METRICS_PORT="0")
    api.spawn()
    with world.stack.client() as known, httpx2.Client(headers=known.headers, timeout=30, **PLAIN) as client:
        client.base_url = httpx2.URL(f"http://{ports.HOST}:{port}")
        eventually(lambda: answers(client), within=60)
        yield api, client
    api.stop()


def answers(client: httpx2.Client) -> bool:
    """Whether the API is alive."""
    try:
        return client.get("/health").status_code == 200
    except httpx2.TransportError:
        return False


def wanted(client: httpx2.Client) -> tuple[Sent, dict[str, str]]:
    """A job that is not yet asked for, and the headers to ask for it once."""
    data = work.unique(PICTURE)
    clip = create(client, CLIP)["clip_id"]
    return Sent("", clip, work.upload(client, data), data), {"Idempotency-Key": uuid4().hex}


def ask(client: httpx2.Client, sent: Sent, headers: dict[str, str]) -> httpx2.Response:
    """Ask for it."""
    body = {"entity_type": "clip", "entity_id": sent.entity_id, "source_reference": sent.reference}
    return client.post("/api/v1/ingest", json=body, headers=headers)


def test_the_api_killed_between_commit_and_answer(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    world.lone()
    sent, once = wanted(client)
    with second_api(world) as (api, through), ThreadPoolExecutor(1) as threads:
        hold = Hold()
        trap = world.postgresql.trap("down", proxy.COMMITTED, hold)
        asked = threads.submit(ask, through, sent, once)
        trap.wait()
        since = kill(api)
        world.postgresql.cut()
        hold.release()
        assert isinstance(asked.exception(), httpx2.TransportError)
        world.calm()
    again = ask(client, sent, once)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    world.sent.append(sent._replace(job_id=again.json()["data"]["job_id"]))
    dealt("kill -9 of the API between commit and answer", world, since)


@pytest.mark.chaos
def test_the_answer_to_a_commit_is_lost_on_its_way_to_the_api(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    world.lone()
    sent, once = wanted(client)
    with second_api(world) as (_, through):
        trap = world.postgresql.trap("down", proxy.COMMITTED, cut)
        since = time.monotonic()
        refused = ask(through, sent, once)
        assert trap.caught
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        again = ask(through, sent, once)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    world.calm()
    world.sent.append(sent._replace(job_id=again.json()["data"]["job_id"]))
    dealt("COMMIT's answer lost, at the API", world, since)


@pytest.mark.parametrize(
    "stage", [name if name == "ingest" else pytest.param(name, marks=pytest.mark.chaos) for name in proxy.ENDS]
)
def test_the_answer_to_a_commit_is_lost_on_its_way_to_a_worker(
    world: World, client: httpx2.Client, dealt: Dealer, stage: str
) -> None:
    world.lone()
    _, answer, before = proxy.ENDS[stage]
    trap = world.postgresql.trap("down", answer, cut, skip=before)
    world.send(client)
    trap.wait()
    since = time.monotonic()
    world.calm()
    dealt(f"COMMIT's answer lost, at the end of {stage}", world, since, within=LEASE_SECONDS + WITHIN)


@QUICK
def test_the_dispatcher_killed_between_mark_and_send(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    world.lone()
    world.stack.dispatcher.stop()
    dispatcher = world.program("pipeline.dispatcher", METRICS_PORT="0")
    hold = Hold()
    trap = world.broker.trap("up", proxy.PUBLISH if ON_RABBITMQ else proxy.ENQUEUE, hold)
    sent = world.send(client)
    dispatcher.spawn()
    trap.wait()
    assert world.stack.sql("select dispatched_at is not null from ingest_jobs where job_id = %s", sent.job_id) == [
        (True,)
    ]
    since = kill(dispatcher)
    world.broker.cut()
    hold.release()
    world.calm()
    world.stack.dispatcher.spawn()
    dealt("kill -9 of the dispatcher between mark and send", world, since, within=10)


@contextmanager
def at_work(world: World, client: httpx2.Client, worker: Process) -> Iterator[Process]:
    """A worker in the middle of a download; afterwards, when it is dead, another takes its place."""
    hold = Hold()
    trap = world.storage.trap("down", ANY, hold, skip=2)
    world.send(client, work.unique(PICTURE) + bytes(LARGE))
    trap.wait()
    yield worker
    assert not worker.alive
    world.storage.cut()
    hold.release()
    world.calm()
    world.worker()


@QUICK
def test_a_killed_worker_leaves_no_orphan(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    with at_work(world, client, world.lone()) as worker:
        decoders = decoders_of(worker)
        assert decoders
        since = kill(worker)
        eventually(lambda: not any(map(lives, decoders)), within=5)
    dealt("kill -9 of the worker's main process: no orphans", world, since, within=LEASE_SECONDS + WITHIN)


@QUICK
def test_sigterm_then_sigkill_during_a_long_job(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    with at_work(world, client, world.lone()) as worker:
        before = world.stack.log("worker").count("worker stops")
        assert worker.pid
        os.kill(worker.pid, signal.SIGTERM)
        eventually(lambda: world.stack.log("worker").count("worker stops") > before)  # it has begun to, and cannot end
        since = kill(worker)
    dealt("SIGTERM, then SIGKILL during a long job", world, since, within=LEASE_SECONDS + WITHIN)


@pytest.mark.chaos
def test_a_worker_that_slept_past_its_lease_changes_nothing(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    late, hold = world.lone(), Hold()
    before = world.stack.log("worker").count("lease lost")
    trap = world.storage.trap("up", COPY, hold, times=PICTURES)
    sent = world.send(client)
    eventually(lambda: trap.caught == PICTURES)
    assert late.pid
    os.kill(late.pid, signal.SIGSTOP)
    since = time.monotonic()
    lost = "select 1 from ingest_attempts where job_id = %s and result = 'lost'"
    eventually(lambda: world.stack.sql(lost, sent.job_id), within=20)
    world.storage.clear()
    world.worker()
    world.settle()
    seen = world.stack.sql("select fence, version from ingest_jobs where job_id = %s", sent.job_id)
    refused = world.storage.trap("down", FORBIDDEN, passing, times=PICTURES)
    hold.release()  # the late twin's pictures arrive after all
    eventually(lambda: refused.caught == PICTURES)
    os.kill(late.pid, signal.SIGCONT)
    eventually(lambda: world.stack.log("worker").count("lease lost") > before, within=20)
    dealt("a worker paused past its lease, and woken", world, since)
    assert world.stack.sql("select fence, version from ingest_jobs where job_id = %s", sent.job_id) == seen


@pytest.mark.chaos
def test_with_the_default_lease_a_killed_workers_job_goes_on_within_half_a_minute_of_its_end(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    world.lone().stop()
    with at_work(world, client, world.worker(LEASE_SECONDS="30")) as victim:
        since = kill(victim)
    dealt("kill -9 of a worker whose lease is 30 s", world, since, within=30 + WITHIN)

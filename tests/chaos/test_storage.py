"""The object storage answers wrongly, late, in part, or not at all."""

import re
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests import work
from tests.chaos.conftest import QUICK, Dealer
from tests.chaos.proxy import COMMITTED, Act, Hold, changing, cut, end
from tests.chaos.storage import ANY, COPY, ERROR, FETCH, LARGE, SLOW, STORE, flip, put
from tests.chaos.world import PICTURE, World


@pytest.fixture(autouse=True)
def worker(world: World) -> Iterator[None]:
    """One that runs, and afterwards calm."""
    world.lone()
    yield
    world.calm()


@pytest.mark.parametrize(
    ("fault", "request_of", "act", "times"),
    [
        pytest.param("S3 answers 500 to a download", FETCH, ERROR, 2, marks=QUICK),
        pytest.param("S3 answers SlowDown where a picture is put in place", COPY, SLOW, 3, marks=QUICK),
        pytest.param("S3 answers SlowDown to a download", FETCH, SLOW, 2, marks=QUICK),
        pytest.param("S3 answers 500 where a picture is stored", STORE, ERROR, 3, marks=QUICK),
        pytest.param("S3 resets the connection on a request", FETCH, cut, 2, marks=QUICK),
        pytest.param("S3 answers 500 until a stage is put off", FETCH, ERROR, 5, marks=pytest.mark.chaos),
        pytest.param("S3 answers SlowDown until a stage is put off", STORE, SLOW, 13, marks=pytest.mark.chaos),
    ],
)
def test_a_bad_answer_is_asked_again(
    world: World,
    client: httpx2.Client,
    dealt: Dealer,
    *,
    fault: str,
    request_of: re.Pattern[bytes],
    act: Act,
    times: int,
) -> None:
    trap = world.storage.trap("up", request_of, act, times=times)
    since = time.monotonic()
    world.send(client)
    dealt(fault, world, since, times=times)
    assert trap.caught == times


@pytest.mark.parametrize(
    ("fault", "act"),
    [
        pytest.param("S3 resets in mid-body", cut, marks=QUICK),
        pytest.param("S3 sends a short body", end, marks=QUICK),
    ],
)
def test_a_body_that_breaks_off_is_fetched_again(
    world: World, client: httpx2.Client, dealt: Dealer, fault: str, act: Act
) -> None:
    since = time.monotonic()
    trap = world.storage.trap("down", ANY, act, skip=3)
    sent = world.send(client, work.unique(PICTURE) + bytes(LARGE))
    trap.wait()
    dealt(fault, world, since)
    first = "select result, error_code from ingest_attempts where job_id = %s order by fence limit 1"
    assert world.stack.sql(first, sent.job_id) == [("failed", "STORAGE_UNAVAILABLE")]


@QUICK
def test_wrong_bytes_are_told_from_the_announced_hash_and_a_retry_stores_the_right_ones(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    data = work.unique(PICTURE) + bytes(LARGE)
    trap = world.storage.trap("down", ANY, changing(flip), skip=3)
    since = time.monotonic()
    sent = world.send(client, data, "HASH_MISMATCH", sha256=work.sha256(data))
    trap.wait()
    dealt("S3 sends wrong bytes, the hash was announced", world, since)
    world.calm()
    since = time.monotonic()
    assert client.post(f"/api/v1/ingest/{sent.job_id}/retry").status_code == 200
    world.sent[-1] = sent._replace(ends=frozenset({"stored"}))
    dealt("… and the retry of that job", world, since, times=0)


@pytest.mark.chaos
def test_wrong_bytes_of_an_object_that_is_the_same_are_fetched_again(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    commits = world.postgresql.trap("down", COMMITTED, cut)
    since = time.monotonic()
    sent = world.send(client, work.unique(PICTURE) + bytes(LARGE))
    commits.wait()
    trap = world.storage.trap("down", ANY, changing(flip), skip=3)
    dealt("S3 sends wrong bytes when a later stage fetches the source again", world, since)
    assert trap.caught == 1
    results = "select result from ingest_attempts where job_id = %s and error_code = 'STORAGE_UNAVAILABLE'"
    assert world.stack.sql(results, sent.job_id) == [("failed",)]


@QUICK
def test_an_object_that_is_replaced_between_two_reads_is_refused(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    commits = world.postgresql.trap("down", COMMITTED, cut)
    since = time.monotonic()
    sent = world.send(client, None, "HASH_MISMATCH")
    commits.wait()  # the hash is known; whoever goes on fetches the source again
    put(world, sent.reference, work.unique(PICTURE))
    dealt("an object is replaced between two reads", world, since)


@pytest.mark.chaos
def test_a_storage_that_never_answers_is_given_up_and_asked_again(
    world: World, client: httpx2.Client, dealt: Dealer
) -> None:
    holds = Hold()
    world.storage.trap("up", FETCH, holds)
    since = time.monotonic()
    world.send(client)
    dealt("S3 does not answer for 30 s", world, since, within=90)
    holds.release()

"""How many requests a caller may send, whatever process answers and whatever becomes of Redis."""

import asyncio
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace
from uuid import uuid4

import httpx2
import pytest
import redis

from api.middleware import gcra, rate_limits
from api.middleware.gcra import Counts, LocalCounts, Quota
from ops.stack.services import Services
from tests.eventually import eventually
from tests.resources import SHOW
from tests.stack import PLAIN, Stack, serving

READ = SHOW.path
QUOTA = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
SLOW = "5"  # a minute: one request comes back in 12 s, none while a test runs
ADDRESSES = count(1)


@pytest.fixture(scope="module")
def slow(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API with a small limit behind a proxy, so that each test can come with a subject or an address of its own."""
    with serving(services, tmp_path_factory.mktemp("slow"), RATE_LIMIT_PER_MINUTE=SLOW, TRUSTED_PROXIES="1") as stack:
        yield stack


@pytest.fixture
def limited(new_stack: Callable[..., Stack]) -> Callable[..., Stack]:
    """Starts an API with this limit."""

    def start(limit: str = SLOW, **settings: str) -> Stack:
        stack = new_stack(RATE_LIMIT_PER_MINUTE=limit, **settings)
        stack.api.start()
        return stack

    return start


def standing(answer: httpx2.Response) -> tuple[int, ...]:
    """Limit, remaining and reset, as an answer tells them."""
    for name in QUOTA:
        assert len(answer.headers.get_list(name)) == 1, (name, answer.headers)
    return tuple(int(answer.headers[name]) for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"))


def statuses(client: httpx2.Client, number: int, path: str = READ, **headers: str) -> Counter[int]:
    """How many of so many requests were answered with what."""
    return Counter(client.get(path, headers=headers).status_code for _ in range(number))


def anonymous(stack: Stack) -> httpx2.Client:
    """Somebody without a token, at an address that no other test comes from."""
    headers = {"X-Forwarded-For": f"198.51.100.{next(ADDRESSES)}"}
    return httpx2.Client(base_url=stack.url, headers=headers, timeout=30, **PLAIN)


def test_without_a_limit_nothing_is_told_of_one(editor: httpx2.Client) -> None:
    assert not QUOTA & set(editor.get(READ).headers)


def test_a_caller_is_told_how_the_quota_stands_and_refused_when_it_is_used_up(slow: Stack) -> None:
    with slow.client("editor", "ana") as client:
        answers = [client.get(READ) for _ in range(3)]
        answers += [client.post(READ, json={}), client.get("/nowhere")]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 404]
        assert [standing(answer)[:2] for answer in answers] == [(5, 4), (5, 3), (5, 2), (5, 1), (5, 0)]
        assert [standing(answer)[2] for answer in answers] == [12, 24, 36, 48, 60]
        refused = client.get(READ, headers={"X-Request-ID": "one-too-many", "Origin": "https://studio.example"})
    check_refusal(refused)
    check_record(slow)


def check_refusal(answer: httpx2.Response) -> None:
    """A 429 as promised, which a page of another origin can read."""
    assert answer.status_code == 429
    assert standing(answer)[:2] == (5, 0)
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert [error["code"] for error in answer.json()["errors"]] == ["RATE_LIMIT_EXCEEDED"]
    assert answer.headers["X-Request-ID"] == answer.json()["metadata"]["requestId"] == "one-too-many"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"


def check_record(stack: Stack) -> None:
    """The refusal is in the log, with its caller, and in the metrics."""
    line = eventually(lambda: next((line for line in stack.log("api").splitlines() if "one-too-many" in line), None))
    assert '"status":429' in line
    assert '"caller":"ana"' in line
    with anonymous(stack) as client:
        assert 'status="429"' in client.get("/metrics").text


def test_each_caller_has_a_quota_of_its_own(slow: Stack) -> None:
    for subject in ("ben", "cleo", "a subject: with *?[] and é"):
        with slow.client("viewer", subject) as client:
            assert statuses(client, 7) == {200: 5, 429: 2}
    with slow.client("editor", "ben") as client:  # another token of the same subject
        assert statuses(client, 2) == {429: 2}


def test_health_metrics_and_documentation_are_free(slow: Stack) -> None:
    with anonymous(slow) as client:
        assert statuses(client, 6) == {401: 5, 429: 1}
        for path in ("/health", "/health/ready", "/metrics", "/schema", "/schema/openapi.json"):
            assert statuses(client, 6, path) == {200: 6}
            assert not QUOTA & set(client.get(path).headers)


def test_a_browsers_question_beforehand_is_free(slow: Stack) -> None:
    asks = {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}
    with anonymous(slow) as client:
        assert {client.options(READ, headers=asks).status_code for _ in range(7)} == {200}


def test_who_has_no_good_token_is_counted_by_address(slow: Stack) -> None:
    with anonymous(slow) as client, slow.client("viewer", "dora") as known:
        known.headers["X-Forwarded-For"] = client.headers["X-Forwarded-For"]
        assert known.get(READ).status_code == 200
        assert statuses(client, 3) == {401: 3}
        assert statuses(client, 4, Authorization="Bearer made.up.token") == {401: 2, 429: 2}
        assert statuses(client, 1, "/nowhere") == {429: 1}
        assert known.get(READ).status_code == 200  # verified before, so the address does not matter


def test_tokens_are_refused_before_their_signature_is_checked(slow: Stack) -> None:
    with anonymous(slow) as client, slow.client("viewer", "new here") as fresh:
        fresh.headers["X-Forwarded-For"] = client.headers["X-Forwarded-For"]
        assert statuses(client, 5) == {401: 5}
        assert statuses(fresh, 1) == {429: 1}


def test_good_tokens_do_not_use_up_their_address(slow: Stack) -> None:
    with anonymous(slow) as client:
        for number in range(12):
            headers = {"Authorization": f"Bearer {slow.token('viewer', f'colleague-{number}')}"}
            assert standing(client.get(READ, headers=headers))[:2] == (5, 4)
        assert standing(client.get(READ))[:2] == (5, 4)


def test_a_token_seen_for_the_first_time_is_refused_where_its_subject_is_over_the_limit(slow: Stack) -> None:
    with slow.client("viewer", "eve") as client:
        assert statuses(client, 5) == {200: 5}
    name = f"Too many {uuid4()}"
    with slow.client("editor", "eve") as client:
        answer = client.post(READ, json={"name": name})
    assert answer.status_code == 429
    assert standing(answer)[:2] == (5, 0)
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert slow.sql("select count(*) from shows where name = %s", name) == [(0,)]


def test_what_is_kept_of_a_caller_expires(slow: Stack) -> None:
    with slow.client("viewer", "fay") as client:
        assert statuses(client, 2) == {200: 2}
    with redis.Redis.from_url(slow.environ["REDIS_URL"], decode_responses=True) as keys:
        found = {key: keys.pttl(key) for key in keys.scan_iter("episodes:quota:*")}
    assert 0 < found["episodes:quota:subject:fay"] <= 24_001
    assert all(0 < milliseconds <= 60_001 for milliseconds in found.values())


def test_two_processes_and_many_requests_at_once_let_exactly_the_limit_through(
    services: dict[str, str],
    limited: Callable[..., Stack],
) -> None:
    one = limited("20", BROKER_URL=services["REDIS_URL"])  # the limit is counted at REDIS_URL
    two = limited("20", REDIS_URL=one.environ["REDIS_URL"])

    def crowd() -> tuple[list[int], float] | None:
        """What many at once are answered, in how many seconds; nothing where a process found Redis too slow for it."""
        before, subject, started = warnings(one) + warnings(two), f"crowd-{uuid4()}", time.monotonic()
        clients = one.client("viewer", subject), two.client("viewer", subject)
        with clients[0], clients[1], ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda turn: clients[turn % 2].get(READ).status_code, range(60)))
        told = warnings(one) + warnings(two) > before or counts_alone(one) or counts_alone(two)
        return None if told else (answers, time.monotonic() - started)

    answers, seconds = eventually(crowd, within=60)
    came_back = int(seconds / 3)
    assert set(answers) == {200, 429}
    assert 20 <= answers.count(200) <= 20 + came_back


def test_after_the_time_it_was_told_a_caller_is_welcome_again(limited: Callable[..., Stack]) -> None:
    with limited("60").client("viewer") as client:
        while (answer := client.get(READ)).status_code == 200:
            pass
        assert int(answer.headers["Retry-After"]) == 1
        told = time.monotonic()
        assert eventually(
            lambda: client.get(READ).status_code == 200,
        )
        assert time.monotonic() - told < 4


def test_without_a_trusted_proxy_nobody_gets_another_quota_by_a_header(limited: Callable[..., Stack]) -> None:
    with anonymous(limited()) as client:
        answers = [client.get(READ, headers={"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(7)]
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 2}


def test_behind_a_trusted_proxy_a_client_cannot_choose_its_address(slow: Stack) -> None:
    with anonymous(slow) as client:
        real = client.headers["X-Forwarded-For"]
        answers = [client.get(READ, headers={"X-Forwarded-For": f"203.0.113.{n}, {real}"}) for n in range(7)]
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 2}


# Redis away ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that these tests may stop."""
    services = Services(tmp_path_factory.mktemp("own-services"), {})
    try:
        services.start()
        yield services
    finally:
        services.stop()


@pytest.fixture
def alone(own: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API on those services."""
    with serving(own.environment, tmp_path_factory.mktemp("alone"), RATE_LIMIT_PER_MINUTE="30") as stack:
        yield stack


def warnings(stack: Stack) -> int:
    """How often the log says that Redis is away."""
    return stack.log("api").count("rate limits are counted in this process")


def counts_alone(stack: Stack) -> bool:
    """Whether the log's last word is that Redis is away."""
    return warnings(stack) > stack.log("api").count("counted in Redis again")


def test_with_redis_dead_reads_and_writes_go_on_under_the_same_limit(own: Services, alone: Stack) -> None:
    assert own.redis is not None
    with alone.client("editor") as client:
        assert client.get(READ).status_code == 200
        own.redis.stop()
        answers = [client.post(READ, json={"name": f"Still here {number}"}) for number in range(5)]
        assert {answer.status_code for answer in answers} == {201}
        assert [standing(answer)[:2] for answer in answers] == [(30, 29 - number) for number in range(5)]
        assert statuses(client, 30)[429] >= 1
        assert warnings(alone) == 1
        own.redis.start()
        assert eventually(lambda: client.get("/nowhere") and "counted in Redis again" in alone.log("api"), within=10)
    assert warnings(alone) == 1


def test_no_request_waits_for_a_redis_that_hangs(own: Services, alone: Stack) -> None:
    assert own.redis is not None
    assert own.redis.pid is not None
    with alone.client("viewer", "patient") as client:
        assert client.get(READ).status_code == 200
        os.kill(own.redis.pid, signal.SIGSTOP)
        try:
            times = [timed(client) for _ in range(20)]
        finally:
            os.kill(own.redis.pid, signal.SIGCONT)
    assert max(times) < 1.5
    assert sum(times) < 2  # one request found out, the others did not wait
    assert warnings(alone) == 1


def timed(client: httpx2.Client) -> float:
    """Seconds that a read took."""
    started = time.monotonic()
    assert client.get(READ).status_code == 200
    return time.monotonic() - started


async def test_many_requests_at_once_wait_for_a_dead_redis_once() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:  # accepts, and never answers
        counts = Counts(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", Quota(1000))
        started = time.monotonic()
        standings = await asyncio.gather(*(counts.charge("address:somebody") for _ in range(300)))
        passed = time.monotonic() - started
        await counts.aclose()
    assert passed < gcra.PATIENCE_SECONDS + 1
    assert all(found.allowed for found in standings)
    assert 700 <= min(found.remaining for found in standings) <= 700 + passed * 1000 / 60  # what came back meanwhile


# The rule -----------------------------------------------------------------------------------------------------------


def test_every_limit_lets_exactly_itself_through_at_once(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [10**15]
    monkeypatch.setattr("api.middleware.gcra.time", SimpleNamespace(monotonic_ns=lambda: clock[0]))
    for limit in (1, 2, 3, 7, 59, 61, *(rng.randint(1, 5000) for _ in range(10))):
        counts = LocalCounts(Quota(limit))
        standings = [counts.charge("ana") for _ in range(limit + 3)]
        assert [found.remaining for found in standings] == [*reversed(range(limit)), 0, 0, 0]
        assert [found.allowed for found in standings] == [True] * limit + [False] * 3
        clock[0] += standings[-1].wait_seconds * 10**9
        assert counts.charge("ana").allowed


def test_a_quota_comes_back_evenly_and_is_never_more_than_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [10**15]
    monkeypatch.setattr("api.middleware.gcra.time", SimpleNamespace(monotonic_ns=lambda: clock[0]))
    counts = LocalCounts(Quota(6))
    assert [counts.charge("ana").remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    clock[0] += 10 * 10**9
    assert [counts.charge("ana").allowed for _ in range(2)] == [True, False]
    clock[0] += 3600 * 10**9
    assert counts.charge("ana").remaining == 5
    assert counts.charge("ana", -1).remaining == 6
    assert counts.charge("ana", -1).remaining == 6


async def test_redis_and_this_process_count_alike(services: dict[str, str], rng: random.Random) -> None:
    for limit in (1, 7, rng.randint(2, 300)):
        caller, quota = f"subject:{uuid4()}", Quota(limit)
        local, shared = LocalCounts(quota), Counts(services["REDIS_URL"], quota)
        for cost in (1, -1, -1, *([1] * (limit + 2)), -1, 1, 1):
            assert local.charge(caller, cost) == await shared.charge(caller, cost)
        await shared.aclose()


def test_the_memory_of_callers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcra, "REMEMBERED", 100)
    counts = LocalCounts(Quota(5))
    for number in range(1000):
        counts.charge(f"address:{number}")
    assert len(counts._back) <= 100


# Where a client is --------------------------------------------------------------------------------------------------


def scope(peer: str, *forwarded: str) -> dict[str, object]:
    """A request from this peer with these X-Forwarded-For lines."""
    lines = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"client": (peer, 1234), "headers": [(b"host", b"episodes"), *lines]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("10.0.0.1", (), 0, "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), 0, "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), 1, "203.0.113.9"),
        ("10.0.0.1", ("1.2.3.4, 203.0.113.9",), 1, "203.0.113.9"),
        ("10.0.0.1", ("1.2.3.4, 203.0.113.9 , 10.0.0.2",), 2, "203.0.113.9"),
        ("10.0.0.1", ("1.2.3.4", "203.0.113.9"), 1, "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9",), 2, "10.0.0.1"),
        ("10.0.0.1", ("unknown",), 1, "10.0.0.1"),
        ("10.0.0.1", (), 1, "10.0.0.1"),
        ("10.0.0.1", ("é, ,",), 3, "10.0.0.1"),
        ("::ffff:10.0.0.1", (), 0, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", (), 0, "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", (), 0, "2001:db8:1:2::/64"),
        ("", (), 0, "unknown"),
    ],
)
def test_the_clients_address_is_what_a_trusted_hop_says(
    peer: str, forwarded: tuple[str, ...], proxies: int, address: str
) -> None:
    assert rate_limits.address_of(scope(peer, *forwarded), proxies) == address

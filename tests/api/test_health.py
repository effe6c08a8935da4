"""Whether the API is alive, and whether what it stands on is."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import httpx2
import pytest

from ops.children import Child
from ops.services import Services
from tests.eventually import eventually
from tests.stack import PLAIN, Stack

SERVICES = ("database", "broker", "storage")


def get(stack: Stack, path: str) -> httpx2.Response:
    """A read without a token."""
    return httpx2.get(f"{stack.url}{path}", timeout=15, **PLAIN)


def test_the_process_says_that_it_is_alive_and_which_version_it_is(server: Stack) -> None:
    answer = get(server, "/health")
    assert answer.status_code == 200
    assert answer.json()["data"] == {"status": "ok", "version": version("episodes")}


def test_readiness_names_each_service_with_its_state_and_latency(server: Stack) -> None:
    answer = get(server, "/health/ready")
    data = answer.json()["data"]
    assert answer.status_code == 200
    assert set(data) == {"status", *SERVICES}
    assert data["status"] == "ready"
    for name in SERVICES:
        assert set(data[name]) == {"state", "latency_ms"}
        assert data[name]["state"] == "up"
        assert 0 < data[name]["latency_ms"] < 2000


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that these tests may stop; not started yet."""
    services = Services(tmp_path_factory.mktemp("own-services"), {})
    yield services
    services.stop()


@pytest.fixture(scope="module")
def alone(own: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API on those services."""
    stack = Stack(own.start(), tmp_path_factory.mktemp("alone"))
    try:
        stack.api.start()
        yield stack
    finally:
        stack.stop()


def states(stack: Stack) -> dict[str, Any]:
    """The readiness that is told, and the status of the answer."""
    answer = get(stack, "/health/ready")
    data = answer.json()["data"]
    return {name: data[name]["state"] for name in SERVICES} | {"status": answer.status_code}


def test_a_service_that_is_down_is_named_until_it_is_back(own: Services, alone: Stack) -> None:
    up = {"database": "up", "broker": "up", "storage": "up", "status": 200}
    children: list[tuple[str, Child | None]] = [
        ("broker", own.redis),
        ("storage", own.storage),
        ("database", own.postgres),
    ]
    for name, child in children:
        assert child is not None
        child.stop()
        assert states(alone) == up | {name: "down", "status": 503}
        child.start()
        eventually(lambda: states(alone) == up, within=10)


def test_without_a_database_each_answer_says_so_and_the_first_after_it_is_good(own: Services, alone: Stack) -> None:
    assert own.postgres is not None
    own.postgres.stop()
    with alone.client("editor") as client, ThreadPoolExecutor(4) as threads:
        alive, metrics = (threads.submit(get, alone, path) for path in ("/health", "/metrics"))
        read = threads.submit(client.get, "/api/v1/shows")
        written = threads.submit(client.post, "/api/v1/shows", json={"name": "Not now"})
        for answer in (read.result(), written.result()):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"].isdecimal()
            assert [error["code"] for error in answer.json()["errors"]] == ["SERVICE_UNAVAILABLE"]
            assert answer.headers["X-Request-ID"] == answer.json()["metadata"]["requestId"]
        assert alive.result().status_code == 200
        assert metrics.result().status_code == 200
        assert "episodes_http_requests_total" in metrics.result().text
        assert "episodes_outbox_pending" not in metrics.result().text
        own.postgres.start()
        assert client.get("/api/v1/shows").json()["data"] == []


def test_after_a_restart_of_postgresql_no_lost_connection_reaches_a_caller(own: Services, alone: Stack) -> None:
    assert own.postgres is not None
    with alone.client("viewer") as client, ThreadPoolExecutor(16) as threads:

        def statuses() -> set[int]:
            answers = [threads.submit(client.get, "/api/v1/clips") for _ in range(64)]
            return {answer.result().status_code for answer in answers}

        assert statuses() == {200}  # so that all connections of the pool were in use a moment ago
        own.postgres.restart()
        assert statuses() == {200}


def test_every_line_of_the_log_is_one_json_object_also_those_of_the_server(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    httpx2.get(f"{stack.url}/nowhere", **PLAIN)
    stack.stop()
    lines = [json.loads(line) for line in stack.log("api").splitlines()]
    assert all({"program", "level", "timestamp", "event"} <= set(line) for line in lines)
    assert {line["program"] for line in lines} == {"api"}
    said = " ".join(line["event"] for line in lines)
    assert "Listening at" in said
    assert "Shutting down" in said

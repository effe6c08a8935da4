"""Whether the API is alive, and whether what it stands on is."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from api import shutdown
from models import metrics
from models.db import schema
from ops.stack.processes import Process
from ops.stack.services import Services
from tests.command_line import episodes
from tests.eventually import eventually
from tests.processes import children
from tests.stack import PLAIN, Stack, serving

SERVICES = ("database", "schema", "broker", "storage")
UP = dict.fromkeys(SERVICES, "up") | {"status": "ready", "answer": 200}
UNABLE = {"status": "unavailable", "answer": 503}


def get(stack: Stack, path: str) -> httpx2.Response:
    """A read without a token."""
    return httpx2.get(f"{stack.url}{path}", timeout=15, **PLAIN)


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
    with serving(own.start(), tmp_path_factory.mktemp("alone"), EPISODES_COMMIT="4a125a01") as stack:
        yield stack


def test_the_process_says_that_it_is_alive_and_what_it_runs(alone: Stack) -> None:
    answer = get(alone, "/health")
    assert answer.status_code == 200
    assert answer.json()["data"] == {"status": "ok", "version": version("episodes"), "commit": "4a125a01"}


def states(stack: Stack) -> dict[str, Any]:
    """The readiness that is told, and the status of the answer."""
    answer = get(stack, "/health/ready")
    data = answer.json()["data"]
    told = {name: data[name]["state"] for name in SERVICES}
    return told | {"status": data["status"], "answer": answer.status_code}


def become(stack: Stack, wanted: dict[str, Any]) -> None:
    """Wait until this is told: what is told may be a second old."""
    eventually(lambda: states(stack) == wanted, within=10)


def test_a_service_that_is_down_is_named_and_only_without_a_database_it_cannot_serve(
    own: Services, alone: Stack
) -> None:
    services: list[tuple[Process | None, dict[str, Any]]] = [
        (own.redis, {"broker": "down", "status": "degraded"}),
        (own.storage, {"storage": "down", "status": "degraded"}),
        (own.postgres, {"database": "down", "schema": "down", **UNABLE}),
    ]
    for child, told in services:
        assert child is not None
        child.stop()
        become(alone, UP | told)
        one_look(alone, [name for name, state in told.items() if state == "down"])
        child.start()
        become(alone, UP)


def one_look(stack: Stack, down: list[str]) -> None:
    """The operator's look answers whatever is down, and says so first; also at the terminal."""
    wanted = [f"{name} does not answer" for name in down]

    def told() -> list[str] | None:
        with stack.client("viewer") as client:
            answer = client.get("/api/v1/status")
        assert answer.status_code == 200, answer.text
        problems: list[str] = answer.json()["data"]["problems"]
        return problems if problems[: len(down)] == wanted else None

    found = eventually(told)
    assert ("the database cannot be asked what runs and what waits" in found) == ("database" in down)
    done = episodes(stack.environ, "status")
    assert (done.returncode, all(problem in done.stdout for problem in wanted)) == (1, True), done.stderr


@pytest.mark.parametrize("revision", ["0001", "9999", None])
def test_on_another_schema_it_cannot_serve_until_that_is_the_right_one(alone: Stack, revision: str | None) -> None:
    ((right,),) = alone.sql("select version_num from alembic_version")
    alone.sql("delete from alembic_version")
    if revision:
        alone.sql("insert into alembic_version values (%s)", revision)
    become(alone, UP | {"schema": "down", **UNABLE})
    assert get(alone, "/health").status_code == 200
    alone.sql("delete from alembic_version")
    alone.sql("insert into alembic_version values (%s)", right)
    become(alone, UP)


def test_who_is_told_to_stop_takes_no_more_from_a_load_balancer(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    (answering,) = [pid for pid in children(stack.api.pid or 0) if b"resource_tracker" not in command(pid)]
    os.kill(answering, shutdown.SIGNAL)
    become(stack, UP | UNABLE)
    assert "Retry-After" in get(stack, "/health/ready").headers
    assert get(stack, "/health").status_code == 200


def command(pid: int) -> bytes:
    """What a process was started as."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(("path", "most"), [("/health/ready", 1), ("/metrics", metrics.SCRAPES)])
def test_many_who_ask_at_once_are_told_what_a_few_found_out(server: Stack, path: str, most: int) -> None:
    with ThreadPoolExecutor(16) as threads:
        started = time.monotonic()
        answers = list(threads.map(lambda _: get(server, path), range(200)))
        seconds = time.monotonic() - started
    found = {answer.text if path == "/metrics" else json.dumps(answer.json()["data"]) for answer in answers}
    assert {answer.status_code for answer in answers} == {200}
    assert len(found) <= most * (seconds + 2)


@pytest.mark.parametrize("program", ["api", "pipeline.worker", "pipeline.dispatcher"])
@pytest.mark.parametrize(("made", "said"), [(None, "no schema yet"), ("0001", "is 0001"), ("9999", "is 9999")])
def test_no_program_works_on_another_schema(
    services: dict[str, str], new_stack: Callable[..., Stack], program: str, made: str | None, said: str
) -> None:
    stack = new_stack()
    url = empty_database(services, made)
    child = stack.child(program, DATABASE_URL=url)
    assert child.run() == 1
    *_, line = stack.log(child.program.name).splitlines()  # behind what it stands on
    error = json.loads(line)["error"]
    assert error.startswith("DATABASE_URL: ")
    assert said in error


@pytest.mark.parametrize("program", ["api", "pipeline.worker", "pipeline.dispatcher"])
def test_no_program_works_where_its_role_may_not_even_ask_for_the_schema(
    services: dict[str, str], new_stack: Callable[..., Stack], program: str
) -> None:
    stack = new_stack()
    name = empty_database(services, schema.NEEDED).rpartition("/")[2]
    child = stack.child(program, DATABASE_URL=f"{services['DATABASE_URL'].rpartition('/')[0]}/{name}")
    assert child.run() == 1
    *_, line = stack.log(child.program.name).splitlines()
    assert "for this role" in json.loads(line)["error"]


def empty_database(services: dict[str, str], revision: str | None) -> str:
    """A database that knows nothing but at which migration it is, or not even that."""
    owner, name = services["MIGRATION_DATABASE_URL"], f"empty_{uuid4().hex}"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(SQL("create database {}").format(Identifier(name)))
    url = f"{owner.rpartition('/')[0]}/{name}"
    if revision:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table alembic_version (version_num text)")
            connection.execute("insert into alembic_version values (%s)", [revision])
    return url


def test_an_api_that_starts_before_its_database_serves_when_that_comes(own: Services, alone: Stack) -> None:
    assert own.postgres is not None
    alone.api.stop()
    own.postgres.stop()
    alone.api.spawn()
    eventually(lambda: is_alive(alone), within=20)
    assert states(alone) == UP | {"database": "down", "schema": "down", **UNABLE}
    own.postgres.start()
    become(alone, UP)


def is_alive(stack: Stack) -> bool:
    """Whether it answers at all."""
    try:
        return get(stack, "/health").status_code == 200
    except httpx2.TransportError:
        return False


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

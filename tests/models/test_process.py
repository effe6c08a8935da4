"""A program works with all it needs or not at all, says what it lacks in one line, and stops whenever it is told to."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import media
from tests.eventually import eventually
from tests.processes import children
from tests.stack import Stack
from tests.work import ended, post, unique, upload

PROGRAMS = ("pipeline.worker", "pipeline.dispatcher", "api")
PIPELINE = PROGRAMS[:2]
PICTURE = media.jpeg((320, 180))


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens, and answers nobody."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def start(stack: Stack, module: str, **environ: str) -> subprocess.Popen[bytes]:
    """A program as a user would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env={**stack.environ, "MIGRATION_DATABASE_URL": "", "METRICS_PORT": "0", "WORKER_ID": "other", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def end(program: subprocess.Popen[bytes], within: float = 30.0) -> tuple[int, list[str]]:
    """Its exit code, and what it said beside what it stands on."""
    try:
        said, _ = program.communicate(timeout=within)
    finally:
        program.kill()
    return program.returncode, [line for line in said.decode().splitlines() if '"event":"settings"' not in line]


def elsewhere(url: str, port: int) -> str:
    """The same at another port."""
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


@pytest.mark.parametrize("module", PIPELINE)
def test_a_program_without_its_metrics_port_ends_with_a_line_and_takes_no_job(
    server: Stack, module: str, taken: int
) -> None:
    name = f"without-{taken}"  # others of this file take jobs
    code, said = end(start(server, module, METRICS_PORT=str(taken), WORKER_ID=name))
    assert (code, len(said)) == (1, 1), said
    assert f"METRICS_PORT: port {taken} of 127.0.0.1" in json.loads(said[0])["error"]
    assert server.sql("select 1 from ingest_attempts where worker = %s", name) == []


def test_an_api_without_its_port_ends_with_a_line(server: Stack, taken: int) -> None:
    code, said = end(start(server, "api", PORT=str(taken)))
    assert (code, len(said)) == (1, 1), said
    assert f"PORT: port {taken} of 127.0.0.1" in json.loads(said[0])["error"]


@pytest.mark.parametrize("environ", [{"EPISODES_HOME": "/dev/null"}, {"HOST": "192.0.2.1", "METRICS_PORT": "4000"}])
def test_a_worker_that_lacks_anything_it_needs_ends_with_a_line(server: Stack, environ: dict[str, str]) -> None:
    code, said = end(start(server, "pipeline.worker", **environ))
    assert (code, len(said)) == (1, 1), said
    assert json.loads(said[0])["event"] == "not started"


@pytest.mark.parametrize("environ", [{"EPISODES_HOME": "/dev/null"}, {"HOST": "no.such.host.invalid"}])
def test_an_api_that_lacks_anything_it_needs_ends_with_a_line(server: Stack, environ: dict[str, str]) -> None:
    code, said = end(start(server, "api", PORT="4000", **environ))
    assert (code, len(said)) == (1, 1), said
    assert "Unknown" not in json.loads(said[0])["error"]


def test_a_worker_may_listen_on_an_address_of_ipv6(server: Stack) -> None:
    with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as free:
        port = free.getsockname()[1]
    worker = start(server, "pipeline.worker", HOST="::1", METRICS_PORT=str(port))
    eventually(lambda: listens(port), within=20)
    worker.send_signal(signal.SIGTERM)
    assert end(worker)[0] == 0


def listens(port: int) -> bool:
    """Whether somebody listens on a port of the loopback address of IPv6."""
    try:
        socket.create_connection(("::1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.chaos
@pytest.mark.parametrize("module", PIPELINE)
@pytest.mark.parametrize("answers", [True, False])
def test_a_program_without_a_database_ends_with_a_line(server: Stack, module: str, answers: bool, taken: int) -> None:
    url = elsewhere(server.environ["DATABASE_URL"], 1 if answers else taken)
    code, said = end(start(server, module, DATABASE_URL=url))
    assert (code, len(said)) == (1, 1), said
    assert json.loads(said[0])["error"].startswith("DATABASE_URL: ")


def connected(port: int) -> bool:
    """Whether somebody has a connection to a port of this machine."""
    table = Path("/proc/net/tcp").read_text().splitlines()
    return any(f"0100007F:{port:04X} 01" in line for line in table)


@pytest.mark.parametrize("module", PIPELINE)
def test_a_program_that_waits_for_a_silent_database_stops_when_it_is_told(
    server: Stack, module: str, taken: int
) -> None:
    program = start(server, module, DATABASE_URL=elsewhere(server.environ["DATABASE_URL"], taken))
    eventually(lambda: connected(taken), within=20)
    program.send_signal(signal.SIGTERM)
    assert end(program, within=3) == (0, [])


@pytest.mark.chaos
@pytest.mark.parametrize("module", PIPELINE)
def test_a_program_that_waits_for_a_silent_broker_stops_when_it_is_told(server: Stack, module: str, taken: int) -> None:
    program = start(server, module, REDIS_URL=f"redis://127.0.0.1:{taken}/0")
    eventually(lambda: connected(taken), within=20)
    program.send_signal(signal.SIGTERM)
    assert end(program, within=9)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", PROGRAMS)
def test_a_program_that_is_still_being_imported_stops_when_it_is_told(
    server: Stack, module: str, number: signal.Signals
) -> None:
    program = start(server, module)
    eventually(lambda: b"msgspec" in maps(program.pid))  # a library of ours, among the first
    program.send_signal(number)
    code, said = end(program, within=6)
    assert code == 0
    assert "Traceback" not in "".join(said)


@pytest.mark.parametrize("whole", [True, False])
def test_an_api_whose_process_that_answers_still_starts_ends_at_once_when_it_is_told(
    server: Stack, whole: bool
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    program = start(server, "api", PORT=str(port))
    eventually(lambda: children(program.pid))
    os.kill(program.pid if whole else children(program.pid)[0], signal.SIGTERM)
    code, said = end(program, within=4)
    assert code == (0 if whole else 1), said
    assert "Killing" not in "".join(said)


def maps(pid: int) -> bytes:
    """The libraries of a process."""
    return Path(f"/proc/{pid}/maps").read_bytes()


def test_two_workers_and_a_dispatcher_on_one_machine_share_the_work(server: Stack, editor: Any) -> None:
    others = [start(server, module) for module in PIPELINE]
    for other in others:
        assert other.stdout is not None
        assert any(b"started" in line for line in other.stdout)
    assert ended(editor, post(editor, upload(editor, unique(PICTURE))))["status"] == "succeeded"
    for other in others:
        assert other.poll() is None
        other.send_signal(signal.SIGTERM)
        code, said = end(other)
        assert code == 0, said


@pytest.mark.chaos
def test_a_worker_that_cannot_work_any_more_ends_and_fails_no_job(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.dispatcher.spawn()
    stack.api.start()
    stack.worker.spawn()
    with stack.client() as client:
        assert ended(client, post(client, upload(client, unique(PICTURE))))["status"] == "succeeded"
        shutil.rmtree(stack.home / "scratch")
        job = post(client, upload(client, unique(PICTURE)))
        eventually(lambda: not stack.worker.alive, within=20)
        assert stack.sql("select status, attempts from ingest_jobs where job_id = %s", job["job_id"]) == [("queued", 0)]
        stack.worker.spawn()
        assert ended(client, job)["status"] == "succeeded"
    assert "the process cannot work" in stack.log("worker")
    assert list((stack.home / "scratch").iterdir())

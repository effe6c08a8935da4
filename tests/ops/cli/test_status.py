"""``episodes status`` and what else tells of pauses and logs, called in this process against a running server."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ops.cli.app import app
from tests import media, work
from tests.command_line import episodes
from tests.eventually import eventually
from tests.stack import Stack, running, unmeasured

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(server: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call ``episodes`` at the server: its exit code, and what it printed."""
    for name in ("EPISODES_HOME", "EPISODES_URL"):
        monkeypatch.setenv(name, server.environ[name])

    def called(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(args)
        return int(ended.value.code or 0), *capsys.readouterr()

    return called


@pytest.fixture
def paused(admin: httpx2.Client) -> Iterator[str]:
    """What a pause of the thumbnails says, as long as a test runs."""
    body = {"stage": "thumbnail", "reason": "the disk is moved"}
    until = admin.post("/api/v1/ingest/pauses", json=body).json()["data"]["until"]
    yield f"paused: thumbnail until {until} by tester: the disk is moved"
    admin.delete("/api/v1/ingest/pauses/thumbnail")


@pytest.fixture(scope="module")
def alone(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which no other test leaves anything that needs attention."""
    with running(services, tmp_path_factory.mktemp("alone")) as stack:
        yield stack


def test_the_status_is_healthy_and_names_all_that_runs(alone: Stack) -> None:
    def healthy() -> str | None:
        done = episodes(alone.environ, "status")
        return done.stdout if done.returncode == 0 else None

    out = eventually(healthy)
    assert out.startswith("healthy\n")
    for word in ("api", "dispatcher", "worker", "storage", "interactive", "trash", "none is configured"):
        assert word in out
    assert f":{alone.worker.pid}" in out


def test_as_json_it_is_what_the_api_says(call: Call, viewer: httpx2.Client) -> None:
    _, out, _ = call("status", "--json")
    assert json.loads(out).keys() == viewer.get("/api/v1/status").json()["data"].keys()


def test_what_needs_attention_comes_first_and_is_the_exit_code(alone: Stack) -> None:
    alone.sql(
        "insert into processes (process_id, program, name, host, pid, version, beat_at)"
        " values (uuidv7(), 'worker', 'lost:1', 'lost', 1, '1.0', now() - interval '1 minute')"
    )

    def told() -> bool:
        done = episodes(alone.environ, "status")
        return done.returncode == 1 and done.stdout.startswith("attention\n  lost:1 ended without a word")

    eventually(told, within=5)


def test_watched_it_looks_again_until_it_is_interrupted(server: Stack) -> None:
    command = [sys.executable, "-c", "from ops.cli.app import main; main()", "status", "--watch", "--json"]
    watching = subprocess.Popen(command, env=unmeasured(server.environ), stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    looks = [json.loads(watching.stdout.readline()) for _ in range(2)]
    assert looks[0]["at"] < looks[1]["at"]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 0
    watching.stdout.close()


@pytest.mark.parametrize("command", ["list", "stats", "priorities"])
def test_a_pause_is_told_by_all_that_lists_jobs(call: Call, paused: str, command: str) -> None:
    code, out, _ = call("jobs", command)
    assert code == 0
    assert paused in out


def test_a_pause_is_told_while_files_wait_for_it(
    call: Call, paused: str, admin: httpx2.Client, tmp_path: Path, server: Stack
) -> None:
    (tmp_path / "look.jpg").write_bytes(work.unique(media.jpeg()))
    command = [sys.executable, "-c", "from ops.cli.app import main; main()", "ingest", str(tmp_path), "--create"]
    going = subprocess.Popen(
        command, env=unmeasured(server.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert going.stderr is not None
    assert going.stderr.readline() == f"{paused}\n"
    assert admin.delete("/api/v1/ingest/pauses/thumbnail").status_code == 204
    out, _ = going.communicate(timeout=30)
    assert (going.returncode, "1 stored" in out) == (0, True)


@pytest.mark.parametrize(("option", "span", "seconds"), [("--for", "2h30m", 9000), ("--until", "1h", 3600)])
def test_a_pause_lasts_as_long_as_is_said(call: Call, option: str, span: str, seconds: int) -> None:
    code, out, _ = call("jobs", "pause", "backfill", "--reason", "a test", option, span, "--json")
    made: dict[str, Any] = json.loads(out)
    call("jobs", "resume", "backfill")
    assert code == 0
    lasts = work.seconds_between(made["paused_at"], made["until"])
    assert abs(lasts - seconds) < 30


def test_the_log_level_is_set_and_given_back(call: Call) -> None:
    code, out, _ = call("log-level", "DEBUG", "--for", "1m")
    assert (code, out.startswith("all programs log DEBUG until ")) == (0, True)
    assert "log level: DEBUG until" in eventually(lambda: said(call, "log level"), within=5)
    code, out, _ = call("log-level")
    assert (code, out) == (0, "each program logs at its own LOG_LEVEL\n")


def said(call: Call, words: str) -> str | None:
    """The status once it has these words in it."""
    _, out, _ = call("status")
    return out if words in out else None

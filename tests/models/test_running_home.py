"""A program that is told of no service joins those of the home whose server runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from models.build import PROJECT
from models.running_home import with_services
from models.settings import load
from ops.stack.processes import Command, Process
from tests.eventually import eventually
from tests.stack import Stack

URLS = {"DATABASE_URL": "postgresql://app@here/db", "REDIS_URL": "redis://here", "S3_ENDPOINT_URL": "http://here"}
OWNERS = {"MIGRATION_DATABASE_URL": "postgresql://owner@here/db"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose server is this process."""
    told = {"pid": os.getpid(), "url": "http://127.0.0.1:3000", "environment": URLS | OWNERS}
    (tmp_path / "server.json").write_text(json.dumps(told))
    return tmp_path


def test_it_gets_what_it_needs_and_not_what_only_the_owner_of_the_tables_may_do(home: Path) -> None:
    joined = with_services({"EPISODES_HOME": str(home)})
    assert joined == URLS | {"EPISODES_HOME": str(home), "METRICS_PORT": "0"}
    assert load(joined).metrics == 0


def test_what_is_set_holds(home: Path) -> None:
    given = {"EPISODES_HOME": str(home), "METRICS_PORT": "4100", "LOG_LEVEL": "DEBUG"}
    assert with_services(given) == URLS | given


@pytest.mark.parametrize(
    "given", [{"DATABASE_URL": "postgresql://mine/db"}, {"REDIS_URL": "redis://mine"}, {"APP_ENV": "test"}]
)
def test_whoever_names_a_service_or_is_not_in_development_joins_nothing(home: Path, given: dict[str, str]) -> None:
    given |= {"EPISODES_HOME": str(home)}
    assert with_services(given) == given


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_home_that_says_nothing_is_not_joined(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert with_services({"EPISODES_HOME": str(tmp_path)}) == {"EPISODES_HOME": str(tmp_path)}


def test_a_server_that_was_killed_is_not_joined(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "server.json").write_text(json.dumps({"pid": ended.pid, "environment": URLS}))
    assert with_services({"EPISODES_HOME": str(tmp_path)}) == {"EPISODES_HOME": str(tmp_path)}


def test_a_worker_joins_the_home_that_runs_without_a_setting(
    server: Stack, viewer: httpx2.Client, tmp_path: Path
) -> None:
    names = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = {name: server.environ[name] for name in names} | {"EPISODES_HOME": str(tmp_path / ".data")}
    (tmp_path / ".data").mkdir()
    told = json.dumps({"pid": os.getpid(), "environment": environment})
    (tmp_path / ".data" / "server.json").write_text(told)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "COVERAGE_PROCESS_START")}
    worker = Process(
        Command(
            name="joined",
            command=(sys.executable, "-m", "pipeline.worker"),
            environment={**kept, "PYTHONPATH": str(PROJECT), "DECODERS": "1"},
            log=tmp_path / "joined.log",
            directory=tmp_path,
        )
    )

    def pids() -> list[int]:
        found = viewer.get("/api/v1/status").json()["data"]["workers"]
        return [one["pid"] for one in found if one["state"] == "alive"]

    worker.spawn()
    try:
        eventually(lambda: worker.pid in pids())
    finally:
        worker.stop()
    eventually(lambda: len(pids()) == 1)

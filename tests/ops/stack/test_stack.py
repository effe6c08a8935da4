"""The supervisor, as a real process over real services, with stand-ins for the programs."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.settings import with_dotenv
from ops.stack import ports
from ops.stack.__main__ import note_first_start
from tests.eventually import eventually
from tests.stack import Stack, unmeasured

pytestmark = pytest.mark.services

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Run:
    """One run of the supervisor; what it prints goes to a file."""

    def __init__(self, home: Path, number: int, **settings: str) -> None:
        self.home = home
        self.output = home.parent / f"output-{number}"
        environment = {
            **unmeasured(os.environ),  # another user, whom the programs run as, cannot write beside the code
            "PYTHONPATH": f"{HERE}:{ROOT}",
            "EPISODES_HOME": str(home),
            "PORT": "0",
            **settings,
        }
        with self.output.open("wb") as output:
            command = (sys.executable, "-m", "stand_ins")
            self.process = subprocess.Popen(command, env=environment, cwd=home.parent, stdout=output, stderr=output)

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def server(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.home / "server.json").read_text())
        return told

    def await_welcome(self) -> "Run":
        until(lambda: "Episodes is running" in self.printed or self.process.poll() is not None)
        assert self.process.poll() is None, self.printed
        return self

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "home"


@pytest.fixture
def run(home: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(at: Path = home, **settings: str) -> Run:
        runs.append(Run(at, len(list(at.parent.glob("output-*"))), **settings))
        return runs[-1]

    yield start
    for one in runs:
        one.process.kill()
        one.process.wait()


def until(condition: Callable[[], object], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def descendants(pid: int) -> set[int]:
    """The living processes below a process, by ``/proc``."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def living(processes: set[int]) -> set[int]:
    return {pid for pid in processes if _state(pid) not in ("", "Z")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def worker_of(run: Run) -> int:
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in living(descendants(run.process.pid))}
    return next((pid for pid, command in commands.items() if "stand_ins.worker" in command), 0)


def test_a_first_start_migrates_seeds_once_and_says_what_to_try(run: Callable[..., Run], tmp_path: Path) -> None:
    first = run(tmp_path / "home").await_welcome()
    told = first.server
    assert re.search(r"sowing into .*home\n", first.printed)
    for wanted in (told["url"], "/schema", told["metrics_url"], "token --role editor", "curl -H", "--create", "Ctrl-C"):
        assert wanted in first.printed
    assert (first.home / "server.json").stat().st_mode & 0o777 == 0o600
    assert told["pid"] == first.process.pid
    assert {"DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"} <= set(told["environment"])
    with urllib.request.urlopen(f"{told['url']}/health/ready") as answer:
        assert answer.status == 200
    assert "migrating 127.0.0.1" in (first.home / "logs" / "migrations.log").read_text()
    below = descendants(first.process.pid)
    assert first.end() == 0
    assert not (first.home / "server.json").exists()
    until(lambda: not living(below))


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGHUP])
def test_a_later_start_is_quick_seeds_nothing_and_any_stop_signal_ends_it(
    run: Callable[..., Run], home: Path, by: signal.Signals
) -> None:
    if not home.exists():
        run().await_welcome().end()
    began = time.monotonic()
    later = run().await_welcome()
    assert time.monotonic() - began < 8
    assert "sowing" not in later.printed
    below = descendants(later.process.pid)
    assert later.end(by) == 0
    until(lambda: not living(below))


def test_killing_the_supervisor_leaves_no_process_and_the_next_run_starts_at_once(run: Callable[..., Run]) -> None:
    (port,) = ports.free(1)
    killed = run(PORT=str(port), METRICS_PORT="0").await_welcome()
    below = descendants(killed.process.pid)
    assert len(below) > 6
    killed.end(signal.SIGKILL)
    again = run(PORT=str(port), METRICS_PORT="0").await_welcome()
    until(lambda: not living(below))
    assert again.end() == 0


def test_a_program_that_is_killed_comes_back_without_what_it_left(run: Callable[..., Run]) -> None:
    running = run().await_welcome()
    before = worker_of(running)
    own = descendants(before)
    os.kill(before, signal.SIGKILL)
    until(lambda: worker_of(running) not in (0, before))
    until(lambda: not living(own))
    until(lambda: "worker had ended and was started again" in running.printed)
    assert running.end() == 0


def test_a_second_run_on_the_same_home_is_one_line(run: Callable[..., Run]) -> None:
    first = run().await_welcome()
    second = run()
    assert second.process.wait(20) == 1
    assert second.printed == f"already running on {first.home}, pid {first.process.pid} at {first.server['url']}\n"
    assert first.end() == 0


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_taken_port_is_one_line_that_names_it_before_anything_starts(
    run: Callable[..., Run], tmp_path: Path, name: str
) -> None:
    with socket.create_server((ports.HOST, 0)) as stranger:
        port = stranger.getsockname()[1]
        refused = run(tmp_path / "home", **{name: str(port)})
        assert refused.process.wait(20) == 1
        assert (
            refused.printed
            == f"{name}: port {port} is taken by another program; stop it, or set {name} to a free one\n"
        )
    assert {entry.name for entry in refused.home.iterdir()} == {"lock"}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"PORT": "many"}, r"PORT: .*\n"),
        ({"PORT": "65000"}, r"METRICS_PORT: 66000 \(PORT \+ 1000\) is no port; set METRICS_PORT\n"),
        ({"PORT": "3555", "METRICS_PORT": "3555"}, r"METRICS_PORT: it is 3555, as PORT is; set it to another one\n"),
        ({"EPISODES_PORTS": "many"}, r"EPISODES_PORTS: many is not .*, as 20000-31999 is\n"),
        ({"APP_ENV": "production", "ALLOWED_ORIGINS": "https://studio.example"}, r"JWKS_URL: .*\n"),
        ({"PORT": "many", "S3_PRIMARY_BUCKET": "X"}, r"PORT: .*\nS3_PRIMARY_BUCKET: .*\n"),
    ],
)
def test_each_bad_setting_is_one_line_that_names_it(
    run: Callable[..., Run], tmp_path: Path, settings: dict[str, str], line: str
) -> None:
    refused = run(tmp_path / "home", **settings)
    assert refused.process.wait(20) == 1
    assert re.fullmatch(line, refused.printed)


def test_a_home_that_cannot_be_written_is_one_line_that_names_the_setting(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refused = run(tmp_path, EPISODES_HOME=str(tmp_path / "file" / "home"))
    assert refused.process.wait(20) == 1
    assert refused.printed == f"EPISODES_HOME: {tmp_path}/file/home cannot be written: Not a directory\n"


def test_failing_migrations_end_the_start_with_their_log(run: Callable[..., Run]) -> None:
    failed = run(FAIL_MIGRATIONS="column missing")
    assert failed.process.wait(30) == 1
    assert re.search(
        r"migrations ended with code 1; the end of .*migrations\.log:\n(.*\n)*column missing", failed.printed
    )


def test_samples_that_were_not_finished_are_gone_on_with(run: Callable[..., Run], tmp_path: Path) -> None:
    broken = run(tmp_path / "home", FAIL_SEED="1").await_welcome()
    assert "The samples are not complete" in broken.printed
    assert broken.end() == 0
    resumed = run(tmp_path / "home").await_welcome()
    assert "sowing" in resumed.printed
    assert resumed.end() == 0


def test_samples_are_wanted_in_an_empty_home_and_not_with_seed_0(tmp_path: Path) -> None:
    note_first_start(tmp_path, {"SEED": "0"})
    assert not list(tmp_path.iterdir())
    note_first_start(tmp_path, {})
    assert [file.name for file in tmp_path.iterdir()] == ["seed.json"]


@pytest.mark.parametrize(
    ("host", "place"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")]
)
def test_a_host_that_is_listened_on_is_reached_at_a_place(host: str, place: str) -> None:
    assert ports.reached(host) == place


def test_a_port_is_taken_on_the_host_that_is_asked_for() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port, "127.0.0.2")
        assert ports.is_free(port, "127.0.0.1")
        assert not ports.is_free(port, "0.0.0.0")


def test_the_developers_file_completes_the_environment_but_not_in_production(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nPORT=4444\nexport LOG_LEVEL='DEBUG'\nMETRICS_TOKEN = a#b # secret\n\nnonsense\n")
    said = {"PORT": "1", "EPISODES_DOTENV": str(file)}
    assert with_dotenv(said) == said | {"LOG_LEVEL": "DEBUG", "METRICS_TOKEN": "a#b"}
    assert with_dotenv(said | {"APP_ENV": "production"}) == said | {"APP_ENV": "production"}


def test_a_developers_file_does_not_reach_what_tests_start(
    new_stack: Callable[..., Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MAX_OPEN_JOBS_PER_CALLER=nonsense\n")
    monkeypatch.chdir(tmp_path)
    other = new_stack(EPISODES_DOTENV=".env").api
    other.spawn()
    eventually(lambda: not other.alive, within=15)
    stack = new_stack()
    stack.api.start()
    command = (sys.executable, "-m", "ops.cli.app", "token", "--role", "viewer")
    done = subprocess.run(command, env=stack.environ, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")

"""The embedded services, as real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from ops.stack import home as homes
from ops.stack import ports
from ops.stack.processes import Command, Process, StartFailed
from ops.stack.services import Services

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    closed = tmp_path_factory.mktemp("services") / "closed"
    closed.mkdir(mode=0o700)
    return closed / "home"


@pytest.fixture
def embedded(home: Path) -> Iterator[Services]:
    with Services(home, {}) as services:
        yield services


def query(embedded: Services, statement: str) -> object:
    with psycopg.connect(embedded.environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def redis(embedded: Services) -> Redis:
    return Redis.from_url(embedded.environment["REDIS_URL"], decode_responses=True)


def until(condition: Callable[[], object], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def revive(embedded: Services, killed: int) -> None:
    until(lambda: killed not in [child.pid for child in embedded.children])
    until(lambda: any(child.keep() for child in embedded.children))
    until(lambda: all(child.ready for child in embedded.children))


def test_the_database_is_what_the_application_needs(embedded: Services) -> None:
    names = ("server_version_num", "server_encoding", "data_checksums", "fsync")
    version, *rest = (query(embedded, f"show {name}") for name in names)
    assert str(version).startswith("('18")
    assert rest == [("UTF8",), ("on",), ("on",)]
    query(embedded, "create extension if not exists pg_trgm; create extension if not exists unaccent")
    query(embedded, "create role application login password 'x'; drop role application")
    assert query(embedded, "select lower('ÉCOLE'), unaccent('É'), 'жизнь' % 'жизнью'") == ("école", "E", True)


def test_every_service_wants_its_password(embedded: Services) -> None:
    url = embedded.environment["MIGRATION_DATABASE_URL"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace(url.split(":")[2].split("@")[0], "wrong"))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace("episodes:", "postgres:").replace("/episodes", "/postgres"))
    port = int(embedded.environment["REDIS_URL"].rsplit(":", 1)[1].split("/")[0])
    with socket.create_connection((ports.HOST, port)) as connection:
        connection.sendall(b"PING\r\n")
        assert b"NOAUTH" in connection.recv(100)


def test_nothing_in_the_home_shows_a_password_to_others(embedded: Services) -> None:
    secrets = homes.read(embedded.home / "services.json")
    shown = [
        file for file in embedded.home.iterdir() if file.is_file() and file.stat().st_mode & 0o077 and file.read_text()
    ]
    assert shown == []
    assert [(embedded.home / name).stat().st_mode & 0o077 for name in ("postgres", "valkey", "objects")] == [0, 0, 0]
    commands = [Path(f"/proc/{child.pid}/cmdline").read_text() for child in embedded.children]
    assert not any(
        str(secret) in command for command in commands for name, secret in secrets.items() if "port" not in name
    )


def test_a_service_that_is_killed_comes_back_with_its_data(embedded: Services) -> None:
    query(embedded, "create table if not exists kept (what text)")
    query(embedded, "insert into kept values ('row')")
    with redis(embedded) as client:
        client.set("kept", "value")
        until(lambda: int(client.info("persistence")["aof_pending_bio_fsync"]) == 0)
    for child in embedded.children:
        before = child.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        revive(embedded, before)
        assert child.pid not in (None, before)
    with redis(embedded) as client:
        assert client.get("kept") == "value"
    assert query(embedded, "select count(*) from kept") == (1,)


def test_data_survive_a_stop_and_the_next_start_is_quick(home: Path) -> None:
    with Services(home, {}) as services:
        query(services, "create table survivors as select 1 as number")
        pids = [child.pid for child in services.children]
        with redis(services) as client:
            client.set("survivor", "1")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    began = time.monotonic()
    with Services(home, {}) as services:
        assert time.monotonic() - began < 8
        assert query(services, "select number from survivors") == (1,)
        with redis(services) as client:
            assert client.get("survivor") == "1"


def test_a_second_home_runs_beside_the_first_even_if_its_creation_was_killed_once(
    embedded: Services, tmp_path: Path
) -> None:
    (tmp_path / "postgres.draft" / "base").mkdir(parents=True)  # of a creation that was killed
    with Services(tmp_path, {}) as other:
        assert other.environment["DATABASE_URL"] != embedded.environment["DATABASE_URL"]
        query(other, "create table only_here ()")
        assert query(embedded, "select to_regclass('only_here')") == (None,)


def test_what_a_killed_run_left_is_no_obstacle(home: Path) -> None:
    script = f"from ops.stack.services import Services; from pathlib import Path; import os, signal\n\
services = Services(Path({str(home)!r}), {{}}); services.start()\n\
print(*[child.pid for child in services.children], flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    orphans = [int(pid) for pid in killed.stdout.split()]
    assert (killed.returncode, len(orphans)) == (-signal.SIGKILL, 3)
    with Services(home, {}) as services:  # some of the orphans may still be shutting down
        assert query(services, "select 1") == (1,)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))


def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(home: Path) -> None:
    (home / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{home / 'postgres'}\n0\n1\n\n127.0.0.1\n0\nready\n"
    )
    with Services(home, {}) as services:
        assert query(services, "select 1") == (1,)


def test_a_port_that_somebody_else_took_is_changed(home: Path) -> None:
    port = homes.read(home / "services.json")["postgres_port"]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((ports.HOST, port))
        stranger.listen()
        with Services(home, {}) as services:
            assert f":{port}/" not in services.environment["DATABASE_URL"]
            assert query(services, "select 1") == (1,)


def test_a_service_whose_url_is_set_is_used_instead(embedded: Services, tmp_path: Path) -> None:
    with Services(tmp_path, embedded.environment) as borrower:
        assert borrower.children == []
        assert borrower.environment["DATABASE_URL"] == embedded.environment["DATABASE_URL"]
        assert borrower.environment["AWS_ACCESS_KEY_ID"] == embedded.environment["AWS_ACCESS_KEY_ID"]
    assert query(embedded, "select 1") == (1,)


def test_a_url_where_nothing_answers_is_one_line_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.stack.services.EXTERNAL_PATIENCE", 0.1)
    (port,) = ports.free(1)
    urls = {
        "DATABASE_URL": f"postgresql://x@127.0.0.1:{port}/x",
        "REDIS_URL": "redis://x",
        "S3_ENDPOINT_URL": "http://x",
    }
    with pytest.raises(StartFailed, match=rf"^DATABASE_URL: nothing accepts connections at 127\.0\.0\.1:{port}$"):
        Services(tmp_path, urls).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives way to another user")
def test_as_root_postgres_runs_as_nobody_below_a_directory_that_stays_closed(embedded: Services) -> None:
    assert embedded.postgres is not None
    process = Path(f"/proc/{embedded.postgres.pid}")
    assert "Uid:\t65534\t65534\t65534\t65534" in (process / "status").read_text()
    assert (process / "cwd").readlink() == embedded.home / "postgres"
    closed = embedded.home.parent
    assert (closed.stat().st_mode & 0o777, closed.stat().st_uid) == (0o700, 0)


def test_what_dies_at_once_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    command = (sys.executable, "-c", "print('started')")
    child = Process(Command(name="mayfly", command=command, environment={}, log=log))
    child.spawn()
    ends = time.monotonic() + 1.2
    while time.monotonic() < ends:
        child.keep()
        time.sleep(0.005)
    child.stop()
    assert 2 <= log.read_text().count("started") <= 4


def test_a_child_that_does_not_stop_is_killed_in_the_end(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    log = tmp_path / "child.log"
    command = (sys.executable, "-c", stubborn)
    ready = lambda: log.exists() and "up" in log.read_text()  # noqa: E731
    child = Process(Command(name="stubborn", command=command, environment={}, log=log, patience=0.2, ready=ready))
    child.start()
    child.stop()
    assert not child.alive


def test_a_program_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no such luck')")
    child = Process(
        Command(name="hopeless", command=command, environment={}, log=tmp_path / "x.log", ready=lambda: False)
    )
    with pytest.raises(StartFailed, match=r"hopeless ended with code 1(.|\n)*no such luck"):
        child.start()


@pytest.mark.programs
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nowhere"])
def test_buckets_that_cannot_be_made_sure_of_are_one_line(endpoint: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
    environ = {"PATH": os.defpath, "EPISODES_DOTENV": "", "S3_ENDPOINT_URL": endpoint, **keys}
    command = (sys.executable, "-m", "ops.stack.buckets")
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("S3_ENDPOINT_URL: ")

"""The database's history: forward from nothing, back step by step, forward again, and by two at once."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

import migrations
from migrations.errors import StepError
from migrations.upgrade import HEAD, downgrade, upgrade
from models.settings.purposes import PURPOSES

STEPS_PATHS = sorted(Path(migrations.__file__).parent.glob("versions/[0-9]*.py"))
STEPS = [path.name.split("_")[0] for path in STEPS_PATHS]
SCHEMA = b"""
    select 'column', table_name || '.' || column_name,
           concat_ws(' ', data_type, is_nullable, column_default, generation_expression)
    from information_schema.columns where table_schema = 'public'
    union all
    select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'public'::regnamespace
    union all
    select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
    union all
    select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all
    select 'function', oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc
    where pronamespace = 'public'::regnamespace and prokind = 'f'
      and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
    union all
    select 'view', viewname, definition from pg_views where schemaname = 'public'
    union all
    select 'extension', extname, '' from pg_extension
    union all
    select 'configuration', cfgname,
           (select string_agg(concat_ws(' ', maptokentype, mapseqno, mapdict::regdictionary), ',' order by 1)
            from pg_ts_config_map where mapcfg = pg_ts_config.oid)
    from pg_ts_config where cfgnamespace = 'public'::regnamespace
    order by 1, 2, 3
"""
Schema = list[tuple[str, str, str]]


@pytest.fixture
def empty(services: dict[str, str]) -> str:
    """The URL of a database with nothing in it."""
    url, name = services["MIGRATION_DATABASE_URL"], f"migrated_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return f"{url.rpartition('/')[0]}/{name}"


def schema(url: str) -> Schema:
    """Everything in the database, in words; alembic's own table apart."""
    with psycopg.connect(url) as connection:
        found = connection.execute(SCHEMA).fetchall()
    return [(kind, name, text) for kind, name, text in found if "alembic_version" not in name]


def revision(url: str) -> str | None:
    """Where the database is in its history."""
    with psycopg.connect(url) as connection:
        found = connection.execute("select version_num from alembic_version").fetchone()
    return str(found[0]) if found else None


def test_the_history_is_one_line() -> None:
    assert [f"{number:04}" for number in range(1, len(STEPS) + 1)] == STEPS
    assert STEPS[-1] == HEAD


def test_every_step_has_its_way_back_and_forth_again(empty: str) -> None:
    nothing = schema(empty)
    before: list[Schema] = [nothing]
    for step in STEPS:
        upgrade(empty, step)
        assert revision(empty) == step
        before.append(schema(empty))
    assert len(set(map(str, before))) == len(before)
    for step, expected in zip([*reversed(STEPS[:-1]), "base"], reversed(before[:-1]), strict=True):
        downgrade(empty, step)
        assert schema(empty) == expected
    assert revision(empty) is None
    upgrade(empty)
    assert schema(empty) == before[-1]
    assert revision(empty) == HEAD


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(empty: str) -> None:
    upgrade(empty)
    once = schema(empty)
    upgrade(empty)
    assert schema(empty) == once


def test_two_upgrades_at_once_both_succeed(empty: str) -> None:
    command = [sys.executable, "-m", "migrations"]
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": empty}
    both = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert revision(empty) == HEAD


def test_without_a_database_url_the_command_says_so() -> None:
    command = [sys.executable, "-m", "migrations"]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=False)
    line = f"DATABASE_URL: this setting is required: {PURPOSES['DATABASE_URL']}\n"
    assert (ended.returncode, ended.stderr) == (1, line)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/episodes", "onnection refused"),
        ("postgresql://nobody@no.such.host.invalid/episodes", "no.such.host.invalid"),
        ("not a url", "missing"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line(url: str, reason: str) -> None:
    said = refused(url)
    assert said.startswith("DATABASE_URL: ")
    assert reason in said


def test_a_step_that_the_database_refuses_is_one_line(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("create table shows (in_the_way boolean)")
    assert "already exists" in refused(empty)


def test_an_older_postgresql_is_refused_before_the_first_step() -> None:
    with OlderServer() as server:
        said = refused(server.url)
    assert said == f"DATABASE_URL: PostgreSQL 15.18 runs at 127.0.0.1:{server.port}; Episodes needs 18 or newer\n"
    assert server.asked == []


class OlderServer:
    """Says as much as a server of PostgreSQL 15 says before the first statement, and keeps what it is asked then."""

    STATUS = b"server_version\0" + b"15.18\0"
    NO_ENCRYPTION = (80877103, 80877104)  # TLS and GSSAPI, as the protocol numbers the questions

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"postgresql://owner@127.0.0.1:{self.port}/episodes"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with self._listener.accept()[0] as client:
            while int.from_bytes(client.recv(4096)[4:8]) in self.NO_ENCRYPTION:
                client.sendall(b"N")
            client.sendall(self._message(b"R", bytes(4)) + self._message(b"S", self.STATUS) + self._message(b"Z", b"I"))
            while (message := client.recv(4096)) and not message.startswith(b"X"):
                self.asked.append(message)

    @staticmethod
    def _message(kind: bytes, body: bytes) -> bytes:
        return kind + (len(body) + 4).to_bytes(4) + body

    def __enter__(self) -> "OlderServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()


def refused(url: str) -> str:
    """What ``python -m migrations`` says of a database that it cannot migrate."""
    environ = {"PATH": os.environ["PATH"], "EPISODES_DOTENV": "", "DATABASE_URL": url}
    command = [sys.executable, "-m", "migrations"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended.stderr
    return ended.stderr


def test_a_failed_step_leaves_nothing_of_itself(empty: str) -> None:
    upgrade(empty, STEPS[0])
    before = schema(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("create table episodes (in_the_way boolean)")
    with pytest.raises(StepError, match="already exists"):
        upgrade(empty, STEPS[1])
    assert revision(empty) == STEPS[0]
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("drop table episodes")
    assert schema(empty) == before
    upgrade(empty)
    assert revision(empty) == HEAD


def test_what_was_empty_becomes_null_and_a_blank_name_gets_one(empty: str) -> None:
    step = next(path for path in STEPS_PATHS if "blank_names" in path.name).name[:4]
    upgrade(empty, f"{int(step) - 1:04}")
    with psycopg.connect(empty, autocommit=True) as connection:
        make = """
            with show as (insert into shows (name, created_by, updated_by) values (%s, 'x', 'x') returning *)
            insert into episodes (show_id, title, episode_number, trailer_reference, created_by, updated_by)
            select show_id, %s, 1, %s, 'x', 'x' from show returning episode_id
        """
        blank = connection.execute(make, [" ", "  ", ""]).fetchone()
        named = connection.execute(make, ["Lala", "One", "s3://b/t.mp4"]).fetchone()
        assert blank
        assert named
        script = (
            "insert into scripts (episode_id, version_number, title, content, file_reference, created_by, updated_by)"
        )
        connection.execute(f"{script} values (%s, 1, ' ', 'x', '', 'x', 'x')".encode(), blank)
    upgrade(empty)
    found = "select name, title, trailer_reference from episodes join shows using (show_id) where episode_id = %s"
    with psycopg.connect(empty, autocommit=True) as connection:
        name, title, trailer = connection.execute(found, blank).fetchone() or ("", "", "")
        assert (name[:9], title[:9], trailer) == ("untitled ", "untitled ", None)
        assert connection.execute(found, named).fetchone() == ("Lala", "One", "s3://b/t.mp4")
        assert connection.execute("select title, file_reference from scripts").fetchone() == (None, None)
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("update scripts set title = 'changed'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("update episodes set trailer_reference = ''")
    downgrade(empty, f"{int(step) - 1:04}")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("update episodes set trailer_reference = ''")


JOB = """
    insert into ingest_jobs (kind, entity_type, entity_id, role, source_reference, on_duplicate, priority, stage,
                             request_id, created_by, status, error_code, error_message, finished_at)
    select 'ingest', 'clip', coalesce(%s, uuidv7()), 'primary', 's3://b/k', 'link', 'batch', 'ingest', 'r', 'x',
           'failed', 'TIMEOUT', 'x', now()
    from generate_series(1, %s)
"""
FILE = """
    insert into files (sha256, file_reference, file_size, entity_type, entity_id, role, job_id, stored_at)
    select repeat(%(digit)s, 64), 's3://b/' || %(digit)s, 1, 'clip', clip_id, 'primary', uuidv7(), now() from clips
"""


def before_what_is_read_again(url: str) -> str:
    """A database as it was before objects were read again, with a clip in it; the clip's key."""
    upgrade(url, "0022")
    with psycopg.connect(url, autocommit=True) as connection:
        make = "insert into clips (title, created_by, updated_by) values ('a', 'x', 'x') returning clip_id::text"
        made = connection.execute(make).fetchone()
        assert made
        return str(made[0])


def test_failed_jobs_of_what_is_gone_are_forgotten_and_findings_go_back_and_forth(empty: str) -> None:
    clip = before_what_is_read_again(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(JOB, [None, 2500])
        connection.execute(JOB, [clip, 2])
        for digit in "ab":
            connection.execute(FILE, {"digit": digit})
        connection.execute("insert into integrity_findings (kind, sha256) values ('rot', repeat('a', 64))")
    upgrade(empty, "0023")
    with psycopg.connect(empty, autocommit=True) as connection:
        assert connection.execute("select count(*), min(entity_id::text) from ingest_jobs").fetchone() == (2, clip)
        assert connection.execute("select file_reference from integrity_findings").fetchall() == [("s3://b/a",)]
        connection.execute("""
            insert into integrity_findings (kind, sha256, file_reference, entity_type, entity_id)
            select 'loss', sha256, at, 'clip', uuidv7()
            from (values (null, 's3://b/never'), (null, 's3://b/b'), (repeat('c', 64), 's3://b/c'),
                         (repeat('a', 64), 's3://b/copy')) as found (sha256, at)
        """)
    downgrade(empty, "0022")
    with psycopg.connect(empty, autocommit=True) as connection:
        assert connection.execute("select kind, sha256 from integrity_findings").fetchall() == [("rot", "a" * 64)]
    upgrade(empty)


def test_an_upgrade_that_comes_to_a_lock_keeps_nobody_waiting_and_goes_on_when_it_is_done_again(empty: str) -> None:
    before_what_is_read_again(empty)
    with psycopg.connect(empty) as writing:
        writing.execute("update clips set title = 'b'")
        with pytest.raises(Exception, match="lock timeout"):
            upgrade(empty, "0023")
        assert revision(empty) == "0022"
        with psycopg.connect(empty, autocommit=True) as others:
            others.execute("set lock_timeout = '1s'")
            others.execute("update episodes set title = title")
            others.execute("insert into clips (title, created_by, updated_by) values ('c', 'x', 'x')")
    upgrade(empty, "0023")
    again = schema(empty)
    downgrade(empty, "0022")
    upgrade(empty, "0023")
    assert schema(empty) == again

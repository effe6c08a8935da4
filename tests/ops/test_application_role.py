"""The programs run as a role that owns nothing: of the audit log it can only read and add to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrations import upgrade
from ops import home as homes
from ops.services import PROJECT, Services
from tests.eventually import eventually
from tests.stack import Stack


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a ``make run``, made when its programs still ran as the owner."""
    home = tmp_path_factory.mktemp("roles") / "home"
    with Services(home, {}) as services:
        upgrade(services.environment["MIGRATION_DATABASE_URL"])
    keys = homes.read(home / "services.json")
    homes.write(home / "services.json", {name: key for name, key in keys.items() if "application" not in name})
    environ = {**os.environ, "EPISODES_HOME": str(home), "PORT": "0", "SEED": "0", "PYTHONPATH": str(PROJECT)}
    command = (sys.executable, "-m", "ops.stack")
    with (home.parent / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environ, cwd=home.parent, stdout=output, stderr=output)
    try:
        eventually(lambda: homes.read(home / "server.json") or process.poll() is not None, within=60)
        assert process.poll() is None, (home.parent / "output").read_text()
        yield home
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def url(home: Path) -> str:
    """The database as the running API reaches it."""
    (found,) = {environ["DATABASE_URL"] for environ in environments(home) if "DATABASE_URL" in environ}
    return found


def environments(home: Path) -> list[dict[str, str]]:
    """What the API, the dispatcher and the worker were given."""
    supervisor = str(homes.read(home / "server.json")["pid"])
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            program = (process / "cmdline").read_text().split("\0")[-2:-1]
            environ = (process / "environ").read_text().split("\0")
        except OSError:
            continue
        if parent == supervisor and program in (["api"], ["pipeline.worker"], ["pipeline.dispatcher"]):
            found.append(dict(one.partition("=")[::2] for one in environ))
    return found


def test_no_program_of_make_run_is_told_how_to_reach_the_database_as_its_owner(home: Path, url: str) -> None:
    given = environments(home)
    owner = homes.read(home / "server.json")["environment"]["MIGRATION_DATABASE_URL"]
    assert len(given) == 3
    assert owner != url
    assert not [value for environ in given for value in environ.values() if owner in value]


def test_its_role_owns_nothing_and_has_no_power(url: str) -> None:
    query = """
        select (select count(*) from pg_shdepend where refobjid = oid and deptype = 'o'),
               rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
               (select count(*) from pg_auth_members where member = pg_roles.oid)
        from pg_roles where rolname = current_user
    """
    with psycopg.connect(url) as connection:
        assert connection.execute(query).fetchall() == [(0, False, False, False, False, False, 0)]


@pytest.mark.parametrize("table", ["audit_log", "audit_seals"])
@pytest.mark.parametrize(
    "tampering",
    [
        "update {} set {} = default",
        "delete from {}",
        "truncate {}",
        "truncate {} cascade",
        "merge into {} using (select) as one on true when matched then delete",
        "select from {} for update",
        "alter table {} disable trigger all",
        "alter table {} disable trigger {}_refuse",
        "alter table {} add column more text",
        "alter table {} owner to current_user",
        "drop trigger {}_refuse on {}",
        "create trigger more before insert on {} execute function refuse_change()",
        "create rule more as on insert to {} do instead nothing",
        "drop table {}",
        "set session_replication_role = replica",
        "create or replace function refuse_change() returns trigger language sql as 'select null'",
        "alter function difference(jsonb, jsonb) rename to other",
        "create table more ()",
        "set role episodes",
        "set session authorization episodes",
        "alter role episodes password 'known'",
        "copy {} from program 'true'",
    ],
)
def test_it_cannot_touch_the_audit_log(url: str, table: str, tampering: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        if "default" in tampering:
            tampering = tampering.format(table, "at" if table == "audit_log" else "sealed_at")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(tampering.replace("{}", table).encode())


@pytest.mark.parametrize(("column", "value"), [("at", "now() - interval '1 day'"), ("transaction", "'9999999'")])
def test_it_cannot_date_back_what_it_adds(url: str, column: str, value: str) -> None:
    columns = "actor, action, entity_type, entity_id, request_id"
    row = f"insert into audit_log ({columns}{{}}) values ('x', 'update', 'clip', uuidv7(), 'r'{{}})"
    with psycopg.connect(url) as connection:
        connection.execute(row.format("", "").encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(row.format(f", {column}", f", {value}").encode())
        connection.rollback()


@pytest.mark.parametrize(("column", "value"), [("sealed_at", "now() - interval '1 day'"), ("seal_id", "1")])
def test_it_cannot_date_or_number_a_seal(url: str, column: str, value: str) -> None:
    seal = "insert into audit_seals (upto, rows, hash, audit_ids, digests{}) {} values ('1', 0, '', '{{}}', ''{})"
    with psycopg.connect(url) as connection:
        connection.execute(seal.format("", "", "").encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(seal.format(f", {column}", "overriding system value", f", {value}").encode())
        connection.rollback()


def test_it_cannot_give_itself_the_right(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("grant all on audit_log to current_user")  # a warning: nothing was granted
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from audit_log")


@pytest.mark.parametrize(
    "command", [("migrate",), ("reindex",), ("index", "check", "--repair"), ("audit", "verify"), ("search", "pier")]
)
def test_the_command_line_works_on_its_home(home: Path, command: tuple[str, ...]) -> None:
    environ = {"PATH": os.defpath, "EPISODES_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    arguments = (sys.executable, "-m", "ops.cli", *command)
    done = subprocess.run(arguments, env=environ, cwd=home, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_tests_have_their_programs_run_as_that_role(server: Stack) -> None:
    sessions = "select distinct usename from pg_stat_activity where datname = current_database()"
    assert server.sql(f"{sessions} and application_name = 'episodes'") == [("episodes_app",)]

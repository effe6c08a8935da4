"""What the programs of ``make run`` may do: on this machine, and in the database, where they own nothing.

Of the audit log their role can only read and add to it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from migrations import upgrade
from models import dev_issuer
from models.build import PROJECT
from ops.stack import home as homes
from ops.stack.processes import LAUNCH
from ops.stack.services import Services
from tests.eventually import eventually
from tests.processes import children
from tests.stack import Stack

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a ``make run``, made when its programs still ran as the owner and as whoever had started it."""
    home = tmp_path_factory.mktemp("roles") / "home"
    with Services(home, {}) as services:
        upgrade(services.environment["MIGRATION_DATABASE_URL"])
    dev_issuer.key(home)
    make_older(home)
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


def make_older(home: Path) -> None:
    """As a version left it that gave only PostgreSQL to another user, and closed nothing."""
    for path in (home, *home.rglob("*")):
        if "postgres" not in path.parts:
            os.chown(path, os.geteuid(), os.getegid())
    home.chmod(0o755)


@pytest.fixture(scope="module")
def url(home: Path) -> str:
    """The database as the running API reaches it."""
    return str(homes.read(home / "server.json")["environment"]["DATABASE_URL"])


@pytest.fixture(scope="module")
def programs(home: Path) -> dict[str, int]:
    """The supervisor and all that it has started, by what they are called."""
    supervisor = int(homes.read(home / "server.json")["pid"])
    names = {"api", "pipeline.dispatcher", "pipeline.worker", "ops.s3.server", "valkey-server", "postgres"}
    found = {name: pid for pid in children(supervisor) for name in names & words(pid)}
    assert found.keys() == names
    return found | {"ops.stack": supervisor, "decoder": children(found["pipeline.worker"])[0]}


def words(pid: int) -> set[str]:
    """Of a process's command line, without folders."""
    return {Path(word).name for line in Path(f"/proc/{pid}/cmdline").read_text().split("\0") for word in line.split()}


def user_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[0])


READ = """
import os, sys
for pid in sys.argv[1:]:
    for name in ("environ", "mem", "maps"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        except PermissionError:
            continue
        print(pid, name)
"""


def read_by_another(user: int, *pids: int) -> str:
    """What another process of the same user, with no power beside it, reads of these in ``/proc``."""
    whom = f"{user}:{user}:passage" if os.geteuid() == 0 else "-"
    launch = (sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGKILL)), whom)
    command = (*launch, sys.executable, "-I", "-S", "-c", READ, *map(str, pids))
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=30).stdout


def test_what_holds_secrets_is_closed_to_other_processes_of_its_user(programs: dict[str, int]) -> None:
    ours = [pid for name, pid in programs.items() if name not in ("postgres", "valkey-server")]
    ours += children(programs["api"])
    with subprocess.Popen(["sleep", "60"]) as open_to_all:
        for user in {user_of(pid) for pid in ours} - {0}:  # root may read everything
            same = [pid for pid in ours if user_of(pid) == user]
            eventually(partial(is_closed, user, same))  # a decoder that has just begun closes itself in a moment
        assert read_by_another(os.geteuid(), open_to_all.pid).count(" ") == 3
        open_to_all.kill()


def is_closed(user: int, pids: list[int]) -> bool:
    """Whether another process of the user can read nothing of these."""
    return read_by_another(user, *pids) == ""


def test_as_root_make_run_gives_its_programs_to_another_user_and_nobody_else_enters_the_home(
    home: Path, programs: dict[str, int]
) -> None:
    users = {user_of(pid) for name, pid in programs.items() if name != "ops.stack"}
    assert len(users) == 1
    assert 0 not in users
    assert (home.stat().st_mode & 0o777, home.stat().st_uid) == (0o700, *users)
    kept = {path.name for path in home.iterdir() if path.stat().st_uid != home.stat().st_uid}
    assert kept <= {"lock", "logs", "metrics", "services.json", "server.json"}
    inside = [path for name in ("issuer", "objects", "scratch", "valkey") for path in (home / name).rglob("*")]
    assert {path.stat().st_uid for path in inside} == users


def test_no_program_of_make_run_is_told_how_to_reach_the_database_as_its_owner(
    home: Path, url: str, programs: dict[str, int]
) -> None:
    owner = homes.read(home / "server.json")["environment"]["MIGRATION_DATABASE_URL"]
    assert owner != url
    for name in ("api", "pipeline.dispatcher", "pipeline.worker"):
        assert owner not in environment(programs[name])


def environment(pid: int) -> str:
    """As far as we may read it: root may, and to others it is closed."""
    try:
        return Path(f"/proc/{pid}/environ").read_text()
    except PermissionError:
        return ""


def test_it_makes_no_temporary_tables(url: str) -> None:
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("create temporary table mine ()")


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
    arguments = (sys.executable, "-c", "from ops.cli.app import main; main()", *command)
    done = subprocess.run(arguments, env=environ, cwd=home, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_tests_have_their_programs_run_as_that_role(server: Stack) -> None:
    sessions = "select distinct usename from pg_stat_activity where datname = current_database()"
    assert server.sql(f"{sessions} and application_name = 'episodes'") == [("episodes_app",)]

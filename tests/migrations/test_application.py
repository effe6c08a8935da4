"""What the migrations do for the role of the programs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from migrations import upgrade
from tests.stack import own_database


@pytest.fixture
def owner(services: dict[str, str]) -> str:
    """A migrated database, as its owner reaches it."""
    return own_database(services)


@pytest.fixture
def role(owner: str) -> Iterator[str]:
    """The name of a role that is not there yet, with all that is awkward in a name."""
    name = f'The "App"-{uuid4().hex[:8]}'
    yield name
    with psycopg.connect(owner, autocommit=True) as connection:
        quoted = name.replace('"', '""')
        if connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
            connection.execute(f'drop owned by "{quoted}"; drop role "{quoted}"'.encode())


def application(owner: str, role: str, password: str = "it's") -> str:
    """The same database as this role reaches it."""
    parts = urlsplit(owner)
    user = role.replace(" ", "%20").replace('"', "%22")
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()


def migrated(owner: str, url: str) -> subprocess.CompletedProcess[str]:
    """``python -m migrations`` with both."""
    environ = {"PATH": os.defpath, "EPISODES_DOTENV": "", "MIGRATION_DATABASE_URL": owner, "DATABASE_URL": url}
    command = (sys.executable, "-m", "migrations")
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_role_that_is_missing_is_made_and_may_use_the_tables(owner: str, role: str) -> None:
    url = application(owner, role)
    done = migrated(owner, url)
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(url) as connection:
        connection.execute("insert into shows (name, created_by, updated_by) values ('A show', 'x', 'x')")
        connection.execute("select last_value from search_documents_serial_seq")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update alembic_version set version_num = '0001'")


def test_a_role_that_is_there_keeps_its_password(owner: str, role: str) -> None:
    for _ in range(2):
        upgrade(owner, application_url=application(owner, role))
    with psycopg.connect(application(owner, role)) as connection:
        assert connection.execute("select count(*) from shows").fetchone() == (0,)


def test_a_password_that_was_rotated_in_the_settings_is_that_of_the_role(owner: str, role: str) -> None:
    upgrade(owner, application_url=application(owner, role))
    done = migrated(owner, application(owner, role, "another"))
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(application(owner, role, "another")) as connection:
        assert connection.execute("select count(*) from shows").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(application(owner, role))


def test_rights_that_were_too_many_are_taken_back(owner: str, role: str) -> None:
    url = application(owner, role)
    upgrade(owner, application_url=url)
    quoted = role.replace('"', '""')
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f'grant all on audit_log, audit_seals, alembic_version to "{quoted}"'.encode())
    upgrade(owner, application_url=url)
    for theft in ("update audit_log set actor = 'x'", "delete from audit_seals", "truncate audit_log"):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(theft.encode())


def test_a_role_with_the_owners_power_is_refused_in_one_line(owner: str, role: str) -> None:
    url = application(owner, role)
    upgrade(owner, application_url=url)
    quoted = role.replace('"', '""')
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f'grant create on schema public to "{quoted}"'.encode())
        connection.execute(f'alter table audit_seals owner to "{quoted}"'.encode())
    done = migrated(owner, url)
    expected = f"DATABASE_URL: {role} has the power of the tables' owner; take another role\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_one_url_is_one_role_for_everything(owner: str) -> None:
    done = migrated(owner, owner)
    assert (done.returncode, done.stderr) == (0, "")

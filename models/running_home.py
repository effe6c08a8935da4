"""The services of a data directory whose `make run` runs, for a program that is told of none: it joins them.

For development only, as ``.env`` is. What the owner of the tables may do, such a program may not.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SERVICES: Final = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "S3_ENDPOINT_URL")
OWNERS_URL: Final = "MIGRATION_DATABASE_URL"
NO_METRICS: Final = {"METRICS_PORT": "0"}  # the home's own worker has the port


def with_services(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, completed by the home's services where it names none.

    Raises:
        PermissionError: there is such a home, and only its owner may know.
    """
    given = dict(environ)
    if environ.get("APP_ENV", "development") != "development" or any(environ.get(name) for name in SERVICES):
        return given
    found = _server(Path(environ.get("EPISODES_HOME") or ".data"))
    told = {name: value for name, value in found.get("environment", {}).items() if name != OWNERS_URL}
    return told | (NO_METRICS if told else {}) | {name: value for name, value in given.items() if value}


def _server(home: Path) -> dict[str, Any]:
    """What the server that runs on a home says of itself; nothing where none runs."""
    try:
        found = json.loads((home / "server.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) and _alive(found.get("pid", 0)) else {}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

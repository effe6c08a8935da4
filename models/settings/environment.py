"""The environment as the settings are read from it: completed by a developer's ``.env``, secrets by files."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from models.settings.types import SettingsError

SECRETS: Final = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "METRICS_TOKEN",
    "EPISODES_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
FILE: Final = "_FILE"
# Read where they count, and by nobody else.
ELSEWHERE: Final = (*SECRETS, "EPISODES_DOTENV", "EPISODES_PORTS", "EPISODES_URL", "SEED")
FAMILIES: Final = ("COGNITO_", "DATABASE_POOL_", "JWKS_", "JWT_", "METRICS_", "RATE_LIMIT_", "S3_", "WEBHOOK_")
SHORTEST: Final = 8  # a shorter name is like too many others
LIKE: Final = 0.88  # of 1, as difflib compares: REDIS_URI is REDIS_URL, AWS_DEFAULT_REGION is not AWS_REGION
DOTENV_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")


def with_dotenv(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, completed by what a developer's ``.env`` says beyond it; production reads no file.

    ``EPISODES_DOTENV`` names another file, or none where it is empty: no test depends on what a developer set.
    """
    file = Path(environ.get("EPISODES_DOTENV", ".env"))
    if environ.get("APP_ENV", "development") != "development" or not file.is_file():
        return dict(environ)
    found = (DOTENV_LINE.match(line) for line in file.read_text().splitlines())
    return {one[1]: _unquoted(one[2]) for one in found if one} | dict(environ)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value.partition(" #")[0].rstrip()


def with_secrets(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The environment with the secrets that stand in files (``<NAME>_FILE``), and a line for each that does not."""
    found, wrong = dict(environ), {}
    for name in SECRETS:
        if file := environ.get(name + FILE):
            try:
                found[name] = _secret(file, name, environ.get(name))
            except (OSError, ValueError) as error:
                wrong[name] = f"{name}{FILE}: {_reason(error, file)}"
    return found, wrong


def complete(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with ``.env`` and the secrets' files, for a program that needs not all of the settings.

    Raises:
        SettingsError: naming each file that cannot be read.
    """
    found, wrong = with_secrets(with_dotenv(environ))
    if wrong:
        raise SettingsError(*wrong.values())
    return found


def _secret(file: str, name: str, given: str | None) -> str:
    """What the file holds; a process that we started has been given the same."""
    text = Path(file).read_text().strip()
    if not text:
        raise ValueError(f"{file} is empty")
    if given and given != text:
        raise ValueError(f"{name} is set as well, to something else; set one of the two")
    return text


def _reason(error: OSError | ValueError, file: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{file} is not text"
    return f"{file}: {error.strerror}" if isinstance(error, OSError) else str(error)


def strangers(environ: Mapping[str, str], ours: Iterable[str]) -> Iterator[str]:
    """A line for each variable that nobody reads and that looks like one of ours."""
    known = {*ours, *ELSEWHERE, *(name + FILE for name in SECRETS)}
    for name in sorted(environ.keys() - known):
        near = difflib.get_close_matches(name, known, 1, LIKE) if len(name) >= SHORTEST else []
        if near:
            yield f"{name}: there is no such setting; {near[0]} is meant?"
        elif name.startswith(FAMILIES):
            yield f"{name}: there is no such setting"

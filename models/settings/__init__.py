"""Settings, read once from the environment; whatever is wrong with them is told at once, a line each."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import inspect

from models import running_home
from models.settings import checks
from models.settings.environment import complete, strangers, with_dotenv, with_secrets
from models.settings.purposes import PURPOSES
from models.settings.types import AppEnv, Cage, Reach, Settings, SettingsError

__all__ = ["AppEnv", "Cage", "Reach", "Settings", "SettingsError", "complete", "load", "notices", "with_dotenv"]

HINTS: Final = get_type_hints(Settings, include_extras=True)
# In the place of a required setting that is missing, so that all others are checked as well.
STAND_INS: Final = {"database_url": "postgresql:///episodes", "redis_url": "unix:///redis"}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings: those given, else this process's own.

    A secret may stand in a file (``<NAME>_FILE``). In development a ``.env`` file completes the process's environment,
    where libraries look for credentials as well; where no service is named, those of the data directory whose server
    runs.

    Raises:
        SettingsError: naming each variable that is missing, malformed or refused.
    """
    given, missing = with_secrets(with_dotenv(os.environ) if environ is None else environ)
    if environ is None:
        os.environ.update(_joined(given))
        given = dict(os.environ)
    settings, malformed = _settings(given)
    wrong = malformed | missing
    refused = [f"{name}: {reason}" for name, reason in checks.problems(settings) if name not in wrong]
    if wrong or refused:
        raise SettingsError(*wrong.values(), *refused)
    return settings


def notices(settings: Settings, environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """What is said at the start though it is no reason not to start: a line each."""
    yield from (f"{name}: {reason}" for name, reason in checks.warnings(settings))
    yield from strangers(environ, (name.upper() for name in HINTS))


def _joined(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return running_home.with_services(environ)
    except PermissionError as error:
        how = "start as the user who runs it, or set DATABASE_URL, REDIS_URL and S3_ENDPOINT_URL"
        raise SettingsError(f"EPISODES_HOME: {error.filename} is not for this user to read; {how}") from None


def _settings(environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings, and a line for each that could not be read, by name; its default stands in its place."""
    values: dict[str, Any] = dict(STAND_INS)
    wrong: dict[str, str] = {}
    for name, hint in HINTS.items():
        if text := environ.get(name.upper()):
            try:
                values[name] = _value(name, text, hint)
            except msgspec.ValidationError as error:
                wrong[name.upper()] = f"{name.upper()}: {_expected(hint) or error}; it is {PURPOSES[name.upper()]}"
        elif name in STAND_INS:
            wrong[name.upper()] = f"{name.upper()}: this setting is required: {PURPOSES[name.upper()]}"
    return Settings(**values), wrong


def _value(name: str, text: str, hint: Any) -> Any:
    text = text.upper() if name == "log_level" else text
    return msgspec.convert(text, hint, strict=False, dec_hook=lambda kind, value: kind(value))


def _expected(hint: Any) -> str | None:
    """What a setting has to look like, where its type says it in words."""
    info = inspect.type_info(hint)
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    said = (kind.extra_json_schema for kind in kinds if isinstance(kind, inspect.Metadata))
    found = next((schema["description"] for schema in said if schema), None)
    choices = next((", ".join(map(str, kind.values)) for kind in kinds if isinstance(kind, inspect.LiteralType)), None)
    if choices:
        return f"it must be one of {choices}"
    return f"it must be {found}" if found else None

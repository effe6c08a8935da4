"""All checks, in the order in which one leans on the other."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from models.settings import Settings, SettingsError, load, notices
from ops.doctor import broker, database, issuer, machine, storage
from ops.doctor.finding import Finding, sentence

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: Final[Mapping[str, Check]] = {
    "database": database.check,
    "broker": broker.check,
    "storage": storage.check,
    "issuer": issuer.check,
    "machine": machine.check,
}


def examine() -> Iterator[Finding]:
    """Every finding; where the settings cannot be read there is nothing else to look at."""
    try:
        settings = load()
    except SettingsError as error:
        yield from (_wrong_setting(line) for line in str(error).splitlines())
        return
    yield Finding("settings", "good", f"complete, for {settings.app_env}")
    yield from (Finding("settings", "warning", notice) for notice in notices(settings, os.environ))
    for area, check in CHECKS.items():
        yield from _examined(area, check, settings)


def _examined(area: str, check: Check, settings: Settings) -> Iterator[Finding]:
    """A check that meets what it does not know says so, and the others go on."""
    try:
        yield from check(settings)
    except Exception as error:
        yield Finding(area, "wrong", f"the check itself failed: {type(error).__name__}: {sentence(error)}")


def _wrong_setting(line: str) -> Finding:
    return Finding("settings", "wrong", line, "set it in the environment; ops/docs/configuration.md has each setting")

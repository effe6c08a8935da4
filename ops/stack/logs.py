"""The log files of the programs, one each under ``<home>/logs``."""

import shutil
from pathlib import Path
from typing import Final

LARGEST: Final = 50 * 1024 * 1024  # bytes


def turn(log: Path) -> None:
    """Begin a new file; what the last run wrote stays beside it as ``<name>.1.log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(_previous(log))


def trim(log: Path) -> None:
    """Keep a running program's file small; the program itself, which appends, notices nothing."""
    if log.exists() and log.stat().st_size > LARGEST:
        shutil.copyfile(log, _previous(log))
        with log.open("r+b") as file:
            file.truncate()


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a file, for a person who has to find out why something did not start."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def _previous(log: Path) -> Path:
    return log.with_name(f"{log.stem}.1{log.suffix}")

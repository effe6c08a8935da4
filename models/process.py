"""How each program of ours begins."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from models import log, process_privacy, termination
from models.settings import Settings, SettingsError, load, notices
from models.settings.summary import summary

logger = structlog.get_logger()


class NotStarted(Exception):
    """Something that the program needs is not to be had; the message names the setting that says which."""


def main(name: str, run: Callable[[Settings], object]) -> int:
    """Run a program with its settings and its log; 1 and a line for each reason where it cannot, or where it breaks."""
    termination.on_stop(lambda: termination.leave(0))
    process_privacy.conceal()
    try:
        settings = load()
        log.configure(settings.log_level, name)
        _introduce(settings)
        run(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception:
        logger.critical("broken", exc_info=True)
        termination.leave(1)
    return 0


def _introduce(settings: Settings) -> None:
    """One line of what this process stands on, without a secret, and what its operator may not have meant."""
    logger.info("settings", **summary(settings))
    for notice in notices(settings):
        logger.warning(notice)


@contextmanager
def starting() -> Iterator[None]:
    """What goes wrong in here ends the process with one line and 1: a supervisor knows then, and tries again."""
    try:
        yield
    except Exception as error:
        logger.critical("not started", error=_sentence(error))
        termination.leave(1)


def _sentence(error: Exception) -> str:
    """On one line; with its kind, where it was not written for people."""
    words = " ".join(str(error).split())
    return words if type(error).__module__.startswith("models.") else f"{type(error).__name__}: {words}"

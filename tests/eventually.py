"""Waiting for what another process does: asked again at short pauses, up to a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.02


def eventually(check: Callable[[], T | None], within: float = 20.0) -> T:
    """The first true answer of ``check``, asked again and again for ``within`` seconds.

    Raises:
        AssertionError: with the last answer, where none was true.
    """
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {within} s; the last answer was {answer!r}"
        time.sleep(PAUSE_SECONDS)
    return answer

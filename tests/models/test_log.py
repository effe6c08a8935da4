"""The log level of a process changes while it runs, and goes back."""

import logging
from collections.abc import Iterator

import pytest

from models import log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log of the process that tests is as it was."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers = handlers


def test_a_level_that_is_set_holds_until_none_is_and_the_own_one_holds_again() -> None:
    log.configure("WARNING", "test")
    assert log.change(None) is None
    assert (log.change("DEBUG"), logging.getLogger("models.any").isEnabledFor(logging.DEBUG)) == ("DEBUG", True)
    assert log.change("DEBUG") is None
    assert (log.change(None), logging.getLogger("models.any").isEnabledFor(logging.INFO)) == ("WARNING", False)


def test_what_libraries_say_at_length_stays_quiet() -> None:
    log.configure("WARNING", "test")
    log.change("DEBUG")
    assert not logging.getLogger("botocore").isEnabledFor(logging.INFO)

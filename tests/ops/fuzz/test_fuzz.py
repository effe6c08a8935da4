"""A short form of ``make fuzz``: what it makes from the document is answered as the document says."""

from collections.abc import Callable

import pytest

from ops.fuzz import __main__
from tests.conftest import SEED
from tests.stack import Stack


@pytest.fixture
def stack(new_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """One whose callers may send as many requests as they like; that it is measured does not slow them down."""
    made = new_stack(RATE_LIMIT_PER_MINUTE="0", LOG_LEVEL="ERROR")
    made.start()
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    return made


def test_requests_made_from_the_document_are_answered_as_it_says(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = __main__.things_of(stack)
    assert len(ids) == 13
    report = __main__.run(stack, "admin", ids, seed=SEED, examples=3, phases="examples,fuzzing,stateful")
    assert report["test_cases"]["unique_failures"] == 0, capsys.readouterr().out
    assert report["test_cases"]["generated"] > 500


def test_a_server_error_is_found(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    ids = __main__.things_of(stack)
    stack.sql("alter table guests rename to visitors")
    report = __main__.run(stack, "admin", ids, seed=SEED, examples=1, phases="examples")
    assert report["test_cases"]["unique_failures"] > 0
    assert "/api/v1/guests" in capsys.readouterr().out

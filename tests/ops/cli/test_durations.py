"""Spans of time as people write them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cli.durations import LONGEST, UNITS, end, parse, shown
from ops.errors import CommandError

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
SECONDS = st.integers(1, int(LONGEST.total_seconds()))


def written(seconds: int, pause: str = "") -> str:
    """A span in all its units."""
    parts = []
    for unit, size in UNITS.items():
        number, seconds = divmod(seconds, size)
        parts += [f"{number}{unit}"] if number else []
    return pause.join(parts)


@given(SECONDS, st.sampled_from(["", " "]))
def test_what_is_written_in_units_is_read_to_the_second(seconds: int, pause: str) -> None:
    assert parse(written(seconds, pause)) == timedelta(seconds=seconds)
    assert parse(f" {written(seconds, pause).upper()} ") == timedelta(seconds=seconds)


@given(SECONDS)
def test_what_is_shown_can_be_read_and_is_never_longer_nor_much_shorter(seconds: int) -> None:
    read = parse(shown(seconds)).total_seconds()
    assert seconds * 0.9 <= read <= seconds


@given(SECONDS, SECONDS)
def test_longer_spans_are_longer(one: int, other: int) -> None:
    assert (parse(written(one)) < parse(written(other))) == (one < other)


@given(st.text(max_size=20))
def test_any_text_is_a_span_or_refused(text: str) -> None:
    with suppress(CommandError):
        assert timedelta(0) < parse(text) <= LONGEST


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("1h", 3600), ("2h30m", 9000), ("1d", 86_400), ("90m", 5400)]
)
def test_the_usual_ones(text: str, seconds: int) -> None:
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "1", "30m2h", "h", "-1h", "1.5h", "1y", "1h1h", "999999999w", "١h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="90s, 45m, 2h30m or 1d"):
        parse(text)


def test_an_end_is_a_time_or_a_span_from_now_said_once() -> None:
    assert end(None, None, NOW) is None
    assert end("2026-03-02T00:00:00Z", None, NOW) == "2026-03-02T00:00:00Z"
    assert end("1h", None, NOW) == end(None, "1h", NOW) == "2026-03-01T10:00:00+00:00"
    with pytest.raises(CommandError, match="not both"):
        end("1h", "1h", NOW)
    with pytest.raises(CommandError, match="no span"):
        end("tomorrow", None, NOW)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59.9, "59s"), (3661, "1h1m"), (90_061, "1d1h")])
def test_a_span_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert shown(seconds) == text

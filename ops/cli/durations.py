"""Spans of time as people write them: ``90s``, ``45m``, ``2h30m``, ``1d``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ops.errors import CommandError

UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}  # seconds; written in this order
LONGEST: Final = timedelta(days=3660)
HOW: Final = "write it like 90s, 45m, 2h30m or 1d"
_SPAN: Final = re.compile("".join(rf"(?:(\d{{1,9}}){unit}\s*)?" for unit in UNITS), re.ASCII)


def parse(text: str) -> timedelta:
    """A span of at least a second.

    Raises:
        CommandError: it is none, or of more than ten years.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    numbers = found.groups(default="0") if found else ()
    seconds = sum(int(number) * unit for number, unit in zip(numbers, UNITS.values(), strict=False))
    if not 0 < seconds <= LONGEST.total_seconds():
        raise CommandError(f"{text!r} is no span of time: {HOW}.")
    return timedelta(seconds=seconds)


def shown(seconds: float) -> str:
    """A span in whole seconds, in its two largest units: ``2h30m``."""
    left, parts = int(seconds), list[str]()
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts[:2]) or "0s"


def end(until: str | None, span: str | None, now: datetime | None = None) -> str | None:
    """When something ends that is to last so long, or until then; None where neither is said.

    ``until`` is a time, which the server reads, or a span from now on.

    Raises:
        CommandError: both are said, or the span is none.
    """
    if until and span:
        raise CommandError("Say either --until or --for, not both.")
    given = span or (until if until and not _is_time(until) else None)
    if given is None:
        return until
    return ((now or datetime.now(UTC)) + parse(given)).isoformat()


def _is_time(text: str) -> bool:
    """Whether it begins like one, such as 2026-03-01T09:00:00Z."""
    return re.match(r"\d{4}-", text) is not None

"""What commands share: options, and how their work is run."""

from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter, validators

T = TypeVar("T")

AsJson = Annotated[bool, Parameter("--json", help="JSON instead of a table.")]
Until = Annotated[
    str | None,
    Parameter(help="When it ends by itself: a time such as 2026-03-01T09:00:00Z, or a span from now such as 2h30m."),
]
For = Annotated[str | None, Parameter("--for", help="How long it lasts, such as 45m or 2h30m; an hour if not said.")]
Limit = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do a command's work."""
    import asyncio

    return asyncio.run(work)

"""What commands share: options, and how their work is run."""

from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter, validators

T = TypeVar("T")

EntityName = Literal["episode", "clip", "outfit", "ui_element", "background", "component", "guest"]
AsJson = Annotated[bool, Parameter("--json", help="JSON instead of a table.")]
Limit = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do a command's work."""
    import asyncio

    return asyncio.run(work)

"""Links: what can be done after an operation, with what it has answered."""

from collections.abc import Iterator

from api.openapi.operations import Operation
from api.openapi.schemas import Schema


def links(one: Operation, others: list[Operation]) -> Schema:
    """From a new or changed thing to all that can be done with it; from a deleted one to what is left of it."""
    if one.method == "DELETE":
        found, place, keys = _left(one, others), "request.path.", one.asked
    elif one.method in ("POST", "PUT") and one.keys:
        found, place, keys = _next(one, others), "response.body#/data/", one.keys
    else:
        return {}
    given = {key: f"${place}{key}" for key in sorted(keys)}
    return {other.name: {"operationId": other.name, "parameters": given} for other in found}


def _left(one: Operation, others: list[Operation]) -> Iterator[Operation]:
    paths = (f"{one.path}/restore", f"{one.path}/history")
    return (other for other in others if other.path in paths)


def _next(one: Operation, others: list[Operation]) -> Iterator[Operation]:
    """What asks for its keys alone; and what links it to something else."""
    for other in others:
        if one.keys == other.asked or (one.keys < other.asked and other.method == "PUT"):
            yield other

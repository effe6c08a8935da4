"""A body on its way in: what would take long to read is refused before it is read, and its text gets one form."""

import asyncio
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from api.http import normalization
from api.http.envelope import ErrorEntry
from api.http.validation import CODE, NOT_JSON, Repeated, WrongFields, body_errors, check_body, repeated
from models.db import json_bounds
from models.errors import Invalid

SIZE: Final = 1024 * 1024  # bytes of a body
LARGE: Final = 10 * 1024 * 1024  # where a script or many jobs come
# More than any route needs; a body with as many takes 50 ms.
MOST_KEYS: Final = 25_000
MOST_CONTAINERS: Final = 25_000
MOST_STRINGS: Final = 150_000
MOST_VALUES: Final = 250_000
SHORT: Final = 32 * 1024  # bytes that hold less than that
APART: Final = 256 * 1024  # bytes that are read in a thread


async def read(raw: bytes, kind: Any) -> Any:
    """A body as a ``kind``; others are answered meanwhile, where that takes a while.

    Raises:
        WrongFields, Invalid
    """
    return await asyncio.to_thread(_read, raw, kind) if len(raw) > APART else _read(raw, kind)


def _read(raw: bytes, kind: Any) -> Any:
    if len(raw) > SHORT:
        _refuse_crowds(raw, kind)
    try:
        normal = normalization.of_json(raw)
    except Repeated as error:
        raise WrongFields([repeated(error)]) from None
    if wrong := _beyond_bounds(normal, kind):
        named = {None, *(one.field for one in wrong)}
        raise WrongFields([*wrong, *(one for one in body_errors(normal, kind) if one.field not in named)])
    return check_body(normal, kind)


def _refuse_crowds(raw: bytes, kind: Any) -> None:
    """So many values that to build them all would keep everybody else waiting.

    Raises:
        WrongFields: naming the documents that are beyond their bounds.
        Invalid
    """
    crowd = _crowd(raw)
    if crowd is None:
        return
    if wrong := _beyond_bounds(raw, kind):
        raise WrongFields(wrong)
    raise Invalid(f"a body may have {crowd}")


def _crowd(raw: bytes) -> str | None:
    if json_bounds.strings(raw) > MOST_STRINGS:
        return f"{MOST_STRINGS:,} texts"
    found = json_bounds.extent(raw)
    bounds = (
        (found.keys, MOST_KEYS, "keys"),
        (found.containers, MOST_CONTAINERS, "objects and arrays"),
        (found.values, MOST_VALUES, "values"),
    )
    return next((f"{most:,} {what}" for number, most, what in bounds if number > most), None)


def _beyond_bounds(raw: bytes, kind: Any) -> list[ErrorEntry]:
    """The documents in a body that are too large to be kept."""
    names = _documents(kind)
    if not names or json_bounds.surely_fit(raw):
        return []
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except NOT_JSON:
        return []
    found = ((name, json_bounds.beyond(bytes(fields[name]))) for name in names if name in fields)
    return [ErrorEntry(CODE, said, name) for name, said in found if said]


@lru_cache(maxsize=256)
def _documents(kind: Any) -> tuple[str, ...]:
    """The fields of a struct that take any JSON object, or an array of such."""
    info = inspect.type_info(kind)
    return tuple(field.encode_name for field in getattr(info, "fields", ()) if _is_document(field.type))


def _is_document(kind: inspect.Type) -> bool:
    match kind:
        case inspect.UnionType():
            return any(map(_is_document, kind.types))
        case inspect.ListType(max_length=None):
            return _is_document(kind.item_type)
    return isinstance(kind, inspect.DictType)

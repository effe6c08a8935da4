"""Pages of a list: what a client may ask for, and the cursor that walks it."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from models.errors import Invalid

Row = TypeVar("Row")

COUNT_LIMIT: Final = 100_000  # a total above this is not worth the scan


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What every list takes: ``limit`` 1–100, ``cursor``, ``sort``, ``q`` and ``include_deleted``."""

    limit: int = 50
    cursor: str | None = None
    sort: str = "-created_at"
    q: str | None = None
    include_deleted: bool = False


class Page(msgspec.Struct, Generic[Row]):
    """Rows, how many there are in all, and where the next page begins.

    ``total`` is exact up to ``COUNT_LIMIT``; ``capped`` says that there are more.
    """

    rows: list[Row]
    limit: int
    total: int
    capped: bool = False
    next_cursor: str | None = None


class Position(msgspec.Struct, array_like=True):
    """The last row of a page: the sort it was made with, its value there, its id."""

    sort: str
    value: Any
    id: UUID


def encode_cursor(sort: str, value: Any, key: UUID) -> str:
    """An opaque text for the position after the row ``key``, whose value in the sort's column is ``value``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Position(sort, value, key))).rstrip(b"=").decode()


def decode_cursor(text: str, sort: str) -> Position:
    """The position in a cursor of a list sorted by ``sort``.

    Raises:
        Invalid: where the text is no cursor, or one of another sort.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position = msgspec.json.decode(raw, type=Position)
    except (binascii.Error, ValueError):
        raise Invalid("this is not a cursor that a list returned", field="cursor") from None
    if position.sort != sort:
        raise Invalid(f"this cursor belongs to a list sorted by '{position.sort}'", field="cursor")
    return position


def sort_of(text: str, allowed: Sequence[str]) -> str:
    """The column of a ``sort``, where '-' means descending.

    Raises:
        Invalid: naming the sorts there are.
    """
    column = text.removeprefix("-")
    if column not in allowed:
        raise Invalid(f"sort by one of {', '.join(allowed)}, with '-' for descending", field="sort")
    return column

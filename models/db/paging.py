"""Pages of a list: what a client may ask for, and the cursor that walks it."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from models.errors import Invalid

Row = TypeVar("Row")

COUNT_LIMIT: Final = 100_000  # a total above this is not worth the scan
LONGEST_CURSOR: Final = 5000  # characters; of the longest title that JSON escapes whole
MADE_UP: Final = "this is not a cursor that this list returned for this sort"


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What every list takes: ``limit`` 1–100, ``cursor``, ``sort``, ``q``, ``include_deleted``, and since when.

    ``under`` is what the list hangs on, if anything: its cursors are of no other.
    """

    limit: int = 50
    cursor: str | None = None
    sort: str = "-created_at"
    q: str | None = None
    include_deleted: bool = False
    created_after: datetime | None = None
    updated_after: datetime | None = None
    under: str = ""


class Page(msgspec.Struct, Generic[Row]):
    """Rows, how many there are in all, and where the next page begins.

    ``total`` is exact up to ``COUNT_LIMIT``; ``capped`` says that there are more.
    """

    rows: list[Row]
    limit: int
    total: int
    capped: bool = False
    next_cursor: str | None = None


class Position(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last row of a page: of which list it is, how that was sorted, its value there, its id."""

    of: str
    sort: str
    value: Any
    id: UUID


# What a position's value may be, by the type that its column has in our structs.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
PlainText = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]*\Z")]
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
KINDS: Final[Mapping[Any, Any]] = {datetime: Instant, str: PlainText, int: Whole}


def encode_cursor(of: str, sort: str, value: Any, key: UUID) -> str:
    """An opaque text for the position after the row ``key``, whose value in the sort's column is ``value``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Position(of, sort, value, key))).rstrip(b"=").decode()


def decode_cursor(text: str, of: str, sort: str, kind: Any) -> Position:
    """The position in a cursor of the list ``of``, sorted by ``sort``, where its value is a ``kind``.

    Raises:
        Invalid: where no such list has written the text: it would be written in the same way again.
    """
    try:
        position = _read(text, kind)
        same = encode_cursor(*msgspec.structs.astuple(position)) == text
    except (ValueError, OverflowError, RecursionError):
        raise Invalid(MADE_UP, field="cursor") from None
    if not same or (position.of, position.sort) != (of, sort):
        raise Invalid(MADE_UP, field="cursor")
    return position


def _read(text: str, kind: Any) -> Position:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    position = msgspec.json.decode(raw, type=Position)
    value = msgspec.convert(position.value, kind)
    position.value = value.astimezone(UTC) if isinstance(value, datetime) else value  # as the database tells it
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

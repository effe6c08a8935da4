"""The wire format of every answer, known here and nowhere else."""

from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from litestar import Response
from msgspec import UNSET, Struct, UnsetType, field

from api.http.json_response import JsonResponse, TaggedList
from models.db.paging import Page
from models.db.table import Entity

T = TypeVar("T")
Row = TypeVar("Row", bound=Entity)

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")


class Pagination(Struct, rename="camel"):
    """How a list goes on; ``totalCapped`` says that there are more rows than ``total``."""

    limit: int
    total: int
    next_cursor: str | None
    total_capped: bool | UnsetType = UNSET


class Stamp(Struct, rename="camel"):
    """When and in which request an answer was made."""

    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    request_id: str = field(default_factory=REQUEST_ID.get)


class Metadata(Stamp, kw_only=True):
    """The metadata of one thing; after a restore ``stillDeleted`` counts what stays deleted beside it: {"clips": 3}."""

    still_deleted: dict[str, int] | UnsetType = UNSET


class ListMetadata(Stamp, kw_only=True):
    """The metadata of a list."""

    pagination: Pagination


class Data(Struct, Generic[T]):
    """One thing."""

    data: T
    metadata: Metadata = field(default_factory=Metadata)


class Listing(TaggedList, Generic[T]):
    """A page of things."""

    data: list[T]
    metadata: ListMetadata


class ErrorEntry(Struct, omit_defaults=True):
    """One thing that is wrong; ``field`` names it where there is a name."""

    code: str
    message: str
    field: str | None = None


class ErrorBody(Struct):
    """What is wrong."""

    errors: list[ErrorEntry]
    metadata: Metadata = field(default_factory=Metadata)


def listing(rows: list[T], *, limit: int, total: int, next_cursor: str | None, capped: bool = False) -> Listing[T]:
    """A page in its envelope."""
    pagination = Pagination(limit, total, next_cursor, capped or UNSET)
    return Listing(rows, ListMetadata(pagination=pagination))


def page_of(page: Page[T]) -> Listing[T]:
    """A table's page in its envelope."""
    return listing(page.rows, limit=page.limit, total=page.total, next_cursor=page.next_cursor, capped=page.capped)


def entity(row: Row) -> Response[Data[Row]]:
    """A row and the tag of its version."""
    return JsonResponse(Data(row), headers={"ETag": etag(row)})


def created(row: Row, location: str) -> Response[Data[Row]]:
    """A new row, and where it lives."""
    return JsonResponse(Data(row), status_code=201, headers={"ETag": etag(row), "Location": location})


def restored(row: Row, still_deleted: dict[str, int]) -> Response[Data[Row]]:
    """A row that was restored, and what stays deleted beside it."""
    return JsonResponse(Data(row, Metadata(still_deleted=still_deleted)), headers={"ETag": etag(row)})


def etag(row: Entity) -> str:
    """The tag of a row's version."""
    return f'"{row.version}"'


def failure(status: int, entries: Sequence[ErrorEntry], headers: dict[str, str] | None = None) -> Response[ErrorBody]:
    return JsonResponse(
        ErrorBody(list(entries)), status_code=status, headers=headers or {}, media_type="application/json"
    )

"""What handlers are given: the database, the caller, the storage, the page asked for."""

from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final

from litestar import Litestar, Request
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter, SkipValidation
from litestar.routes import HTTPRoute
from msgspec import Struct

from api.http.envelope import REQUEST_ID
from api.http.if_match import expected_versions
from api.middleware.transaction import RequestTransaction
from models.db.connection import Connection
from models.db.paging import LONGEST_CURSOR, PageQuery
from models.db.preconditions import ExpectedVersions
from models.db.recording import Actor
from models.errors import Forbidden
from models.media.s3 import Storage
from models.settings import Settings

AnyRequest = Request[Any, Any, Any]


class Past(Struct, frozen=True):
    """A page of a history, and whether also what is deleted may be looked at."""

    limit: int
    cursor: str | None
    deleted: bool


# The types in which a handler asks for these; they are ours, so Litestar need not check them.
Db = NamedDependency[SkipValidation[Connection]]
Who = NamedDependency[SkipValidation[Actor]]
Files = NamedDependency[SkipValidation[Storage]]
Config = NamedDependency[SkipValidation[Settings]]
Paging = NamedDependency[SkipValidation[PageQuery]]
History = NamedDependency[SkipValidation[Past]]
Expected = NamedDependency[SkipValidation[ExpectedVersions | None]]
Trash = NamedDependency[SkipValidation[bool]]

Since = Annotated[datetime | None, QueryParameter(description="Not before this time.")]

_TAG: Final = '(W/)?"[0-9]{1,9}"'
_TAGS: Final = rf"^(\*|{_TAG}( *, *{_TAG})*)$"  # told, not checked: see ``api.http.if_match``


async def database(request: AnyRequest) -> Connection:
    """The request's connection."""
    transaction: RequestTransaction = request.scope["state"]["transaction"]
    return await transaction.connection()


def actor(request: AnyRequest) -> Actor:
    """Who changes something."""
    caller = request.scope["auth"]
    return Actor(caller.subject, REQUEST_ID.get(), restores_all=caller.may("admin"))


def storage(request: AnyRequest) -> Storage:
    found: Storage = request.app.state.storage
    return found


def settings(request: AnyRequest) -> Settings:
    found: Settings = request.app.state.settings
    return found


def trash(
    request: AnyRequest,
    include_deleted: Annotated[bool, QueryParameter(description="Also what is deleted; for admins.")] = False,
) -> bool:
    """Whether deleted rows count.

    Raises:
        Forbidden: for anyone but an admin.
    """
    if include_deleted and not request.scope["auth"].may("admin"):
        raise Forbidden("include_deleted needs the role admin")
    return include_deleted


def paging(
    trash: Trash,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Rows on a page.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(max_length=LONGEST_CURSOR, description="nextCursor of the page before.")
    ] = None,
    sort: Annotated[str, QueryParameter(max_length=50, description="A column; '-' for descending.")] = "-created_at",
    q: Annotated[str | None, QueryParameter(max_length=500, description="Text in title or description.")] = None,
    created_after: Since = None,
    updated_after: Since = None,
) -> PageQuery:
    """The page that a list is asked for."""
    return PageQuery(
        limit=limit,
        cursor=cursor,
        sort=sort,
        q=q,
        include_deleted=trash,
        created_after=created_after,
        updated_after=updated_after,
    )


def past(
    request: AnyRequest,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Rows on a page.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(max_length=LONGEST_CURSOR, description="nextCursor of the page before.")
    ] = None,
) -> Past:
    """The page of a history that is asked for."""
    return Past(limit, cursor, request.scope["auth"].may("admin"))


def expected(
    request: AnyRequest,
    if_match: Annotated[
        str | None,
        HeaderParameter(
            name="If-Match",
            description="The ETag last seen, or several; * for any version. A weak one (W/) never matches.",
            schema_extra={"pattern": _TAGS},
        ),
    ] = None,
) -> ExpectedVersions | None:
    """The versions that the caller is content with, or None where it says nothing of them.

    Raises:
        Invalid: naming If-Match, where it is no list of tags.
    """
    if if_match is None:
        return None
    return expected_versions(",".join(request.headers.getall("if-match")))


PROVIDERS: Final = {
    "db": Provide(database),
    "who": Provide(actor, sync_to_thread=False),
    "files": Provide(storage, sync_to_thread=False),
    "config": Provide(settings, sync_to_thread=False),
    "trash": Provide(trash, sync_to_thread=False),
    "paging": Provide(paging, sync_to_thread=False),
    "past": Provide(past, sync_to_thread=False),
    "expected": Provide(expected, sync_to_thread=False),
}


def one_by_one(app: Litestar) -> None:
    """Have the providers of a handler run in turn: Litestar's task group would cost more than all of them.

    Those that do not need each other run by their names, so that every process takes and refuses things in one order.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, model in route.route_handler_map.values():
                model.dependency_batches = [
                    {one} for batch in model.dependency_batches for one in sorted(batch, key=attrgetter("key"))
                ]

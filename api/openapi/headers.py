"""Headers: which a route reads, which its answers have."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, get_origin

from api.http.json_response import TaggedList
from api.openapi.operations import Operation
from api.openapi.schemas import Schema
from models.catalog.link_table import Link
from models.db.table import Entity


def _text(description: str, **schema: Any) -> Schema:
    return {"description": description, "schema": {"type": "string", **schema}}


def _number(description: str, minimum: int = 0) -> Schema:
    return {"description": description, "schema": {"type": "integer", "minimum": minimum}}


REQUEST_ID: Final = r"^[A-Za-z0-9._-]{1,128}$"
ETAG: Final = r'^("[0-9]+"|W/"[0-9a-f]+")$'
HEADERS: Final[dict[str, Schema]] = {
    "X-Request-ID": _text("The request's id: the caller's, else a new one.", pattern=REQUEST_ID) | {"required": True},
    "ETag": _text("The version of a row, for If-Match and If-None-Match; of a list a weak tag.", pattern=ETAG)
    | {"required": True},
    "Location": _text("Where the new thing is.", format="uri-reference") | {"required": True},
    "Idempotency-Replayed": _text("The first answer to this Idempotency-Key, given again.", const="true"),
    "RateLimit-Limit": _number("Requests a minute; absent where they are not limited.", 1),
    "RateLimit-Remaining": _number("Requests left by now."),
    "RateLimit-Reset": _number("Seconds until all of them are back."),
    "Retry-After": _number("Seconds to wait before the next try.", 1) | {"required": True},
    "WWW-Authenticate": _text("How to authenticate.", const="Bearer") | {"required": True},
}
LIMITED: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SENT: Final[dict[str, Schema]] = {
    "X-Request-ID": _text(
        "An id for the log, at most 128 of A-Z, a-z, 0-9, ., _, -; one that does not fit is replaced."
    ),
    "Idempotency-Key": _text(
        "A request with the same key, caller and body gets the first answer again, for 24 hours.",
        minLength=1,
        maxLength=255,
        pattern="^[ -~¡-¬®-ÿ]+$",
    ),
    "If-None-Match": _text("The ETag of the answer that the client has; where it is still the same, this is a 304."),
}


def parameters(one: Operation) -> Iterator[Schema]:
    """The headers that a route reads beside those that its handler names."""
    yield {"name": "X-Request-ID", "in": "header", **SENT["X-Request-ID"]}
    if one.method == "POST":
        yield {"name": "Idempotency-Key", "in": "header", **SENT["Idempotency-Key"]}
    if conditional(one):
        yield {"name": "If-None-Match", "in": "header", **SENT["If-None-Match"]}


def conditional(one: Operation) -> bool:
    """Whether it answers a client that has the answer already with a 304."""
    return one.method == "GET" and _tagged(one.answers[one.handler.status_code], one)


def _tagged(kind: Any, one: Operation) -> bool:
    plain = get_origin(kind) or kind
    if isinstance(plain, type) and issubclass(plain, TaggedList):
        return True
    return plain is not None and plain is not kind and bool(one.row) and issubclass(one.row, Entity | Link)


def answered(status: int, one: Operation) -> Schema:
    """The headers of an answer that is no refusal."""
    return referred(_answered(status, one))


def referred(names: Iterable[str]) -> Schema:
    """Headers by their names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _answered(status: int, one: Operation) -> Iterator[str]:
    yield "X-Request-ID"
    if _tagged(one.answers[status], one):
        yield "ETag"
    if one.method == "POST" and status in (201, 202) and one.sets_headers:
        yield "Location"
    if one.method == "POST":
        yield "Idempotency-Replayed"
    if status == 503:  # noqa: PLR2004
        yield "Retry-After"
    if one.role:
        yield from LIMITED

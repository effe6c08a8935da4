"""Parameters that routes share."""

from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar.params import FromPath, QueryParameter

from api.http import normalization
from api.http.validation import Repeated, has_nul, single
from models.errors import Invalid

T = TypeVar("T")
Id = FromPath[UUID]
AnyOf = Annotated[list[T] | None, QueryParameter(description="Is any of these; given once or several times.")]
OfShow = Annotated[
    list[UUID] | None, QueryParameter(name="show_id", description="Belongs to an episode of any of these shows.")
]
Reason = Annotated[str | None, QueryParameter(max_length=1000, description="Why it is deleted.")]
TagFilter = Annotated[list[str] | None, QueryParameter(name="tag", description="Has all of these tags.")]
DateFilter = Annotated[date | None, QueryParameter(description="A day, YYYY-MM-DD.")]
JsonFilter = Annotated[
    str | None,
    QueryParameter(
        max_length=10_000,
        description="JSON that the value contains, at most 10,000 characters of it.",
        schema_extra={"content_media_type": "application/json"},
    ),
]
Hash = Annotated[str | None, QueryParameter(pattern=r"^[0-9a-f]{64}$(?!\n)", description="SHA-256, hex.")]


def contained(text: str | None, *, field: str) -> Any:
    """The JSON that a value must contain.

    Raises:
        Invalid: where the text is no JSON, has a key twice, or is none that the database can hold.
    """
    try:
        said = normalization.of_json(text.encode()) if text is not None else b"null"
        value = msgspec.json.decode(said)
        single(said.decode())
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("this filter takes JSON", field=field) from None
    except Repeated as error:
        raise Invalid(f"the key '{error.name}' is given more than once", field=field) from None
    if has_nul(value):
        raise Invalid("text must not contain NUL", field=field)
    return value

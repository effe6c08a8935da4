"""What a client may refer to: objects that are in our own buckets, and https addresses."""

from functools import lru_cache
from typing import Any, get_args

import msgspec

from api.http.envelope import ErrorEntry
from api.http.validation import CODE, WrongFields
from models.db.fields import ReferenceText
from models.errors import Invalid
from models.media import references
from models.media.s3 import Storage

OBJECT = "s3://"


def check_references(body: Any, buckets: frozenset[str]) -> None:
    """Refuse a body that refers to an object outside our buckets.

    Raises:
        WrongFields
    """
    wrong = [ErrorEntry(CODE, said, name) for name, text in _objects(body) if (said := _wrong(text, name, buckets))]
    if wrong:
        raise WrongFields(wrong)


async def check_objects(body: Any, files: Storage) -> None:
    """Refuse a body that refers to an object which is not there.

    Raises:
        WrongFields
        Fault: where the storage does not say.
    """
    objects = [(name, references.parse(text, field=name)) for name, text in _objects(body)]
    missing = [(name, one) for name, one in objects if not await files.exists(one)]
    if missing:
        raise WrongFields(
            [ErrorEntry(CODE, f"there is no object {one}: upload it first", name) for name, one in missing]
        )


def _objects(body: Any) -> list[tuple[str, str]]:
    """The references to objects in a body, with the names of their fields."""
    sent = ((name, getattr(body, name)) for name in _names(body.__class__))
    return [(name, text) for name, text in sent if isinstance(text, str) and text.startswith(OBJECT)]


@lru_cache(maxsize=256)
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a struct that are references."""
    fields = msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()
    return tuple(one.name for one in fields if ReferenceText in (one.type, *get_args(one.type)))


def _wrong(text: str, name: str, buckets: frozenset[str]) -> str | None:
    try:
        bucket = references.parse(text, field=name).bucket
    except Invalid as error:
        return error.message
    return None if bucket in buckets else f"only objects in {' and '.join(sorted(buckets))} can be referred to"

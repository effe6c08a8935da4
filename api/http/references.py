"""What a client may refer to: objects in our own buckets, and https addresses."""

from functools import lru_cache
from typing import Any, get_args

import msgspec

from api.http.envelope import ErrorEntry
from api.http.validation import CODE, WrongFields
from models.db.fields import ReferenceText
from models.errors import Invalid
from models.media import references

OBJECT = "s3://"


def check_references(body: Any, buckets: frozenset[str]) -> None:
    """Refuse a body that refers to an object outside our buckets.

    Raises:
        WrongFields
    """
    sent = ((name, getattr(body, name)) for name in _names(body.__class__))
    objects = [(name, text) for name, text in sent if isinstance(text, str) and text.startswith(OBJECT)]
    wrong = [ErrorEntry(CODE, said, name) for name, text in objects if (said := _wrong(text, name, buckets))]
    if wrong:
        raise WrongFields(wrong)


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

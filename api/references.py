"""What a client may refer to: objects in our own buckets, and https addresses."""

from functools import lru_cache
from typing import Any, get_args

import msgspec

from api.envelope import ErrorEntry
from api.validation import CODE, WrongFields
from models import references
from models.errors import Invalid
from models.fields import Reference

OBJECT = "s3://"


def check_references(raw: bytes, kind: Any, buckets: frozenset[str]) -> None:
    """Refuse a JSON body, found to be a ``kind``, that refers to an object outside our buckets.

    Raises:
        WrongFields
    """
    named = _named(kind)
    if named is None:
        return
    sent = msgspec.structs.asdict(msgspec.json.decode(raw, type=named))
    wrong = [
        ErrorEntry(CODE, said, name)
        for name, text in sent.items()
        if text and text.startswith(OBJECT) and (said := _wrong(text, name, buckets))
    ]
    if wrong:
        raise WrongFields(wrong)


@lru_cache(maxsize=256)
def _named(kind: Any) -> type[msgspec.Struct] | None:
    """The references of a struct, and nothing else of it; None where it has none."""
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return None
    names = [one.encode_name for one in msgspec.structs.fields(kind) if Reference in (one.type, *get_args(one.type))]
    return msgspec.defstruct("Named", [(name, str | None, None) for name in names]) if names else None


def _wrong(text: str, name: str, buckets: frozenset[str]) -> str | None:
    try:
        bucket = references.parse(text, field=name).bucket
    except Invalid as error:
        return error.message
    return None if bucket in buckets else f"only objects in {' and '.join(sorted(buckets))} can be referred to"

"""Every field that is wrong: msgspec stops at the first, so an invalid body is looked at field by field."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from api.http.envelope import ErrorEntry
from models.db.fields import REFERENCE
from models.errors import Invalid

CODE: Final = "VALIDATION_ERROR"
MOST: Final = 100  # entries of an answer
LONGEST: Final = 100  # characters of a name that a client has made up
NO_ID: Final = "this is not a UUID; one looks like 019a9c2e-7d41-7c55-9b1e-3f60a1b2c3d4"
FURTHEST_ZONE: Final = timedelta(hours=16)
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMED: Final = re.compile(r"`(?P<name>[^`]+)`$")
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Where a text has to have a shape, what that is in words.
_SHAPES: Final = {REFERENCE: "a reference is s3://bucket/key, in one of our buckets, or an https:// address"}
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class WrongFields(Invalid):
    """Fields or parameters that are wrong, one entry each; the first hundred, where there are more."""

    def __init__(self, entries: list[ErrorEntry]) -> None:
        super().__init__(entries[0].message, field=entries[0].field)
        self.entries = [ErrorEntry(one.code, one.message, _cut(one.field)) for one in entries[:MOST]]


def _cut(name: str | None) -> str | None:
    return name if name is None or len(name) <= LONGEST else f"{name[:LONGEST]}…"


def check_body(raw: bytes, kind: Any) -> Any:
    """A JSON body as a ``kind``, unless the database cannot hold it.

    Raises:
        WrongFields
    """
    try:
        body = _decoder(kind).decode(raw)
    except NOT_JSON:
        raise WrongFields(body_errors(raw, kind)) from None
    wrong = _unstorable(raw, body) or _looked_over(raw, kind)
    if wrong:
        raise WrongFields(wrong)
    return body


def _looked_over(raw: bytes, kind: Any) -> list[ErrorEntry]:
    """What msgspec does not mind: a key that an object has twice, an id that is written in another way."""
    try:
        return _odd_ids(single(raw.decode()), kind)
    except Repeated as error:
        return [repeated(error)]
    except RecursionError:
        return [ErrorEntry(CODE, "the body is nested too deeply")]


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def body_errors(raw: bytes, kind: Any) -> list[ErrorEntry]:
    """What is wrong with a JSON body that is no ``kind``."""
    try:
        body = msgspec.json.decode(raw)
    except RecursionError:
        return [ErrorEntry(CODE, "the body is nested too deeply")]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [ErrorEntry(CODE, f"the body is not valid JSON: {error}")]
    return value_errors(body, kind) or [ErrorEntry(CODE, "the body is not valid")]


def value_errors(body: Any, kind: Any) -> list[ErrorEntry]:
    """What is wrong with a decoded value that should be a ``kind``."""
    if not isinstance(body, dict) or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return _errors(body, kind, "")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    others = islice((name for name in body if name not in fields), MOST)
    unknown = [ErrorEntry(CODE, "this field is not known", name) for name in others]
    missing = [
        ErrorEntry(CODE, "this field is required", name)
        for name, field in fields.items()
        if field.required and name not in body
    ]
    wrong = [entry for name, field in fields.items() if name in body for entry in _errors(body[name], field.type, name)]
    named = {one.field for one in wrong}
    return [*missing, *wrong, *(one for one in _odd_ids(body, kind) if one.field not in named), *unknown]


def is_id(text: object) -> bool:
    """Whether this is a UUID as the document has it, with dashes."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def _odd_ids(body: Any, kind: Any) -> list[ErrorEntry]:
    """Ids without dashes, which msgspec reads as well."""
    return [ErrorEntry(CODE, NO_ID, ".".join(path)) for path in _id_paths(kind) if _odd(body, path)]


def _odd(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return isinstance(value, str) and not is_id(value)


@lru_cache(maxsize=256)
def _id_paths(kind: Any) -> tuple[tuple[str, ...], ...]:
    """Where a struct has ids, those of the structs in it too."""
    found: list[tuple[str, ...]] = []
    for field in msgspec.structs.fields(kind):
        if field.type is UUID or UUID in get_args(field.type):
            found.append((field.encode_name,))
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += [(field.encode_name, *below) for below in _id_paths(field.type)]
    return tuple(found)


def _errors(value: Any, kind: Any, name: str) -> list[ErrorEntry]:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        return [entry(str(error), name)]
    return []


def entry(message: str, name: str = "") -> ErrorEntry:
    """One of msgspec's sentences as an entry that names the field below ``name``."""
    path = _PATH.search(message)
    below = path["path"] if path else ""
    text = _PATH.sub("", message)
    text = next((said for pattern, said in _SHAPES.items() if repr(pattern) in text), text)
    named = _NAMED.search(text) if "required field" in text or "unknown field" in text else None
    parts = [name, below, named["name"] if named else ""]
    where = ".".join(part for part in parts if part).replace(".[", "[")
    return ErrorEntry(CODE, text[:1].lower() + text[1:], where or None)


def _unstorable(raw: bytes, body: msgspec.Struct) -> list[ErrorEntry]:
    """What is valid JSON, but no text or no time of PostgreSQL's."""
    fields = msgspec.structs.asdict(body)
    times = [name for name, value in fields.items() if isinstance(value, datetime) and _beyond_the_calendar(value)]
    texts = [name for name, value in fields.items() if has_nul(value)] if b"\\u0000" in raw else []
    return [ErrorEntry(CODE, "this time is out of range", name) for name in times] + [
        ErrorEntry(CODE, "text must not contain NUL", name) for name in texts
    ]


class Repeated(Exception):
    """An object has a key twice: nobody can say which of its values was meant."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def repeated(error: Repeated) -> ErrorEntry:
    return ErrorEntry(CODE, "this field is given more than once", error.name)


def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of an object.

    Raises:
        Repeated
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Repeated(name)
    return found


_LOOKER: Final = json.JSONDecoder(object_pairs_hook=look, parse_int=str, parse_float=str)


def single(text: str) -> Any:
    """JSON that msgspec has read, decoded again to see each key; numbers stay texts.

    Raises:
        Repeated, RecursionError
    """
    return _LOOKER.decode(text)


def _beyond_the_calendar(value: datetime) -> bool:
    """Or in a zone further from UTC than PostgreSQL reads; the furthest that there is has 14 hours."""
    try:
        value.astimezone(UTC)
    except (OverflowError, ValueError):
        return True
    return abs(value.utcoffset() or timedelta()) >= FURTHEST_ZONE


def has_nul(value: Any) -> bool:
    """Whether a decoded JSON value has a NUL in one of its texts or keys."""
    match value:
        case str():
            return "\x00" in value
        case list():
            return any(map(has_nul, value))
        case dict():
            return any(map(has_nul, (*value, *value.values())))
    return False

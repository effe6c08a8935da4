"""Every field that is wrong: msgspec stops at the first, so an invalid body is looked at field by field."""

import re
from typing import Any, Final

import msgspec

from api.envelope import ErrorEntry

CODE: Final = "VALIDATION_ERROR"
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_NAMED: Final = re.compile(r"`(?P<name>[^`]+)`$")


def body_errors(raw: bytes, kind: Any) -> list[ErrorEntry]:
    """What is wrong with a JSON body that should be a ``kind``; empty where nothing is."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return [ErrorEntry(CODE, f"the body is not valid JSON: {error}")]
    return value_errors(body, kind)


def value_errors(body: Any, kind: Any) -> list[ErrorEntry]:
    """What is wrong with a decoded value that should be a ``kind``."""
    if not isinstance(body, dict) or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return _errors(body, kind, "")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    unknown = [ErrorEntry(CODE, "this field is not known", name) for name in body if name not in fields]
    missing = [
        ErrorEntry(CODE, "this field is required", name)
        for name, field in fields.items()
        if field.required and name not in body
    ]
    wrong = [entry for name, field in fields.items() if name in body for entry in _errors(body[name], field.type, name)]
    return [*missing, *wrong, *unknown]


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
    named = _NAMED.search(text) if "required field" in text or "unknown field" in text else None
    parts = [name, below, named["name"] if named else ""]
    where = ".".join(part for part in parts if part).replace(".[", "[")
    return ErrorEntry(CODE, text[:1].lower() + text[1:], where or None)

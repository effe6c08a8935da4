"""JSON schemas of our structs, as exact as the structs are.

msgspec writes them; what it leaves open is closed here: that a time is one, that an answer leaves out no field, and how
a pattern ends.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_origin

import msgspec
from msgspec import inspect

from models.catalog.scripts import NewScript

Schema = dict[str, Any]

REF: Final = "#/components/schemas/{name}"
ONE_OF_THESE: Final = {NewScript: ("content", "file_reference")}  # what a body needs one field of, at least
_GENERIC: Final = re.compile(r"([A-Z][A-Za-z]*)_(?:(list)_)?(?:[a-z_]+\.)*([A-Za-z]+)(?:_+(None))?_+")
_PYTHONS_END: Final = "$(?!\\n)"  # elsewhere ``$`` matches at the end only


def schemas(kinds: Iterable[Any]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schema of each of ``kinds``, mostly a reference, and what they refer to, by name."""
    wanted = tuple(dict.fromkeys(kinds))
    found, components = msgspec.json.schema_components(wanted, ref_template=REF)
    by_title = {schema["title"]: schema for schema in components.values()}
    for struct in _structs(inspect.multi_type_info(wanted)):
        _complete(by_title[_title(struct)], struct)
    named = {_name(name): readable(schema) for name, schema in components.items()}
    for schema in named.values():
        del schema["title"]  # it says the name once more, as Python writes it
    return dict(zip(wanted, map(readable, found), strict=True)), named


def _structs(kinds: Iterable[inspect.Type]) -> Iterator[inspect.StructType]:
    """Every struct in these types; some more than once."""
    for kind in kinds:
        match kind:
            case inspect.StructType():
                yield kind
                yield from _structs(field.type for field in kind.fields)
            case inspect.UnionType():
                yield from _structs(kind.types)
            case inspect.ListType():
                yield from _structs([kind.item_type])


def _title(struct: inspect.StructType) -> str:
    (schema,), components = msgspec.json.schema_components([struct.cls], ref_template="{name}")
    return str(components[schema["$ref"]]["title"])


def _complete(schema: Schema, struct: inspect.StructType) -> None:
    if struct.cls in ONE_OF_THESE:
        first, other = map(_with, ONE_OF_THESE[struct.cls])
        schema |= {"if": {"not": first}, "then": other}  # not ``anyOf``: of that generators make several types
    for field in struct.fields:
        schema["properties"][field.encode_name] = _timed(schema["properties"][field.encode_name], field.type)
    if not struct.forbid_unknown_fields:  # it is no body of a request but part of an answer
        schema["required"] = [field.encode_name for field in struct.fields if _always_sent(field, struct)]


def _with(name: str) -> Schema:
    """It has this field, which is a text."""
    return {"required": [name], "properties": {name: {"type": "string"}}}


def _always_sent(field: inspect.Field, struct: inspect.StructType) -> bool:
    """Unless its default is not to be sent: ``inspect`` tells nothing of a default that is UNSET."""
    config = (get_origin(struct.cls) or struct.cls).__struct_config__
    has_default = field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
    return field.required or (has_default and not config.omit_defaults)


def _timed(schema: Schema, kind: inspect.Type) -> Schema:
    """msgspec names the format only of times that must have a zone; we read a time without one as UTC."""
    if isinstance(kind, inspect.DateTimeType):
        return schema | {"format": "date-time"}
    if isinstance(kind, inspect.UnionType) and any(isinstance(one, inspect.DateTimeType) for one in kind.types):
        return schema | {"anyOf": [{"type": "string", "format": "date-time"}, *schema["anyOf"][1:]]}
    return schema


def readable(schema: Any) -> Any:
    """The same with readable names, patterns as ECMAScript writes them, and text in Markdown; a title is its name."""
    match schema:
        case dict():
            return {
                key: _text(key, value) if isinstance(value, str) else readable(value) for key, value in schema.items()
            }
        case list():
            return [readable(item) for item in schema]
    return schema


def _text(key: str, value: str) -> str:
    match key:
        case "$ref":
            return _name(value)
        case "pattern":
            return value.replace(_PYTHONS_END, "$")
        case "description":
            return value.replace("``", "`")
    return value


def _name(text: str) -> str:
    """``Data_list_Thumbnail__`` is better read as ``ThumbnailListData``."""
    return _GENERIC.sub(_readable_name, text)


def _readable_name(found: re.Match[str]) -> str:
    envelope, many, row, none = found.groups()
    return f"{'Maybe' if none else ''}{row}{(many or '').title()}{envelope}"

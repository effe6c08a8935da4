"""Parameters as Litestar writes them, made exact: none can be null, and each sort is named."""

from typing import Any, Final

from api.openapi import descriptions
from api.openapi.schemas import Schema, readable
from models.catalog import CATALOG

SORTS: Final = {one.table.row: one.table.sorts for one in CATALOG.values()}
_NOISE: Final = ("deprecated", "allowEmptyValue", "allowReserved")


def completed(parameter: Schema, row: Any) -> Schema:
    """A parameter of a route that answers with ``row``, a struct or None."""
    made = {name: value for name, value in parameter.items() if name not in _NOISE}
    if not made.get("description") and (said := descriptions.of_parameter(made["name"])):
        made["description"] = said
    made["schema"] = _sorted(parameter, row) or _schema(parameter["schema"])
    if kind := made["schema"].get("contentMediaType"):
        del made["schema"]
        made["content"] = {kind: {"schema": {}}}
    return made


def _sorted(parameter: Schema, row: Any) -> Schema:
    if parameter["name"] != "sort" or row not in SORTS:
        return {}
    columns = [f"{way}{column}" for column in SORTS[row] for way in ("", "-")]
    return {"type": "string", "enum": columns, "default": parameter["schema"]["default"]}


def _schema(schema: Schema) -> Schema:
    """What is not sent is not null: a query has no null."""
    made = {name: value for name, value in schema.items() if name not in ("description", "oneOf")}
    for choice in schema.get("oneOf", ()):
        made |= {} if choice == {"type": "null"} else choice
    if isinstance(made["type"], list):
        (made["type"],) = (kind for kind in made["type"] if kind != "null")
        made["enum"] = [value for value in made["enum"] if value is not None]
    found: Schema = readable(_whole(made))
    return found


def _whole(schema: Schema) -> Schema:
    """Bounds of whole numbers are whole."""
    return {name: int(value) if isinstance(value, float) else value for name, value in schema.items()}

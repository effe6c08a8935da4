"""The Postman collection of the API, made from its OpenAPI document: ``python -m ops.postman [--check]``.

A folder a tag, a request an operation. ``baseUrl`` and ``token`` are the collection's variables; whatever a request
creates leaves its id in another, and the requests after it take it from there.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from api.app import create_app
from api.openapi.document import document
from models.settings import load

PATH: Final = Path(__file__).with_name("postman.json")
SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
BASE_URL: Final = "http://127.0.0.1:3000"
COMMAND: Final = "make postman"
# Nothing is connected to: the document comes from the routes alone.
NOWHERE: Final = {
    "DATABASE_URL": "postgresql://nowhere/episodes",
    "REDIS_URL": "redis://nowhere",
    "S3_ENDPOINT_URL": "http://nowhere",
}
# What the answer to a POST leaves behind: the ids in it, and the version of the row.
REMEMBER: Final = (
    "const data = pm.response.code < 300 && pm.response.json().data;",
    "for (const [name, value] of Object.entries(data || {})) {",
    "    if (name.endsWith('_id') && typeof value === 'string') { pm.collectionVariables.set(name, value); }",
    "}",
)

Json = dict[str, Any]


def collection(made: Json) -> Json:
    """The collection of an OpenAPI document."""
    folders: dict[str, list[Json]] = {tag["name"]: [] for tag in made["tags"]}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            folders[operation["tags"][0]].append(_item(path, method.upper(), operation))
    return {
        "info": {"name": made["info"]["title"], "description": made["info"]["description"], "schema": SCHEMA},
        "auth": _bearer("{{token}}"),
        "variable": list(_variables(made)),
        "item": [{"name": name, "item": items} for name, items in folders.items() if items],
    }


def _variables(made: Json) -> Iterator[Json]:
    yield {"key": "baseUrl", "value": BASE_URL}
    yield {"key": "token", "value": "", "description": "printed by: .venv/bin/episodes token --role editor"}
    names = {part[1:-1] for path in made["paths"] for part in path.split("/") if part.startswith("{")}
    yield from ({"key": name, "value": ""} for name in sorted(names))


def _item(path: str, method: str, operation: Json) -> Json:
    item: Json = {"name": operation["summary"], "request": _request(path, method, operation)}
    if method == "POST":
        item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": list(REMEMBER)}}]
    return item


def _request(path: str, method: str, operation: Json) -> Json:
    request: Json = {
        "method": method,
        "description": operation["description"],
        "header": [_optional(one) for one in _parameters(operation, "header")],
        "url": _url(path, operation),
    }
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        request["body"] = _body(operation["requestBody"])
    return request


def _url(path: str, operation: Json) -> Json:
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    named = [one["name"] for one in _parameters(operation, "path")]
    return {
        "raw": "/".join(("{{baseUrl}}", *parts)),
        "host": ["{{baseUrl}}"],
        "path": parts,
        "query": [_optional(one) for one in _parameters(operation, "query")],
        "variable": [{"key": name, "value": f"{{{{{name}}}}}"} for name in named],
    }


def _parameters(operation: Json, place: str) -> list[Json]:
    return [one for one in operation["parameters"] if one["in"] == place]


def _optional(parameter: Json) -> Json:
    """Shown with its description, and sent only where somebody ticks it; a required one is sent."""
    shown = parameter.get("example", parameter.get("schema", {}).get("default", ""))
    return {
        "key": parameter["name"],
        "value": shown if isinstance(shown, str) else msgspec.json.encode(shown).decode(),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False),
    }


def _body(body: Json) -> Json:
    """The example, with the ids that earlier answers have left behind."""
    example = body["content"]["application/json"]["example"]
    example |= {name: f"{{{{{name}}}}}" for name in example if name.endswith("_id")}
    raw = msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
    return {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}


def _bearer(token: str) -> Json:
    return {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}


def rendered() -> bytes:
    """The collection as its file holds it."""
    made = msgspec.json.decode(msgspec.json.encode(document(create_app(load(NOWHERE)))))
    return msgspec.json.format(msgspec.json.encode(collection(made)), indent=2) + b"\n"


def main() -> int:
    """Write the collection; with ``--check``, 1 and a line where the one that is there is not current."""
    if "--check" not in sys.argv[1:]:
        PATH.write_bytes(rendered())
        return 0
    if PATH.read_bytes() == rendered():
        return 0
    print(f"{PATH.name} is not what the API offers any more; write it anew: {COMMAND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())

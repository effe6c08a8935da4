"""The whole document."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, get_args

from litestar import Litestar

from api.http.deprecation import DEPRECATED
from api.http.envelope import ErrorBody
from api.openapi import closed_sets, descriptions, headers, parameters
from api.openapi.closed_sets import shared
from api.openapi.error_responses import ERROR_RESPONSES, refusals
from api.openapi.examples import example
from api.openapi.links import links
from api.openapi.operations import Operation, operations
from api.openapi.schemas import REF, Schema, schemas
from models.jobs.types import BatchState, Status

ABOUT: Final = """
Every answer is JSON with `data` or `errors`, and `metadata` that holds the request's id. An error names the field that
is wrong, where there is one. Fields and parameters that are not in this document are refused.

Ids are UUIDs with dashes. Whole numbers are written without a fraction or an exponent. A parameter that takes one value
is given once, and no JSON object, in a body or in a filter, has a key twice. A cursor belongs to the list and the sort
that returned it.

Beside the methods below, `HEAD` answers as `GET` does, without the body (not for streams), `OPTIONS` answers 204 with
the methods of the path in `Allow`, and any other method 405 with the same header. A path that is not below answers 404.

Whoever may call a route is in its description. A viewer's token reads; an editor's also writes; an admin's does all.
""".strip()
SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access or id token of the issuer, RS256, with viewer, editor or admin in `cognito:groups`.",
    },
    "metrics": {
        "type": "http",
        "scheme": "bearer",
        "description": "`METRICS_TOKEN`; not asked for in development where it is not set.",
    },
}
# What a stream tells, by its operation: the states there are, and the schema of what is told.
STREAMED: Final = {
    "watch_job": (sorted(get_args(Status)), "Job"),
    "watch_batch": (sorted(get_args(BatchState)), "Batch"),
}
NOT_MODIFIED: Final[Schema] = {
    "description": "The client has the answer already",
    "headers": headers.referred(("X-Request-ID", "ETag", *headers.LIMITED)),
}
DONE: Final = {200: "Done", 201: "Made", 202: "Taken on", 204: "Done; there is nothing to say"}


def document(app: Litestar) -> Schema:
    """The OpenAPI 3.1 document of an application."""
    made = app.openapi_schema.to_schema()
    found = operations(app)
    kinds = [kind for one in found for kind in (one.body, *one.answers.values()) if kind is not None]
    named, components = schemas([*kinds, ErrorBody])
    writer = _Writer(named, components, found)
    made["info"]["description"] = ABOUT
    made["tags"] = list(_tags(found))
    made["paths"] = shared(writer.paths(made["paths"]))
    made["components"] = {
        "schemas": descriptions.described(shared(_completed(components)) | closed_sets.components()),
        "headers": headers.HEADERS,
        "responses": {refusal.name: writer.refusal(status) for status, refusal in ERROR_RESPONSES.items()}
        | {"NotModified": NOT_MODIFIED},
        "securitySchemes": SCHEMES,
    }
    return made


def _completed(components: dict[str, Schema]) -> dict[str, Schema]:
    """The schemas with what no struct says: what a batch is made of, each judged alone, and what streams tell."""
    items = components["NewBatch"]["properties"]["jobs"]["items"]
    items |= {"$ref": REF.format(name="NewJob")}
    del items["type"]
    return components | {_event(row): _streamed(states, row) for states, row in STREAMED.values()}


def _event(row: str) -> str:
    return f"{row}Event"


def _tags(found: list[Operation]) -> Iterator[Schema]:
    """Each tag, with what the module says of itself whose controller has it."""
    named = {tag: one.handler.fn for one in found for tag in one.handler.resolve_tags()}
    for tag, function in sorted(named.items(), key=lambda item: item[0].casefold()):
        yield {"name": tag, "description": getattr(_tagged(function), "__doc__", "")}


def _tagged(function: Any) -> ModuleType | None:
    kinds = type(getattr(function, "__self__", None)).__mro__
    return inspect.getmodule(next((kind for kind in kinds if "tags" in vars(kind)), function))


class _Writer:
    """Writes operations whose schemas are ``named``, and in ``components`` in full."""

    def __init__(self, named: dict[Any, Schema], components: dict[str, Schema], found: list[Operation]) -> None:
        self._named = named
        self._components = components
        self._operations = found

    def paths(self, made: Schema) -> Schema:
        """All operations, from what Litestar has made of them."""
        paths: Schema = {one.path: {} for one in self._operations}
        for one in self._operations:
            method = one.method.lower()
            paths[one.path][method] = self._operation(made[one.path][method], one)
        return paths

    def refusal(self, status: int) -> Schema:
        """The answer to what is refused, in every route."""
        refusal = ERROR_RESPONSES[status]
        shown = {"errors": [refusal.entry], "metadata": example(self._components["Metadata"], self._components)}
        content = {"application/json": {"schema": self._named[ErrorBody], "example": shown}}
        names = ("X-Request-ID", *refusal.headers, *headers.LIMITED)
        description = f"`{refusal.code}`: {refusal.description}"
        return {"description": description, "headers": headers.referred(names), "content": content}

    def _operation(self, made: Schema, one: Operation) -> Schema:
        made.pop("deprecated", None)
        made |= {"deprecated": True} if (one.method, one.path) in DEPRECATED else {}
        made["description"] = _who(one)
        made["security"] = _security(one)
        made["parameters"] = [parameters.completed(parameter, one.row) for parameter in made.get("parameters", ())]
        made["parameters"] += headers.parameters(one)
        if one.body is not None:
            made["requestBody"] = {"required": True, "content": self._json(one.body)}
        made["responses"] = self._responses(one)
        return made

    def _responses(self, one: Operation) -> Schema:
        refused = {status: _refused(status) for status in refusals(one)}
        answered = {status: self._answer(status, one) for status in one.answers}
        if headers.conditional(one):
            answered[304] = {"$ref": "#/components/responses/NotModified"}
        return {str(status): answer for status, answer in sorted({**refused, **answered}.items())}

    def _answer(self, status: int, one: Operation) -> Schema:
        if one.answers[status] is ErrorBody:
            return _refused(status)
        told = one.told.get(status)
        parts = {
            "description": told.description if told else DONE[status],
            "headers": headers.answered(status, one),
            "content": self._content(status, one),
            "links": links(one, self._operations),
        }
        return {name: part for name, part in parts.items() if part}

    def _content(self, status: int, one: Operation) -> Schema:
        kind = one.answers[status]
        if kind is not None:
            return self._json(kind)
        if status != one.handler.status_code or status == 204:  # noqa: PLR2004
            return {}
        streamed = one.name in STREAMED and {"$ref": REF.format(name=_event(STREAMED[one.name][1]))}
        return {one.handler.media_type: {"schema": streamed or {"type": "string"}}}

    def _json(self, kind: Any) -> Schema:
        schema = self._named[kind]
        return {"application/json": {"schema": schema, "example": example(schema, self._components)}}


def _streamed(states: list[str], row: str) -> Schema:
    return {
        "description": "Each event: the row as it is now, as JSON in `data`; its state; the version that it has.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"enum": states},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": REF.format(name=row)},
            },
        },
        "required": ["id", "event", "data"],
    }


def _who(one: Operation) -> str:
    if one.role is None:
        return "For everybody."
    return "For admins." if one.role == "admin" else f"For the role {one.role} or a higher one."


def _security(one: Operation) -> list[dict[str, list[str]]]:
    if one.role:
        return [{"token": []}]
    return [{"metrics": []}, {}] if one.path == "/metrics" else []


def _refused(status: int) -> Schema:
    return {"$ref": f"#/components/responses/{ERROR_RESPONSES[status].name}"}

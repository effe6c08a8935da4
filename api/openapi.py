"""The OpenAPI document: what Litestar reads off the signatures, completed by what holds for each kind of route.

From the route: parameters, body, answers. From its method, its path and who may call it: the refusals, the headers both
ways, the links to what can be done next. Nothing is said of a single route here; what only one route does, its handler
says in ``responses``.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args, get_origin

from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.routes import HTTPRoute

from api.auth import role_for
from api.envelope import Data, ErrorBody, Listing
from api.examples import example
from api.parameter_schemas import completed
from api.refusals import REFUSALS, refusals
from api.schemas import REF, Schema, schemas
from models.jobs import Status
from models.links import Link
from models.table import Entity

ABOUT: Final = """
Every answer is JSON with `data` or `errors`, and `metadata` that holds the request's id. An error names the field that
is wrong, where there is one. Fields and parameters that are not in this document are refused.

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


def _text(description: str, **schema: Any) -> Schema:
    return {"description": description, "schema": {"type": "string", **schema}}


def _number(description: str, minimum: int = 0) -> Schema:
    return {"description": description, "schema": {"type": "integer", "minimum": minimum}}


REQUEST_ID: Final = r"^[A-Za-z0-9._-]{1,128}$"
HEADERS: Final[dict[str, Schema]] = {
    "X-Request-ID": _text("The request's id: the caller's, else a new one.", pattern=REQUEST_ID) | {"required": True},
    "ETag": _text("The version of what is answered, for If-Match.", pattern=r'^"[0-9]+"$') | {"required": True},
    "Location": _text("Where the new thing is.", format="uri-reference") | {"required": True},
    "Idempotency-Replayed": _text("The first answer to this Idempotency-Key, given again.", const="true"),
    "RateLimit-Limit": _number("Requests a minute; absent where they are not limited.", 1),
    "RateLimit-Remaining": _number("Requests left by now."),
    "RateLimit-Reset": _number("Seconds until all of them are back."),
    "Retry-After": _number("Seconds to wait before the next try.", 1) | {"required": True},
    "WWW-Authenticate": _text("How to authenticate.", const="Bearer") | {"required": True},
}
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
LIMITED: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SENT: Final[dict[str, Schema]] = {
    "X-Request-ID": _text(
        "An id for the log, at most 128 of A-Z, a-z, 0-9, ., _, -; one that does not fit is replaced."
    ),
    "Idempotency-Key": _text(
        "A request with the same key, caller and body gets the first answer again, for 24 hours.",
        minLength=1,
        maxLength=255,
        pattern="^[ -~¡-¬®-ÿ]+$",
    ),
}

PLAIN: Final[dict[str, Schema]] = {
    "text/event-stream": {
        "description": "Each event: the job as it is now, as JSON in `data`; its status; the version that it has.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"enum": sorted(get_args(Status))},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": REF.format(name="Job")},
            },
        },
        "required": ["id", "event", "data"],
    }
}


class Operation(NamedTuple):
    """A route's method and what takes it; ``answers`` by status, with what Litestar was told of some of them."""

    method: str
    path: str
    handler: HTTPRouteHandler
    answers: dict[int, Any]
    told: dict[int, ResponseSpec]

    @property
    def body(self) -> Any:
        """The type of the body, or None."""
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return data and data.annotation

    @property
    def public(self) -> bool:
        """Whether it needs no caller's token."""
        return role_for(self.method, self.path) is None


def document(app: Litestar) -> Schema:
    """The whole document of an application."""
    made = app.openapi_schema.to_schema()
    operations = sorted(_operations(app), key=lambda one: (one.path, METHODS.index(one.method)))
    kinds = [kind for one in operations for kind in (one.body, *one.answers.values()) if kind is not None]
    named, components = schemas([*kinds, ErrorBody])
    writer = _Writer(named, components, operations)
    paths = made["paths"]
    made["paths"] = {one.path: {} for one in operations}
    for one in operations:
        method = one.method.lower()
        made["paths"][one.path][method] = writer.operation(paths[one.path][method], one)
    made["info"]["description"] = ABOUT
    made["tags"] = list(_tags(operations))
    made["components"] = {
        "schemas": components,
        "headers": HEADERS,
        "responses": {refusal.name: writer.refusal(status) for status, refusal in REFUSALS.items()},
        "securitySchemes": SCHEMES,
    }
    return made


def _operations(app: Litestar) -> Iterator[Operation]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if handler.resolve_include_in_schema():
                    told = dict(handler.responses or {})
                    answers = {handler.status_code: _answered(handler)}
                    answers |= {status: spec.data_container for status, spec in told.items()}
                    yield Operation(method, route.path_format, handler, answers, told)


def _answered(handler: HTTPRouteHandler) -> Any:
    """What the handler's answer holds: a struct; None where that is no JSON."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    kind = get_args(annotation)[0] if get_origin(annotation) is Response else annotation
    return None if kind in (None, type(None), Any, bytes) else kind


def _sets_headers(handler: HTTPRouteHandler) -> bool:
    return get_origin(handler.parsed_fn_signature.return_type.annotation) is Response


def _tags(operations: list[Operation]) -> Iterator[Schema]:
    """Each tag, with what its module says of itself."""
    named = {tag: one.handler.fn for one in operations for tag in one.handler.resolve_tags()}
    for tag, function in sorted(named.items()):
        yield {"name": tag, "description": getattr(inspect.getmodule(function), "__doc__", "")}


class _Writer:
    """Writes operations that refer to ``components``."""

    def __init__(self, named: dict[Any, Schema], components: dict[str, Schema], operations: list[Operation]) -> None:
        self._named = named
        self._components = components
        self._operations = operations

    def operation(self, made: Schema, one: Operation) -> Schema:
        """The operation that Litestar has made, completed."""
        made.pop("deprecated", None)
        made["description"] = _who(one)
        made["security"] = _security(one)
        made["parameters"] = [completed(parameter, _row(one)) for parameter in made.get("parameters", ())]
        made["parameters"] += [{"name": name, "in": "header", **SENT[name]} for name in _sent(one)]
        if one.body is not None:
            made["requestBody"] = {"required": True, "content": self._json(one.body)}
        refused = {str(status): _refused(status) for status in refusals(one.method, one.path, one.handler, one.public)}
        answered = {str(status): self._answer(status, one) for status in one.answers}
        made["responses"] = dict(sorted({**refused, **answered}.items()))
        return made

    def refusal(self, status: int) -> Schema:
        """The answer to what is refused, in every route."""
        refusal = REFUSALS[status]
        schema = {"allOf": [self._named[ErrorBody], _with_code(refusal.code)]}
        shown = {"errors": [refusal.entry], "metadata": example(self._components["Metadata"], self._components)}
        content = {"application/json": {"schema": schema, "example": shown}}
        names = ("X-Request-ID", *refusal.headers, *LIMITED)
        return {"description": refusal.description, "headers": _headers(names), "content": content}

    def _answer(self, status: int, one: Operation) -> Schema:
        if one.answers[status] is ErrorBody:
            return _refused(status)
        told = one.told.get(status)
        answer: Schema = {"description": told.description if told else _DONE[status]}
        answer["headers"] = _headers(_answer_headers(status, one))
        if content := self._content(status, one):
            answer["content"] = content
        if links := dict(self._links(one)):
            answer["links"] = links
        return answer

    def _content(self, status: int, one: Operation) -> Schema:
        kind = one.answers[status]
        if kind is not None:
            return self._json(kind)
        if status != one.handler.status_code or status == 204:  # noqa: PLR2004
            return {}
        return {one.handler.media_type: {"schema": PLAIN.get(one.handler.media_type, {"type": "string"})}}

    def _json(self, kind: Any) -> Schema:
        schema = self._named[kind]
        return {"application/json": {"schema": schema, "example": example(schema, self._components)}}

    def _links(self, one: Operation) -> Iterator[tuple[str, Schema]]:
        """From a new or changed thing to all that can be done with it; from a deleted one to what is left of it."""
        if one.method == "DELETE":
            left = [other for other in self._operations if other.path in (f"{one.path}/restore", f"{one.path}/history")]
            yield from ((_name(other), _link(other, _asked(one.path), "request.path.")) for other in left)
        if one.method not in ("POST", "PUT"):
            return
        keys = _keys(_row(one))
        for other in self._operations:
            asked = _asked(other.path)
            if keys and keys <= asked and (keys == asked or other.method == "PUT"):
                yield _name(other), _link(other, keys, "response.body#/data/")


def _keys(row: Any) -> set[str]:
    """The fields that tell a row from others: its id, which comes first, or the two sides of a link."""
    ids = [name for name in row.__struct_fields__ if name.endswith("_id")] if row else []
    return set(ids if row and issubclass(row, Link) else ids[:1])


def _link(to: Operation, keys: set[str], place: str) -> Schema:
    return {"operationId": _name(to), "parameters": {key: f"${place}{key}" for key in sorted(keys)}}


def _name(one: Operation) -> str:
    return one.handler.handler_name


def _asked(path: str) -> set[str]:
    """The names in a path's braces."""
    return {part[1:-1] for part in path.split("/") if part.startswith("{")}


def _row(one: Operation) -> Any:
    """The struct of the row or rows that a success holds, or None."""
    kind = one.answers[one.handler.status_code]
    row = get_args(kind)[0] if get_origin(kind) in (Data, Listing) else None
    return row if isinstance(row, type) else None


def _who(one: Operation) -> str:
    role = role_for(one.method, one.path)
    told = f"For the role {role} or a higher one." if role else "For everybody."
    return "For admins." if role == "admin" else told


def _security(one: Operation) -> list[dict[str, list[str]]]:
    if not one.public:
        return [{"token": []}]
    return [{"metrics": []}, {}] if one.path == "/metrics" else []


def _sent(one: Operation) -> Iterator[str]:
    yield "X-Request-ID"
    if one.method == "POST":
        yield "Idempotency-Key"


def _answer_headers(status: int, one: Operation) -> Iterator[str]:
    row = _row(one)
    yield "X-Request-ID"
    if row and issubclass(row, Entity | Link) and get_origin(one.answers[status]) is Data:
        yield "ETag"
    if one.method == "POST" and status in (201, 202) and _sets_headers(one.handler):
        yield "Location"
    if one.method == "POST":
        yield "Idempotency-Replayed"
    if status == 503:  # noqa: PLR2004
        yield "Retry-After"
    if not one.public:
        yield from LIMITED


def _headers(names: Any) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _refused(status: int) -> Schema:
    return {"$ref": f"#/components/responses/{REFUSALS[status].name}"}


def _with_code(code: str) -> Schema:
    return {"properties": {"errors": {"minItems": 1, "items": {"properties": {"code": {"const": code}}}}}}


_DONE: Final = {200: "Done", 201: "Made", 202: "Taken on", 204: "Done; there is nothing to say"}

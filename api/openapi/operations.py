"""The operations there are: what each takes and answers, read off the routes."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args, get_origin

from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.routes import HTTPRoute

from api.auth.authorize import role_for
from models.catalog.link_table import Link

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Operation(NamedTuple):
    """A route's method and what takes it; ``answers`` by status, with what Litestar was told of some of them."""

    method: str
    path: str
    handler: HTTPRouteHandler
    answers: dict[int, Any]
    told: dict[int, ResponseSpec]

    @property
    def name(self) -> str:
        return self.handler.handler_name

    @property
    def body(self) -> Any:
        """The type of the body, or None."""
        data = self.handler.parsed_fn_signature.parameters.get("data")
        return data and data.annotation

    @property
    def row(self) -> Any:
        """The struct of the row or rows that a success holds, or None."""
        inner = get_args(self.answers[self.handler.status_code])
        return inner[0] if inner and isinstance(inner[0], type) else None

    @property
    def keys(self) -> set[str]:
        """The fields that tell its row from others: an id, which comes first, or the two sides of a link."""
        row = self.row
        ids = [name for name in row.__struct_fields__ if name.endswith("_id")] if row else []
        return set(ids if row and issubclass(row, Link) else ids[:1])

    @property
    def asked(self) -> set[str]:
        """The names in the path's braces."""
        return {part[1:-1] for part in self.path.split("/") if part.startswith("{")}

    @property
    def sets_headers(self) -> bool:
        """Whether its handler says more than the body."""
        return get_origin(self.handler.parsed_fn_signature.return_type.annotation) is Response

    @property
    def role(self) -> str | None:
        """The least role that it needs; None where it needs no token."""
        return role_for(self.method, self.path)


def operations(app: Litestar) -> list[Operation]:
    """All that are documented, in an order that stays."""
    return sorted(_operations(app), key=lambda one: (one.path, METHODS.index(one.method)))


def _operations(app: Litestar) -> Iterator[Operation]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if handler.resolve_include_in_schema():
                    yield _operation(method, route.path_format, handler)


def _operation(method: str, path: str, handler: HTTPRouteHandler) -> Operation:
    told = dict(handler.responses or {})
    answers = {handler.status_code: _answered(handler)}
    return Operation(
        method, path, handler, answers | {status: one.data_container for status, one in told.items()}, told
    )


def _answered(handler: HTTPRouteHandler) -> Any:
    """What the handler's answer holds: a struct; None where that is no JSON."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    kind = get_args(annotation)[0] if get_origin(annotation) is Response else annotation
    return None if kind in (None, type(None), Any, bytes) else kind

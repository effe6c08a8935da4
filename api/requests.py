"""What is checked of every request before its handler: the kind of body, and that no parameter is unknown."""

from functools import lru_cache
from typing import Any, cast

from litestar import Litestar, Request
from litestar.routes import HTTPRoute
from litestar.types import Method

from models.errors import Invalid, UnsupportedMediaType

AnyRequest = Request[Any, Any, Any]


async def check_request(request: AnyRequest) -> None:
    """Refuse a body that is not JSON, and query parameters that the route does not know.

    Raises:
        UnsupportedMediaType, Invalid
    """
    if request.method in ("POST", "PUT", "PATCH"):
        _check_body(request)
        request.scope["state"]["body"] = await request.body()  # kept for the error that names what is wrong in it
    if request.scope["query_string"] and not request.scope["path"].startswith("/schema"):
        _check_query(request)


def _check_body(request: AnyRequest) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    sent = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if sent and kind != "application/json":
        raise UnsupportedMediaType("send JSON: 'Content-Type: application/json'", field="Content-Type")


def _check_query(request: AnyRequest) -> None:
    known = _known(request.app, request.scope["path_template"], request.method)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise UnknownParameters(unknown)


class UnknownParameters(Invalid):
    """Query parameters that the route does not know, one entry each."""

    def __init__(self, names: list[str]) -> None:
        super().__init__("this parameter is not known", field=names[0])
        self.names = names


@lru_cache(maxsize=512)
def _known(app: Litestar, template: str, method: str) -> frozenset[str]:
    """The query parameters of a route and of its dependencies."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format == template and method in route.route_handler_map:
            _, model = route.route_handler_map[cast("Method", method)]
            return frozenset(parameter.field_alias for parameter in model.expected_query_params)
    return frozenset()

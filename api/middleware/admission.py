"""What is checked of every request before its handler: who calls, its body whole, and that no parameter is unknown."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, cast, get_args, get_origin
from urllib.parse import quote
from uuid import UUID

from litestar import Litestar, Request, Response
from litestar._kwargs import KwargsModel
from litestar.datastructures import URL
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Empty, Method
from litestar.utils.scope.state import ScopeState

from api.auth.authorize import authorize
from api.http import normalization, request_body
from api.http.envelope import ErrorEntry
from api.http.references import check_objects, check_references
from api.http.validation import CODE, NO_ID, WrongFields, is_id
from api.middleware.rate_limits import count_caller
from api.middleware.unchanged import not_modified
from models.errors import Invalid, UnsupportedMediaType

_NUMBER: Final = re.compile(r"[-+.\deE]+")

AnyRequest = Request[Any, Any, Any]
Kind = Literal["query", "header"]
NOTHING: Final = (b"", b"{}", b"null")
# By our type of a parameter: what its text must look like, and what is said where it does not.
_WRITTEN: Final[Mapping[Any, tuple[Callable[[str], object], str]]] = {
    int: (re.compile(r"-?(0|[1-9][0-9]*)").fullmatch, "this is not a whole number"),
    UUID: (is_id, NO_ID),
}


class PlainRequest(Request[Any, Any, Any]):
    """A request whose address is its target alone: what it says of its host may be anything, and is of no use here."""

    @property
    def url(self) -> URL:
        """Path and query; Litestar names them where a parameter is wrong."""
        return URL.from_components(path=quote(self.scope["path"]), query=self.scope["query_string"].decode("latin-1"))


async def admit(request: AnyRequest) -> Response[None] | None:
    """Let in who may call the route, and what the route can take; a client that has the answer already is told so.

    Litestar's guards would come before this at several times the cost: it copies the route for each of them.

    Raises:
        Unauthorized, Forbidden, RateLimited, UnsupportedMediaType, WrongFields, Conflict
        Replay: where the request's Idempotency-Key has its answer already.
    """
    await authorize(request)
    await count_caller(request)
    await _check(request)
    if request.method == "POST":
        await request.scope["state"]["transaction"].once(request, request.scope["auth"].subject)
    if (body := ScopeState.from_scope(request.scope).json) is not Empty:
        await check_objects(body, request.app.state.storage)
    return await not_modified(request)


async def _check(request: AnyRequest) -> None:
    """Refuse a body that is not JSON or not what the route takes, and parameters that it does not take.

    Raises:
        UnsupportedMediaType, WrongFields
    """
    _check_path(request)
    if query := request.scope["query_string"]:
        if b"%" in query or not query.isascii():
            request.scope["query_string"] = normalization.of_query(query)
        _check_query(request)
    if request.method in ("POST", "PUT", "PATCH"):
        _check_kind(request)
        await _check_body(request)


async def _check_body(request: AnyRequest) -> None:
    """Litestar would decode it leniently ("1" for a number) and tell only the first of its errors: it gets ours."""
    data = request.route_handler.parsed_fn_signature.parameters.get("data")
    if data is not None:
        body = await request_body.read(await request.body(), data.annotation)
        check_references(body, request.app.state.storage.buckets)
        ScopeState.from_scope(request.scope).json = body
    elif (await request.body()).strip() not in NOTHING:
        raise Invalid("this takes no body")


def _check_kind(request: AnyRequest) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    sent = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if sent and kind != "application/json":
        raise UnsupportedMediaType("send JSON: 'Content-Type: application/json'", field="Content-Type")


def _check_query(request: AnyRequest) -> None:
    known = _known(request)
    unknown = sorted(set(request.query_params) - known)
    wrong = [ErrorEntry(CODE, "this parameter is not known", name) for name in unknown]
    wrong += [ErrorEntry(CODE, "text must not contain NUL", name) for name in _with_nul(request) if name in known]
    wrong += [ErrorEntry(CODE, "leave out what has no value", name) for name in _null(request)]
    wrong += [ErrorEntry(CODE, "this is not a time", name) for name in _bare_numbers(request)]
    wrong += [ErrorEntry(CODE, "this parameter is given more than once", name) for name in _repeated(request)]
    wrong += [ErrorEntry(CODE, said, name) for name, said in _otherwise_written(request)]
    if wrong:
        raise WrongFields(list({entry.field: entry for entry in reversed(wrong)}.values())[::-1])


def _check_path(request: AnyRequest) -> None:
    """What Litestar would take for an id in other ways of writing one."""
    for name, value in request.path_params.items():
        if name.endswith("_id") and not is_id(value):
            raise Invalid(NO_ID, field=name)


def _repeated(request: AnyRequest) -> list[str]:
    """Litestar would take the last of them."""
    times = Counter(name for name, _ in request.query_params.multi_items())
    several = {name for name, count in times.items() if count > 1}
    return sorted(several & _values(request).keys() - _lists(request))


def _otherwise_written(request: AnyRequest) -> Iterator[tuple[str, str]]:
    """Numbers and ids in forms that the document does not have: 1.0, ١, ids without dashes."""
    types = _types(request)
    for name, value in request.query_params.multi_items():
        fits, said = _WRITTEN.get(types.get(name), (None, ""))
        if fits and not fits(value) and value.lower() != "null":
            yield name, said


def _with_nul(request: AnyRequest) -> list[str]:
    return [name for name, value in request.query_params.multi_items() if "\x00" in value]


def _null(request: AnyRequest) -> list[str]:
    """Litestar would take "null" for a parameter that is left out, unless it may be a text."""
    types = _types(request)
    return [name for name, value in request.query_params.multi_items() if value.lower() == "null" and name in types]


def _bare_numbers(request: AnyRequest) -> list[str]:
    """And a number for the seconds since 1970."""
    times = [name for name, kind in _types(request).items() if kind is datetime]
    return [name for name in times if _NUMBER.fullmatch(request.query_params.get(name, ""))]


def _known(request: AnyRequest) -> frozenset[str]:
    """The query parameters of a route and of its dependencies."""
    return frozenset(_sent_names(request, "query").values())


def sent_name(request: AnyRequest, name: str) -> str:
    """What a client calls the parameter that our code calls ``name``."""
    return (_sent_names(request, "header") | _sent_names(request, "query")).get(name, name)


def _sent_names(request: AnyRequest, kind: Kind) -> dict[str, str]:
    return _sent_names_of(request.app, request.scope["path_template"], request.method, kind)


@lru_cache(maxsize=512)
def _sent_names_of(app: Litestar, template: str, method: str, kind: Kind) -> dict[str, str]:
    """Our name → the client's name of each parameter of a route and of its dependencies."""
    found = _taker(app, template, method)
    if found is None:
        return {}
    parameters = found[1].expected_query_params if kind == "query" else found[1].expected_header_params
    return {parameter.field_name: parameter.field_alias for parameter in parameters}


def _types(request: AnyRequest) -> dict[str, Any]:
    """Those of them that are no texts."""
    return {name: kind for name, kind in _values(request).items() if kind is not str}


def _values(request: AnyRequest) -> dict[str, Any]:
    return _values_of(request.app, request.scope["path_template"], request.method)


def _lists(request: AnyRequest) -> frozenset[str]:
    """Those that take several values."""
    found = _taker(request.app, request.scope["path_template"], request.method)
    taken = found[1].expected_query_params if found else ()
    return frozenset(one.field_alias for one in taken if one.is_sequence)


@lru_cache(maxsize=512)
def _values_of(app: Litestar, template: str, method: str) -> dict[str, Any]:
    """The client's names and our types of a route's query parameters, of a list those of its items; never None."""
    found = _taker(app, template, method)
    if found is None:
        return {}
    handler, model = found
    takers: list[Any] = [handler, *handler.resolve_dependencies().values()]
    signatures = [taker.parsed_fn_signature for taker in takers]
    types = {name: field.annotation for signature in signatures for name, field in signature.parameters.items()}
    return {one.field_alias: _some(types[one.field_name]) for one in model.expected_query_params}


def _some(kind: Any) -> Any:
    """The type of what is sent: ``X`` of ``X | None``, and of ``list[X]``."""
    kinds = [one for one in get_args(kind) if one is not NoneType]
    some = kinds[0] if isinstance(kind, UnionType) and len(kinds) == 1 else kind
    return get_args(some)[0] if get_origin(some) is list else some


def _taker(app: Litestar, template: str, method: str) -> tuple[HTTPRouteHandler, KwargsModel] | None:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format == template and method in route.route_handler_map:
            return route.route_handler_map[cast("Method", method)]
    return None

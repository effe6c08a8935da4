"""What we lean on in Litestar."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from litestar import Litestar, Request, Response, get, post
from litestar._kwargs import KwargsModel
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ClientException, HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState
from msgspec import Struct

from api.dependencies import one_by_one
from api.errors import on_validation
from api.http.json_response import JsonResponse
from api.middleware.admission import PlainRequest
from tests.internals.table import checks

AnyRequest = Request[Any, Any, Any]
Headers = Sequence[tuple[bytes, bytes]]


class Thing(Struct):
    """A body."""

    name: str


def scope_of(path: str, query: str = "", method: str = "GET", headers: Headers = ()) -> HTTPScope:
    made = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "extensions": {},
    }
    return cast("HTTPScope", made)


async def asked(app: Litestar, scope: HTTPScope, body: bytes = b"") -> tuple[int, Any, bytes]:
    """The status, headers and body with which an application answers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[0]["headers"], b"".join(one.get("body", b"") for one in sent[1:])


def routes(app: Litestar) -> dict[str, HTTPRoute]:
    return {route.path_format: route for route in app.routes if isinstance(route, HTTPRoute)}


Number = Annotated[int, QueryParameter()]


@get("/things/{name:str}")
async def thing(
    name: FromPath[str],
    number: Number,
    words: Annotated[list[str] | None, QueryParameter(name="word")] = None,
    if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
) -> dict[str, Any]:
    return {"name": name, "number": number, "words": words, "if_match": if_match}


@checks("routes")
def test_a_route_has_of_each_method_its_handler_and_what_that_takes() -> None:
    handler, model = routes(Litestar([thing], openapi_config=None))["/things/{name}"].route_handler_map["GET"]
    assert isinstance(handler, HTTPRouteHandler)
    assert isinstance(model, KwargsModel)
    taken = {(one.field_name, one.field_alias, one.is_sequence) for one in model.expected_query_params}
    assert taken == {("number", "number", False), ("words", "word", True)}
    assert {(one.field_name, one.field_alias) for one in model.expected_header_params} == {("if_match", "If-Match")}


@checks("batches")
async def test_providers_run_in_the_batches_of_their_route() -> None:
    ran: list[str] = []

    def provider(name: str) -> Provide:
        async def provide() -> str:
            ran.append(name)
            return name

        return Provide(provide)

    @get("/")
    async def handler(c: NamedDependency[str], a: NamedDependency[str], b: NamedDependency[str]) -> str:
        return a + b + c

    app = Litestar([handler], dependencies={name: provider(name) for name in "cab"}, openapi_config=None)
    one_by_one(app)
    batches = routes(app)["/"].route_handler_map["GET"][1].dependency_batches
    assert [[one.key for one in batch] for batch in batches] == [["a"], ["b"], ["c"]]
    assert (await asked(app, scope_of("/")))[2] == b"abc"
    assert ran == ["a", "b", "c"]


@checks("decoded body")
async def test_a_handler_gets_the_body_that_was_decoded_before() -> None:
    ours, got = Thing("ours"), []

    async def decode(request: AnyRequest) -> None:
        ScopeState.from_scope(request.scope).json = ours

    @post("/", before_request=decode, status_code=200)
    async def handler(data: JSONBody[Thing]) -> None:
        got.append(data)

    scope = scope_of("/", method="POST", headers=[(b"content-type", b"application/json")])
    assert (await asked(Litestar([handler], openapi_config=None), scope, b"no JSON"))[0] == 200
    assert got[0] is ours


@checks("address")
async def test_nothing_but_our_url_is_asked_where_a_request_is() -> None:
    app = Litestar([thing], request_class=PlainRequest, openapi_config=None)
    scope = scope_of("/things/a", "number=x", headers=[(b"host", b"[")])
    assert (await asked(app, scope))[0] == 400


@checks("before")
async def test_what_comes_before_a_request_comes_before_its_parameters_and_knows_its_route() -> None:
    routed: list[str] = []

    async def refuse(request: AnyRequest) -> None:
        routed.append(cast("Any", request.scope)["path_template"])
        assert request.route_handler.handler_name == "thing"
        raise PermissionError

    def forbidden(_: AnyRequest, __: PermissionError) -> Response[str]:
        return Response("no", status_code=403)

    app = Litestar([thing], before_request=refuse, exception_handlers={PermissionError: forbidden}, openapi_config=None)
    assert (await asked(app, scope_of("/things/a", "number=x")))[0] == 403
    assert routed == ["/things/{name}"]


@checks("sentences of parameters")
async def test_errors_of_parameters_are_told_in_the_form_that_ours_are_made_of() -> None:
    async def said(query: str) -> bytes:
        app = Litestar([thing], exception_handlers={HTTPException: cast("Any", told)}, openapi_config=None)
        return (await asked(app, scope_of("/things/a", query)))[2]

    def told(request: AnyRequest, error: ClientException) -> Response[Any]:
        return JsonResponse([(one.field, one.message) for one in on_validation(request, error).content.errors])

    assert await said("") == b'[["number","this parameter is required"]]'
    assert await said("number=x") == b'[["number","expected `int`, got `str`"]]'


@checks("signatures")
def test_a_handler_tells_its_signature_its_providers_and_its_settings() -> None:
    async def provide(number: Number) -> str:
        return str(number)

    @post("/things", request_max_body_size=7, tags=["things"], include_in_schema=False)
    async def make(data: JSONBody[Thing], made: NamedDependency[str]) -> Response[Thing]:
        return Response(data, headers={"made": made})

    app = Litestar([make], dependencies={"made": Provide(provide)}, openapi_config=None)
    handler, _ = routes(app)["/things"].route_handler_map["POST"]
    assert handler.handler_name == "make"
    assert handler.parsed_fn_signature.parameters["data"].annotation is Thing
    assert handler.parsed_fn_signature.return_type.annotation == Response[Thing]
    assert handler.resolve_dependencies()["made"].parsed_fn_signature.parameters["number"].annotation is int
    assert handler.resolve_request_max_body_size() == 7
    assert handler.resolve_tags() == ["things"]
    assert handler.resolve_include_in_schema() is False


@checks("answers")
async def test_an_answer_of_ours_is_sent_as_it_says() -> None:
    @post("/", status_code=202)
    async def handler() -> Response[Thing]:
        return JsonResponse(Thing("a"), headers={"Location": "/a"})

    @get("/plain", media_type="text/plain")
    async def plain() -> str:
        return "text"

    app = Litestar([handler, plain], response_class=JsonResponse, openapi_config=None)
    status, headers, body = await asked(app, scope_of("/", method="POST"))
    assert (status, body) == (202, b'{"name":"a"}')
    assert dict(headers) == {b"content-type": b"application/json", b"content-length": b"12", b"location": b"/a"}
    assert (await asked(app, scope_of("/plain")))[2] == b"text"


@checks("layers")
async def test_an_application_answers_by_its_asgi_handler_and_leaves_the_route_in_the_scope() -> None:
    app = Litestar([thing], openapi_config=None)
    inner, passed = app.asgi_handler, []

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        passed.append(cast("Any", scope).get("path_template"))

    app.asgi_handler = layer
    assert (await asked(app, scope_of("/things/a", "number=1")))[0] == 200
    assert (await asked(app, scope_of("/nowhere")))[0] == 404
    assert passed in (["/things/{name}", None], ["/things/{name}", ""])

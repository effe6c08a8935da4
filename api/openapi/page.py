"""The OpenAPI document and its page: Swagger UI from an installed package; it loads nothing from another host."""

from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.enums import OpenAPIMediaType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath
from swagger_ui_bundle import swagger_ui_path

from api.http.envelope import ErrorEntry, failure
from api.http.headers import DOCUMENTATION
from api.openapi.document import document
from models.errors import NotFound

PATH: Final = "/schema"
ASSETS: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}
PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy"
          content="{DOCUMENTATION}">
    <title>Episodes API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/schema/assets/swagger-ui.css">
    <script src="/schema/assets/swagger-ui-bundle.js" defer></script>
    <script src="/schema/assets/start.js" defer></script>
  </head>
  <body><div id="page"></div></body>
</html>
""".encode()
START: Final = b"""SwaggerUIBundle({
  url: "/schema/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null, persistAuthorization: false,
});
"""


def config(version: str) -> OpenAPIConfig:
    """The OpenAPI document at ``/schema/openapi.json`` and its page at ``/schema``."""
    return OpenAPIConfig(
        "Episodes",
        version,
        operation_id_creator=lambda handler, *_: handler.handler_name,
        security=[{"token": []}],
        render_plugins=[PageController(), Document()],
        openapi_router=Router(PATH, route_handlers=[], include_in_schema=False, after_request=_in_the_envelope),
    )


class PageController(OpenAPIRenderPlugin):
    """The page and what it loads."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The same page for everybody; it fetches the document itself."""
        return PAGE

    def receive_router(self, router: Router) -> None:
        """Serve the assets beside the page."""
        router.register(asset)


class Document(OpenAPIRenderPlugin):
    """The document itself."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The same document for everybody, made when the first asks for it."""
        return _document(request.app)


@lru_cache(maxsize=1)
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(document(app))


@get("/assets/{name:str}", sync_to_thread=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    """A file that the page loads."""
    if name not in ASSETS:
        raise NotFound("there is nothing here")
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(_content(name), media_type=ASSETS[name], headers=headers)


@cache
def _content(name: str) -> bytes:
    return START if name == "start.js" else bytes((swagger_ui_path / name).read_bytes())


def _in_the_envelope(response: Response[Any]) -> Response[Any]:
    """Litestar answers an unknown path below the document with a page of its own."""
    missing = response.status_code == NotFound.status
    return failure(NotFound.status, [ErrorEntry(NotFound.code, "there is nothing here")]) if missing else response

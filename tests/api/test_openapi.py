"""The OpenAPI document and its page."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from litestar.routes import HTTPRoute

from api.app import create_app
from models.settings import load
from tests.stack import Stack


@pytest.fixture(scope="module")
def anonymous(server: Stack) -> Iterator[httpx2.Client]:
    """Somebody without a token."""
    with httpx2.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


def served(services: dict[str, str]) -> set[tuple[str, str]]:
    """Method and path of every route that is documented."""
    routes = [route for route in create_app(load(services)).routes if isinstance(route, HTTPRoute)]
    return {
        (method.lower(), route.path_format)
        for route in routes
        for method, (handler, _) in route.route_handler_map.items()
        if handler.resolve_include_in_schema()
    }


def test_the_document_is_openapi_31_and_names_every_route(anonymous: httpx2.Client, services: dict[str, str]) -> None:
    document = anonymous.get("/schema/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = {(method, path) for path, item in document["paths"].items() for method in item}
    assert named == served(services)
    assert ("post", "/api/v1/ingest") in named


def test_the_document_names_the_token_and_the_parameters(anonymous: httpx2.Client) -> None:
    document = anonymous.get("/schema/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["security"] == [{"token": []}]
    listed = {parameter["name"] for parameter in document["paths"]["/api/v1/episodes"]["get"]["parameters"]}
    assert listed >= {"limit", "cursor", "sort", "q", "include_deleted", "tag", "publish_date_from"}
    for item in document["paths"].values():
        assert all(operation["summary"] for operation in item.values())


def test_the_page_and_all_it_loads_come_from_us(anonymous: httpx2.Client) -> None:
    page = anonymous.get("/schema")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    loaded = re.findall(r"(?:src|href)=[\"']([^\"']+)", page.text)
    assert not re.search(r"https?://|[\"']//", page.text)
    assert len(loaded) >= 3
    for path in (path for path in loaded if not path.startswith("data:")):
        asset = anonymous.get(path)
        assert asset.status_code == 200
        assert asset.headers["Content-Type"].startswith(("text/css", "text/javascript"))
        assert not re.search(r"@import|url\([\"']?(https?:)?//", asset.text[:200_000])
    assert "default-src 'self'" in page.text


def test_the_page_shows_our_document(anonymous: httpx2.Client) -> None:
    start = anonymous.get("/schema/assets/start.js").text
    assert "SwaggerUIBundle(" in start
    assert '"/schema/openapi.json"' in start
    assert "SwaggerUIBundle" in anonymous.get("/schema/assets/swagger-ui-bundle.js").text


@pytest.mark.parametrize(
    "path",
    ["/schema/redoc", "/schema/elements", "/schema/assets/index.html", "/schema/assets/..%2f..%2f__init__.py"],
)
def test_nothing_else_is_served_beside_it(anonymous: httpx2.Client, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NOT_FOUND"

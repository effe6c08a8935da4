"""The OpenAPI document and its page."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from litestar.routes import HTTPRoute

from api.app import create_app
from api.openapi import descriptions
from models.settings import load
from tests.resources import RESOURCES, create
from tests.stack import PLAIN, Stack

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@pytest.fixture(scope="module")
def anonymous(server: Stack) -> Iterator[httpx2.Client]:
    """Somebody without a token."""
    with httpx2.Client(base_url=server.url, timeout=30, **PLAIN) as client:
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


@pytest.fixture(scope="module")
def document(anonymous: httpx2.Client) -> dict[str, Any]:
    """The document as a client reads it."""
    found: dict[str, Any] = anonymous.get("/schema/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def test_every_operation_has_a_readable_id_a_tag_that_is_explained_and_says_who_may_call_it(
    document: dict[str, Any],
) -> None:
    found = list(operations(document))
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    assert {"list_shows", "create_episode", "put_outfit_link", "watch_job"} <= set(ids)
    explained = {tag["name"] for tag in document["tags"] if tag["description"]}
    for _, path, operation in found:
        assert set(operation["tags"]) <= explained
        public = not path.startswith("/api/")
        assert operation["description"] == "For everybody." if public else operation["security"] == [{"token": []}]
    audit = document["paths"]["/api/v1/audit"]["get"]
    assert audit["description"] == "For admins."
    assert document["paths"]["/health"]["get"]["security"] == []


REFUSAL = {"$ref": "#/components/schemas/ErrorBody"}
OF_AN_UPLOAD = ("read_multipart", "complete_multipart", "abort_multipart")  # its id is not in the path


def test_every_operation_lists_what_it_refuses_with_the_code(document: dict[str, Any]) -> None:
    codes: dict[str, set[str]] = {}
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert {"400", "500"} <= set(answers)
        assert ("401" in answers) == (path.startswith("/api/") or path == "/metrics")
        assert {"403", "429", "503"} <= set(answers) or not path.startswith("/api/")
        assert ("404" in answers) == ("{" in path or operation["operationId"] in OF_AN_UPLOAD)
        assert ("415" in answers) == ("413" in answers) == ("408" in answers) == (method in ("post", "put", "patch"))
        for status, answer in answers.items():
            found = resolved(document, answer)
            assert "X-Request-ID" in found["headers"]
            if int(status) >= 400 and found["content"]["application/json"]["schema"] == REFUSAL:
                (entry,) = found["content"]["application/json"]["example"]["errors"]
                assert found["description"].startswith(f"`{entry['code']}`: ")
                codes.setdefault(status, set()).add(entry["code"])
    assert codes["412"] == {"PRECONDITION_FAILED"}
    assert all(len(found) == 1 for found in codes.values())
    assert set(codes) == {"400", "401", "403", "404", "408", "409", "412", "413", "415", "429", "500", "503"}


def test_headers_are_named_where_they_count(document: dict[str, Any]) -> None:
    def sent(method: str, path: str) -> set[str]:
        parameters = document["paths"][path][method]["parameters"]
        return {parameter["name"] for parameter in parameters if parameter["in"] == "header"}

    def answered(method: str, path: str, status: str) -> set[str]:
        return set(resolved(document, document["paths"][path][method]["responses"][status])["headers"])

    assert sent("post", "/api/v1/shows") == {"X-Request-ID", "Idempotency-Key"}
    assert sent("patch", "/api/v1/shows/{show_id}") == {"X-Request-ID", "If-Match"}
    assert answered("post", "/api/v1/shows", "201") >= {"ETag", "Location", "Idempotency-Replayed", "RateLimit-Limit"}
    assert answered("get", "/api/v1/shows/{show_id}", "200") >= {"ETag"}
    assert "If-None-Match" in sent("get", "/api/v1/shows") & sent("get", "/api/v1/shows/{show_id}")
    assert "ETag" in answered("get", "/api/v1/shows", "200") & answered("get", "/api/v1/shows", "304")
    assert "304" not in document["paths"]["/api/v1/shows/{show_id}/thumbnails"]["get"]["responses"]
    assert "Location" in answered("post", "/api/v1/ingest", "202")
    assert "WWW-Authenticate" in answered("get", "/api/v1/shows", "401")
    assert "Retry-After" in answered("get", "/api/v1/shows", "429") & answered("get", "/health/ready", "503")


def test_bodies_are_closed_and_bounded_as_the_code_holds_them(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for _, _, operation in operations(document):
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            assert resolved(document, body)["additionalProperties"] is False
    new, patch = schemas["NewEpisode"], schemas["EpisodePatch"]
    assert new["required"] == ["show_id", "title", "episode_number"]
    title = {"type": "string", "minLength": 1, "maxLength": 500, "pattern": r"\S"}
    number = {"type": "integer", "minimum": 1, "maximum": 2_147_483_647}
    assert new["properties"]["title"] == title | {"description": new["properties"]["title"]["description"]}
    assert patch["properties"]["episode_number"].items() >= number.items()
    assert patch["properties"]["language"]["pattern"].endswith("*$")
    assert {"type": "null"} not in patch["properties"]["title"].get("anyOf", [])
    assert {"type": "null"} in patch["properties"]["description"]["anyOf"]
    assert {"type": "string", "format": "date-time"} in patch["properties"]["released_at"]["anyOf"]
    parameters = document["paths"]["/api/v1/episodes"]["get"]["parameters"]
    assert "null" not in str([parameter["schema"].get("type") for parameter in parameters])
    (sort,) = (parameter["schema"] for parameter in parameters if parameter["name"] == "sort")
    columns = {"created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"}
    assert set(resolved(document, sort)["enum"]) == columns
    jobs = schemas["NewBatch"]["properties"]["jobs"]
    assert jobs["items"] == {"$ref": "#/components/schemas/NewJob"}


def test_every_operation_is_a_verb_and_what_it_is_done_to(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), operation["operationId"]


def test_each_schema_each_property_and_each_parameter_says_what_it_means(document: dict[str, Any]) -> None:
    said = {}
    for name, schema in document["components"]["schemas"].items():
        said[name] = schema.get("description")
        said |= {f"{name}.{field}": one.get("description") for field, one in schema.get("properties", {}).items()}
    for _, _, operation in operations(document):
        for parameter in (resolved(document, one) for one in operation["parameters"]):
            said[f"{operation['operationId']}?{parameter['name']}"] = parameter.get("description")
    assert [name for name, text in said.items() if not text or not text.endswith((".", "}"))] == []


def test_no_description_is_of_a_field_that_is_not_there(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    fields = {field for schema in schemas.values() for field in schema.get("properties", ())}
    exact = {f"{name}.{field}" for name, schema in schemas.items() for field in schema.get("properties", ())}
    assert set(descriptions.FIELDS) - fields - exact == {"metadata in envelope"}
    assert set(descriptions.SETS) <= set(schemas)


def test_an_answer_requires_all_that_is_always_there(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Show"]["required"]) == set(schemas["Show"]["properties"])
    assert schemas["Metadata"]["required"] == ["timestamp", "requestId"]
    assert schemas["Pagination"]["required"] == ["limit", "total", "nextCursor"]
    assert schemas["ErrorEntry"]["required"] == ["code", "message"]


def test_each_body_and_each_answer_has_an_example_that_fits(document: dict[str, Any]) -> None:
    contents = [
        content
        for _, _, operation in operations(document)
        for holder in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in resolved(document, holder).get("content", {}).items()
        if kind == "application/json"
    ]
    assert len(contents) > 100
    for content in contents:
        schema = {"$schema": DIALECT, "components": document["components"], **content["schema"]}
        jsonschema_rs.validate(schema, content["example"], validate_formats=True)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.key)
def test_what_is_made_links_to_what_can_be_done_with_it(
    document: dict[str, Any], editor: httpx2.Client, resource: Any
) -> None:
    links = document["paths"][resource.path]["post"]["responses"]["201"]["links"]
    by_id = {operation["operationId"]: path for _, path, operation in operations(document)}
    made = create(editor, resource)
    kinds = {by_id[link["operationId"]] for link in links.values()}
    assert {f"{resource.path}/{{{resource.key}}}{end}" for end in ("", "/restore", "/history")} <= kinds
    for link in links.values():
        (expression,) = link["parameters"].values()
        assert made[expression.rpartition("/")[2]]


def test_the_examples_make_what_they_promise(document: dict[str, Any], editor: httpx2.Client) -> None:
    example = document["paths"]["/api/v1/guests"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert editor.post("/api/v1/guests", json=example).status_code == 201

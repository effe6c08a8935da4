"""OPTIONS, and what ``Allow`` says."""

from uuid import uuid4

import httpx2
import pytest

from tests.stack import Stack

PATHS = {
    "/health": "GET, HEAD, OPTIONS",
    "/api/v1/shows": "GET, HEAD, OPTIONS, POST",
    f"/api/v1/shows/{uuid4()}": "DELETE, GET, HEAD, OPTIONS, PATCH",
    f"/api/v1/shows/{uuid4()}/restore": "OPTIONS, POST",
    f"/api/v1/episodes/{uuid4()}/guests/{uuid4()}": "DELETE, OPTIONS, PUT",
    f"/api/v1/ingest/{uuid4()}/events": "GET, OPTIONS",
}


@pytest.mark.parametrize(("path", "methods"), PATHS.items(), ids=["health", "list", "one", "restore", "link", "stream"])
def test_options_answers_with_the_methods_of_the_path_whoever_asks(server: Stack, path: str, methods: str) -> None:
    answer = httpx2.options(f"{server.url}{path}", trust_env=False)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == methods
    assert "Content-Length" not in answer.headers
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("path", "methods"), PATHS.items(), ids=["health", "list", "one", "restore", "link", "stream"])
def test_a_method_that_is_not_offered_is_told_the_same(admin: httpx2.Client, path: str, methods: str) -> None:
    answer = admin.request("TRACE", path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == methods
    assert answer.json()["errors"][0]["code"] == "METHOD_NOT_ALLOWED"


def test_options_of_what_is_not_there_is_not_found(server: Stack) -> None:
    answer = httpx2.options(f"{server.url}/api/v1/nowhere", trust_env=False)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NOT_FOUND"


def test_options_of_another_origin_without_a_question_is_answered_and_marked(server: Stack) -> None:
    answer = httpx2.options(f"{server.url}/api/v1/shows", headers={"Origin": "https://studio.example"}, trust_env=False)
    assert answer.status_code == 204
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"

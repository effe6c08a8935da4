"""The headers that protect answers, and what pages of other origins may read."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx2
import pytest

from tests.resources import SHOW
from tests.stack import PLAIN, Stack

STUDIO = "https://studio.example"
PROTECTED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PRIVATE = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
HTTPS = "Strict-Transport-Security"
LIMIT = 1024 * 1024
OURS = {"authorization", "content-type", "if-match", "idempotency-key", "x-request-id"}


@pytest.fixture(scope="module")
def anonymous(server: Stack) -> Iterator[httpx2.Client]:
    """Somebody without a token."""
    with httpx2.Client(base_url=server.url, timeout=30, **PLAIN) as client:
        yield client


def every_kind(client: httpx2.Client, anonymous: httpx2.Client) -> dict[str, httpx2.Response]:
    """One answer of each kind, by the status it should have."""
    shows = SHOW.path
    return {
        "200": client.get(shows),
        "200 health": anonymous.get("/health"),
        "200 metrics": anonymous.get("/metrics"),
        "200 keys": anonymous.get("/.well-known/jwks.json"),
        "201": client.post(shows, json={"name": f"Headers {uuid4()}"}),
        "200 preflight": anonymous.options(shows, headers={"Origin": STUDIO, "Access-Control-Request-Method": "POST"}),
        "400": client.post(shows, content=b"nope", headers={"Content-Type": "application/json"}),
        "401": anonymous.get(shows),
        "404": client.get("/nowhere"),
        "404 row": client.get(f"{shows}/{uuid4()}"),
        "405": client.put(shows, json={}),
        "413": client.post(shows, content=b" " * (LIMIT + 1), headers={"Content-Type": "application/json"}),
    }


def once(answer: httpx2.Response, name: str) -> str:
    """A header that an answer has exactly once."""
    values = answer.headers.get_list(name)
    assert len(values) == 1, (name, values)
    return values[0]


def test_every_answer_is_protected(editor: httpx2.Client, anonymous: httpx2.Client) -> None:
    for kind, answer in every_kind(editor, anonymous).items():
        assert str(answer.status_code) == kind.partition(" ")[0], (kind, answer.text)
        found = {name: once(answer, name) for name in PROTECTED | PRIVATE}
        assert found == PROTECTED | PRIVATE, kind
        assert HTTPS not in answer.headers


@pytest.mark.parametrize("path", ["/schema", "/schema/openapi.json", "/schema/assets/start.js", "/schema/nowhere"])
def test_the_documentation_is_protected_and_still_loads(anonymous: httpx2.Client, path: str) -> None:
    answer = anonymous.get(path)
    assert {name: once(answer, name) for name in PROTECTED} == PROTECTED
    policy = once(answer, "Content-Security-Policy")
    allowed = {name: sources for name, _, sources in (part.strip().partition(" ") for part in policy.split(";"))}
    nothing = ("object-src", "base-uri", "form-action", "frame-ancestors")
    assert {allowed[name] for name in nothing} == {"'none'"}
    assert {allowed[name] for name in ("default-src", "script-src", "connect-src")} == {"'self'"}
    assert "no-store" not in answer.headers.get("Cache-Control", "")


def test_the_documentation_keeps_no_token(anonymous: httpx2.Client) -> None:
    assert "persistAuthorization: false" in anonymous.get("/schema/assets/start.js").text
    assert "localStorage" not in anonymous.get("/schema").text


@pytest.mark.parametrize("path", ["/health", "/schema", "/nowhere", SHOW.path])
def test_no_answer_tells_what_gives_it(anonymous: httpx2.Client, server: Stack, path: str) -> None:
    for answer in (anonymous.get(path), httpx2.request("BREW", f"{server.url}{path}", **PLAIN)):
        assert not answer.headers.get("Server")


def test_no_other_server_of_ours_tells_what_it_is(server: Stack) -> None:
    storage = server.environ["S3_ENDPOINT_URL"]
    for method, url in (("GET", server.metrics_url), ("BREW", server.metrics_url), ("GET", storage), ("BREW", storage)):
        assert not httpx2.request(method, url, **PLAIN).headers.get("Server")


def test_an_asset_of_the_documentation_may_be_kept(anonymous: httpx2.Client) -> None:
    answer = anonymous.get("/schema/assets/swagger-ui.css")
    assert once(answer, "Cache-Control") == "public, max-age=86400"


def test_a_row_keeps_its_tag(editor: httpx2.Client) -> None:
    answer = editor.post(SHOW.path, json={"name": f"Tagged {uuid4()}"})
    read = editor.get(answer.headers["Location"])
    assert once(read, "ETag") == once(answer, "ETag")
    assert once(read, "Cache-Control") == "no-store"


def test_outside_development_browsers_are_held_to_https_and_to_the_allowed_origins(
    exposed_stack: Callable[..., Stack],
) -> None:
    stack = exposed_stack(ALLOWED_ORIGINS=f"{STUDIO}, https://edit.example")
    stack.api.start()
    with stack.client("viewer") as client:
        assert client.get(SHOW.path).headers["RateLimit-Limit"] == "1200"
        for path in ("/health", SHOW.path, "/nowhere", "/schema"):
            assert once(client.get(path), HTTPS).startswith("max-age=31536000")
        check_origins(client)


def check_origins(client: httpx2.Client) -> None:
    """The listed origins are let in, by name; others are not, and a cache is told of the difference."""
    for origin in (STUDIO, "https://edit.example"):
        for answer in (client.get(SHOW.path, headers={"Origin": origin}), preflight(client, origin)):
            assert once(answer, "Access-Control-Allow-Origin") == origin
            assert "Origin" in once(answer, "Vary").split(", ")
    for origin in ("https://foreign.example", "http://studio.example", f"{STUDIO}.evil.example", "null", "*", ""):
        for answer in (client.get(SHOW.path, headers={"Origin": origin}), preflight(client, origin)):
            assert "Access-Control-Allow-Origin" not in answer.headers, origin
            assert "Origin" in once(answer, "Vary").split(", ")
    assert not [name for name in client.get(SHOW.path).headers if name.startswith("access-control")]


def preflight(client: httpx2.Client, origin: str) -> httpx2.Response:
    """What a browser asks before a write."""
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": ", ".join(sorted(OURS))}
    return client.options(SHOW.path, headers={"Origin": origin, **asks})


def test_a_page_may_read_how_its_quota_stands(editor: httpx2.Client) -> None:
    answer = editor.get(SHOW.path, headers={"Origin": STUDIO})
    exposed = {name.strip().lower() for name in once(answer, "Access-Control-Expose-Headers").split(",")}
    assert exposed >= {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after", "etag"}


def test_a_page_may_send_its_token_and_its_tags(anonymous: httpx2.Client) -> None:
    answer = preflight(anonymous, STUDIO)
    assert answer.status_code == 200
    accepted = {name.strip().lower() for name in once(answer, "Access-Control-Allow-Headers").split(",")}
    assert accepted >= OURS
    assert "PATCH" in once(answer, "Access-Control-Allow-Methods")


def test_options_without_an_origin_is_an_ordinary_request(editor: httpx2.Client) -> None:
    answer = editor.options(SHOW.path)
    assert answer.status_code in {204, 403}
    assert "Access-Control-Allow-Methods" not in answer.headers

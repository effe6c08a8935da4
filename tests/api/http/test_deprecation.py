"""What is to go says so in each answer, long before."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.http.deprecation import Deprecation
from api.http.headers import Protection
from api.middleware.telemetry import Telemetry

SINCE = datetime(2027, 1, 1, tzinfo=UTC)
GOING = Deprecation(SINCE, SINCE + timedelta(days=181), "/schema#old")


def said(method: str, path: str) -> dict[bytes, bytes]:
    """The headers of an answer of a route, where one is to go."""
    found: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        scope["path_template"] = path
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        found.append(message)

    scope: Any = {"type": "http", "method": method, "path": path, "headers": []}
    layer = Telemetry(app, Protection("test"), {("GET", "/api/v1/old"): GOING})
    asyncio.run(layer(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    return dict(found[0]["headers"])


def test_a_route_that_is_to_go_says_since_when_and_until_when() -> None:
    headers = said("GET", "/api/v1/old")
    assert headers[b"deprecation"] == b"@1798761600"
    assert headers[b"sunset"] == b"Thu, 01 Jul 2027 00:00:00 GMT"
    assert headers[b"link"] == b'</schema#old>; rel="deprecation"'


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/old"), ("GET", "/api/v1/new")])
def test_others_say_nothing_of_it(method: str, path: str) -> None:
    assert not said(method, path).keys() & {b"deprecation", b"sunset", b"link"}


def test_nothing_goes_sooner_than_is_promised() -> None:
    with pytest.raises(ValueError, match="180 days"):
        Deprecation(SINCE, SINCE + timedelta(days=179), "/schema")

"""Thousands of connections that keep us waiting, held by anybody: everybody else is answered as before."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median

import httpx2
import pytest

from tests.chaos.world import World
from tests.resources import CLIP

HELD = 2000
PROMPT_SECONDS = 0.5
ANSWERS = 20
HEAD = "POST /api/v1/clips HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
# What each connection sends before it falls silent.
WAYS: dict[str, Callable[[str], str]] = {
    "silent": lambda _: "",
    "half a header": lambda _: "GET /health HTTP/1.1\r\nHost: x\r\n",
    "silent after an answer": lambda _: "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a body of an editor": lambda token: HEAD.format(length=60_000) + f"Authorization: Bearer {token}\r\n\r\n{{",
    "half a large body of nobody": lambda _: HEAD.format(length=900_000) + "\r\n{",
}


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them for this process to hold so many connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def promptly(client: httpx2.Client) -> bool:
    """Whether others are answered, and soon, once what all have sent at the same moment has been seen to."""
    client.get("/health")
    seconds = []
    for _ in range(ANSWERS):
        started = time.monotonic()
        assert client.get("/health").status_code == 200
        assert client.post(CLIP.path, json={"title": "Meanwhile"}).status_code == 201
        seconds.append(time.monotonic() - started)
    return median(seconds) < PROMPT_SECONDS


@pytest.mark.chaos
@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("way", WAYS)
def test_two_thousand_connections_that_keep_us_waiting_keep_nobody_else_waiting(
    world: World, client: httpx2.Client, way: str
) -> None:
    first = WAYS[way](world.stack.token("editor", "slow")).encode()
    with ExitStack() as held:
        for _ in range(HELD):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", world.stack.port), timeout=10))
            connection.sendall(first)
        assert promptly(client)


@pytest.mark.chaos
@pytest.mark.usefixtures("descriptors")
def test_a_thousand_streams_that_one_viewer_asks_for_keep_nobody_waiting(world: World, client: httpx2.Client) -> None:
    job, token = world.send(client, None, "stored", "cancelled").job_id, world.stack.token("viewer", "one-viewer")
    ask = f"GET /api/v1/ingest/{job}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with ExitStack() as held:
        for _ in range(1030):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", world.stack.port), timeout=10))
            connection.sendall(ask)
        assert promptly(client)
    client.post(f"/api/v1/ingest/{job}/cancel")

"""The client of webhooks against real sockets: where it does not go, and how long it waits."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from models.settings import Reach
from models.webhooks.sending import Answer
from pipeline.webhooks.client import Client
from tests.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


async def post(url: str, *, reach: Reach = "internet", timeout_seconds: float = 5.0) -> Answer:
    return await Client(reach, timeout_seconds=timeout_seconds).post(url, {"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:7f00:1]"]
)
async def test_no_name_or_number_of_this_machine_is_reached(receiver: Receiver, host: str) -> None:
    answer = await post(receiver.url.replace("127.0.0.1", host))
    assert answer.status_code is None
    assert "inside the network" in (answer.error or "")
    assert receiver.received == []


async def test_the_address_that_was_checked_is_the_one_that_is_reached(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another address each time is resolved once."""
    asked: list[str] = []

    def resolved(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    answer = await post(receiver.url.replace("127.0.0.1", "rebind.example"), reach="machine")
    assert answer.status_code == 204
    assert asked == ["rebind.example"]
    assert receiver.received[0].headers["host"].startswith("rebind.example:")


async def test_one_address_inside_among_others_refuses_them_all(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolved(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    answer = await post(receiver.url.replace("127.0.0.1", "both.example"))
    assert "127.0.0.1, an address inside the network" in (answer.error or "")
    assert receiver.received == []


async def test_a_receiver_that_hangs_has_its_time_and_no_more(receiver: Receiver) -> None:
    receiver.answer = receiver.hang
    started = time.monotonic()
    answer = await post(receiver.url, reach="machine", timeout_seconds=0.3)
    assert time.monotonic() - started < 2
    assert (answer.status_code, answer.error) == (None, "no whole answer within 0.3 seconds")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://name.invalid/"])
async def test_who_is_not_there_is_an_error_that_says_so(url: str) -> None:
    answer = await post(url, reach="machine")
    assert answer.status_code is None
    assert answer.error


async def test_who_has_no_certificate_for_its_name_is_not_told(receiver: Receiver) -> None:
    answer = await post(receiver.url.replace("http:", "https:"), reach="machine")
    assert answer.status_code is None
    assert answer.error
    assert receiver.received == []

"""The HTTP client of webhooks: it trusts no receiver with its time, its memory or the network it stands in.

A name is resolved once; each of its addresses is checked, and the connection goes to one that was: what the name means
a moment later does not count. Redirects are not followed, and no proxy of the environment is asked.
"""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpcore2

from models.settings import Reach
from models.webhooks.addresses import allowed
from models.webhooks.sending import RESPONSE_CHARACTERS, Answer

TIMEOUT_SECONDS: Final = 10.0  # from the name to the last byte that is read
MOST_BYTES: Final = 4 * RESPONSE_CHARACTERS  # of an answer; the rest is not read
RESOLVERS: Final = 16  # names that are slow to resolve take no thread of anybody else
AGENT: Final = "Episodes-Webhooks/1.0"


class Refused(Exception):
    """The receiver's name leads to where webhooks may not; the message says where."""


class _Network(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._plain = httpcore2.AnyIOBackend()
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook-names")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the backend's interface)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        refusal: Exception = OSError("the name has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.NetworkError as error:
                refusal = error
        raise refusal

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._resolvers, _resolve, host, port)
        for address in found:
            if not allowed(address, self._reach):
                raise Refused(f"{host} leads to {address}, an address inside the network")
        return found


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Client:
    """Posts messages to where this reach allows it."""

    def __init__(self, reach: Reach, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._seconds = timeout_seconds
        self._network = _Network(reach)
        self._context = httpcore2.default_ssl_context()

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """What came of it; whatever goes wrong is an error in the answer."""
        answer = Answer()
        try:
            async with asyncio.timeout(self._seconds):
                await self._post(url, headers | {"User-Agent": AGENT}, body, answer)
        except TimeoutError:
            answer.error = f"no whole answer within {self._seconds:g} seconds"
        except Exception as error:  # whatever a receiver does, it ends its own delivery and nothing else
            answer.error = str(error) or type(error).__name__
        if answer.error is None and not answer.delivered:
            answer.error = _unwelcome(answer.status_code)
        return answer

    async def _post(self, url: str, headers: dict[str, str], body: bytes, answer: Answer) -> None:
        """A pool of one connection, so that no receiver holds what another needs."""
        async with (
            httpcore2.AsyncConnectionPool(self._context, max_connections=1, network_backend=self._network) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
        ):
            answer.status_code = response.status
            answer.response = ""
            async for part in response.aiter_stream():
                answer.response += part[:MOST_BYTES].decode(errors="replace")
                if len(answer.response) >= RESPONSE_CHARACTERS:
                    return


def _unwelcome(status: int | None) -> str:
    if status is not None and 300 <= status < 400:  # noqa: PLR2004
        return f"the receiver answered {status}; redirects are not followed"
    return f"the receiver answered {status}"

"""Who is counted against the rate limit, and the refusal.

A caller is the subject of a verified token, else the client's address. A token that this process has not verified yet
is first counted against the address, so that made-up tokens are refused before their signature is checked; once it has
turned out good, its subject is counted and the address gets its request back.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.authorize import PUBLIC, Authenticator
from api.auth.caller import Caller
from api.http.client_address import client_address
from api.http.headers import Headers, sent
from api.middleware.gcra import Counts, Standing
from models.errors import RateLimited

SITE_PREFIX: Final = 64  # an IPv6 client has at least a /64 of addresses to itself


class Meter:
    """What one request has been counted against, and how that stands."""

    def __init__(self, counts: Counts, caller: Caller | None, address: str) -> None:
        self._counts = counts
        self._known = caller is not None
        self._name = f"subject:{caller.subject}" if caller else f"address:{address}"
        self._standing: Standing | None = None

    async def count(self) -> None:
        """Count the request.

        Raises:
            RateLimited
        """
        standing = self._standing = await self._counts.charge(self._name)
        if not standing.allowed:
            raise RateLimited(f"at most {standing.limit} requests a minute", standing.wait_seconds)

    async def count_for(self, caller: Caller) -> None:
        """Count the request against a caller whose token has just been verified, and no longer against the address.

        Raises:
            RateLimited
        """
        if self._known:
            return
        await self._counts.charge(self._name, -1)
        self._known, self._name = True, f"subject:{caller.subject}"
        await self.count()

    def headers(self) -> Headers:
        """What the caller is told of the quota."""
        if self._standing is None:
            return ()
        return (
            (b"ratelimit-limit", b"%d" % self._standing.limit),
            (b"ratelimit-remaining", b"%d" % self._standing.remaining),
            (b"ratelimit-reset", b"%d" % self._standing.reset_seconds),
        )


class RateLimits:
    """The ASGI layer that counts each request and refuses those over the limit; health, metrics and schema are free.

    ``proxies`` is ``TRUSTED_PROXIES``, see :func:`address_of`; ``failed`` makes the answer to an error.
    """

    def __init__(
        self,
        app: ASGIApp,
        counts: Counts,
        authenticator: Authenticator,
        *,
        proxies: int,
        failed: Callable[[Exception], list[Message]],
    ) -> None:
        self._app = app
        self._counts = counts
        self._authenticator = authenticator
        self._proxies = proxies
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(PUBLIC):
            await self._app(scope, receive, send)
            return
        caller = self._authenticator.known(sent(scope, b"authorization"))
        meter = scope["state"]["meter"] = Meter(self._counts, caller, address_of(scope, self._proxies))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *meter.headers()]
            await send(message)

        try:
            await meter.count()
        except RateLimited as error:
            scope["auth"] = caller  # for the log
            for message in self._failed(error):
                await told(message)
        else:
            await self._app(scope, receive, told)


async def count_caller(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """After authorization: count a token seen for the first time against its subject.

    Raises:
        RateLimited
    """
    caller, meter = connection.scope.get("auth"), connection.scope["state"].get("meter")
    if caller and meter:
        await meter.count_for(caller)


def address_of(scope: Any, proxies: int) -> str:
    """What an address is counted by: an IPv4 address, the /64 of an IPv6 address, or ``unknown``."""
    address = client_address(scope, proxies)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, SITE_PREFIX), strict=False))
    return str(address or "unknown")

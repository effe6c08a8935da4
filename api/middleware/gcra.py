"""How many requests a caller may send: one rule, counted in Redis for all processes, and here while Redis is away.

The rule is the generic cell rate algorithm. Of each caller one number is kept: when the whole quota will be back. A
request moves it one interval (a minute divided by the quota) ahead; it may be at most the whole quota ahead of now.
So a minute's quota may be spent at once, and comes back evenly. All times are in whole microseconds.
"""

import asyncio
import time
from typing import Any, Final

import redis.asyncio
import structlog
from msgspec import Struct
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = structlog.get_logger()

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
PATIENCE_SECONDS: Final = 0.2  # a request waits no longer for Redis
PAUSE_SECONDS: Final = 5.0  # and then nobody asks it for so long
CONNECTIONS: Final = 16
REMEMBERED: Final = 10_000  # callers counted here while Redis is away

# KEYS: the caller. ARGV: interval, whole quota, cost in requests. Gives: allowed, how far ahead of now.
SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
local ahead = math.max(before + ARGV[1] * ARGV[3], 0)
if ahead > tonumber(ARGV[2]) then return {0, before} end
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.floor(ahead / 1000) + 1)
return {1, ahead}
"""


class Standing(Struct, frozen=True):
    """How a caller stands after a request.

    ``reset_seconds`` until the whole quota is back; ``wait_seconds`` until the next request, where it was refused.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int


class Quota:
    """So many requests a minute, at least 1."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.interval = max(1, MINUTE // per_minute)
        self.whole = per_minute * self.interval

    def standing(self, allowed: bool, ahead: int) -> Standing:
        """The standing of a caller whose whole quota is back in ``ahead`` microseconds."""
        wait = 0 if allowed else _seconds(ahead + self.interval - self.whole)
        return Standing(allowed, self.per_minute, (self.whole - ahead) // self.interval, _seconds(ahead), wait)


class LocalCounts:
    """The rule in this process's memory."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._back: dict[str, int] = {}

    def charge(self, caller: str, cost: int = 1) -> Standing:
        now = time.monotonic_ns() // 1000
        before = max(self._back.get(caller, 0) - now, 0)
        ahead = max(before + self._quota.interval * cost, 0)
        if ahead > self._quota.whole:
            return self._quota.standing(False, before)
        if len(self._back) >= REMEMBERED:
            self._back.clear()
        self._back[caller] = now + ahead
        return self._quota.standing(True, ahead)


class Counts:
    """The rule in Redis, shared by all processes; in this process's memory while Redis does not answer.

    A dead Redis costs no request its time: after one failure all go on here, and every few seconds one asks it again.
    """

    def __init__(self, url: str, quota: Quota) -> None:
        self._quota = quota
        self._client = _client(url)
        self._script = self._client.register_script(SCRIPT)
        self._local = LocalCounts(quota)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._away = False
        self._ask_again = 0.0

    async def charge(self, caller: str, cost: int = 1) -> Standing:
        """Count a request of a caller; a cost of -1 takes one back."""
        async with self._turns:  # who waits here learns from those before that Redis is away
            if time.monotonic() < self._ask_again:
                return self._local.charge(caller, cost)
            if self._away:
                self._rest()
            try:
                allowed, ahead = await self._ask(caller, cost)
            except (redis.RedisError, OSError) as error:
                self._lost(error)
                return self._local.charge(caller, cost)
        self._found()
        return self._quota.standing(bool(allowed), ahead)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, caller: str, cost: int) -> Any:
        key = f"episodes:quota:{caller}".encode("utf-8", "replace")
        return await self._script(keys=[key], args=[self._quota.interval, self._quota.whole, cost])

    def _rest(self) -> None:
        self._ask_again = time.monotonic() + PAUSE_SECONDS

    def _lost(self, error: Exception) -> None:
        self._rest()
        if not self._away:
            self._away = True
            log.warning("rate limits are counted in this process: Redis does not answer", error=str(error))

    def _found(self) -> None:
        if self._away:
            self._away, self._ask_again = False, 0.0
            log.info("rate limits are counted in Redis again")


def _client(url: str) -> "redis.asyncio.Redis":
    """A client that gives up soon, and only tries again what a restart of Redis has cut off."""
    return redis.asyncio.Redis.from_url(
        url,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
    )


def _seconds(microseconds: int) -> int:
    """Rounded up."""
    return -(-microseconds // SECOND)

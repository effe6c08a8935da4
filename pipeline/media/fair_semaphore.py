"""A semaphore that is fair between callers: those who wait share its places; a caller alone may have all of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from msgspec import Struct

CALLER: Final[ContextVar[str]] = ContextVar("CALLER", default="")  # for whom the current task works


class _Waiting(Struct, eq=False):
    """Somebody waits for a place."""

    caller: str
    granted: asyncio.Future[None]


class FairSemaphore:
    """``places`` for all callers, and ``spare`` ones for callers that hold none while others hold all places.

    A free place goes to the waiting caller that holds the fewest; among equals, to the one that waits longest.
    """

    def __init__(self, places: int, spare: int = 0) -> None:
        self._places: Final = places
        self._spare: Final = spare
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @property
    def held(self) -> int:
        """How many places are taken."""
        return self._held.total()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the caller of this task."""
        caller = CALLER.get()
        await self._take(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _take(self, caller: str) -> None:
        waiting = _Waiting(caller, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        try:
            await waiting.granted
        except asyncio.CancelledError:
            if not waiting.granted.cancelled():
                self._give_back(caller)
            raise

    def _give_back(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._grant()

    def _grant(self) -> None:
        self._waiting = [one for one in self._waiting if not one.granted.done()]
        while self._waiting:
            first = min(self._waiting, key=lambda one: self._held[one.caller])
            if not self._free(first.caller):
                return
            self._waiting.remove(first)
            self._held[first.caller] += 1
            first.granted.set_result(None)

    def _free(self, caller: str) -> bool:
        """Whether there is a place; ``caller`` has the fewest of those who wait, so if not for them, for nobody."""
        return self._held.total() < self._places + (0 if self._held[caller] else self._spare)

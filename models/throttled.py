"""What many may ask for and takes long to find out: found out a few times a second, however many ask."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
SECONDS: Final = 1.0


class Throttled(Generic[T]):
    """An answer that is new for the first ``most`` askers of a second, and at most a second old for all others.

    Whoever asks while it is made waits for the same one.
    """

    def __init__(self, find: Callable[[], Awaitable[T]], most: int = 1) -> None:
        self._find = find
        self._asked: deque[float] = deque(maxlen=most)
        self._found: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """The answer, or what went wrong when it was made."""
        if self._found is None or (self._found.done() and self._is_due()):
            self._asked.append(time.monotonic())
            self._found = asyncio.ensure_future(self._find())
        return await asyncio.shield(self._found)

    def _is_due(self) -> bool:
        some_left = len(self._asked) < (self._asked.maxlen or 0)
        return some_left or time.monotonic() - self._asked[0] >= SECONDS

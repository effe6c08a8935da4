"""What many ask for and takes long to find out: found out once, and told to all who ask within a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
SECONDS: Final = 1.0


class Recent(Generic[T]):
    """An answer that is at most a second old; whoever asks while it is made waits for the same one."""

    def __init__(self, find: Callable[[], Awaitable[T]]) -> None:
        self._find = find
        self._found: asyncio.Future[T] | None = None
        self._asked = 0.0

    async def get(self) -> T:
        """The answer, or what went wrong when it was made."""
        if self._found is None or (self._found.done() and time.monotonic() - self._asked >= SECONDS):
            self._asked = time.monotonic()
            self._found = asyncio.ensure_future(self._find())
        return await asyncio.shield(self._found)

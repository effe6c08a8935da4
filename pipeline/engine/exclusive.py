"""A lock that many stages share, or one stage has with nothing beside it in its process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class SharedExclusiveLock:
    """The exclusive holder waits until all shared ones have ended; no new one begins meanwhile."""

    def __init__(self) -> None:
        self._alone = asyncio.Lock()
        self._ended = asyncio.Event()
        self._inside = 0

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for the exclusive lock: shared holders should end soon."""
        return self._alone.locked() and self._inside > 0

    async def open(self, seconds: float) -> bool:
        """Whether a shared holder may begin, if need be after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._alone.locked():
                    await self._next_end()
        return not self._alone.locked()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Held beside others."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._ended.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Held by one alone."""
        try:
            async with self._alone:
                while self._inside:
                    await self._next_end()
                yield
        finally:
            self._ended.set()

    async def _next_end(self) -> None:
        self._ended.clear()
        await self._ended.wait()

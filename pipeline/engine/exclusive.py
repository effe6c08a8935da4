"""Whose turn it is in a process: many side by side, or one with nothing beside it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class SharedExclusiveLock:
    """Who wants a turn alone waits for those that have one to end, and lets no other begin meanwhile."""

    def __init__(self) -> None:
        self._alone = asyncio.Lock()
        self._ended = asyncio.Event()
        self._inside = 0

    @property
    def wanted(self) -> bool:
        """Whether somebody waits to be alone: who has a turn beside others should end it soon."""
        return self._alone.locked() and self._inside > 0

    async def open(self, seconds: float) -> bool:
        """Whether a turn beside others may begin, if need be after waiting for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._alone.locked():
                    await self._next_end()
        return not self._alone.locked()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """A turn that others may have at the same time."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._ended.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """A turn that nobody has at the same time."""
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

"""Whose turn it is in a process: many side by side, or one with nothing beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns are taken in the order in which they were asked for; one alone waits for those before it to end."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._empty = asyncio.Event()
        self._inside = 0

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """A turn that others may have at the same time."""
        async with self._door:
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """A turn that nobody has at the same time."""
        async with self._door:
            while self._inside:
                self._empty.clear()
                await self._empty.wait()
            yield

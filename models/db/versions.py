"""At which version rows are, asked by many in one statement: who comes while one is under way waits for the next.

So each answer is from after its question, and a crowd costs the database little more than one client does.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from models.db.connection import Pool, borrow
from models.db.table import Table

MOST: Final = 256  # rows of a statement


class Versions:
    """The versions of living rows of one table."""

    def __init__(self, table: Table[Any], pool: Pool) -> None:
        self._table = table
        self._pool = pool
        self._asked: dict[UUID, asyncio.Future[int | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def of(self, key: UUID) -> int | None:
        """The version that a row is at; None where there is no such row, or it is deleted."""
        answer = self._asked.setdefault(key, asyncio.get_running_loop().create_future())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(answer)

    async def _ask(self) -> None:
        while self._asked:
            asked = {key: self._asked.pop(key) for key in [*self._asked][:MOST]}
            try:
                async with borrow(self._pool) as connection:
                    found = await self._table.versions(connection, [*asked])
            except Exception as error:
                _fail(asked, error)
            else:
                _answer(asked, found)


def _answer(asked: Mapping[UUID, asyncio.Future[int | None]], found: Mapping[UUID, int]) -> None:
    for key, answer in asked.items():
        answer.set_result(found.get(key))


def _fail(asked: Mapping[UUID, asyncio.Future[int | None]], error: Exception) -> None:
    for answer in asked.values():
        answer.set_exception(error)
        answer.exception()  # also where nobody waits any more

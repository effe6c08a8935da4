"""The claims of one process: who asks while others are being answered is answered with the others who did.

One statement and one commit then begin several stages, which is most of what beginning costs.
"""

import asyncio
from typing import Final
from uuid import UUID

from msgspec import Struct

from models import claims, database
from models.claims import Claimed, Holder
from models.database import Pool
from models.jobs import Stage

PATIENCE_SECONDS: Final = 1.0  # who asks waits no longer for those before to be answered: their connection may hang


class _Wanted(Struct):
    """Somebody waits for a stage."""

    job_id: UUID
    stage: Stage
    answer: asyncio.Future[Claimed | None]

    def take(self, found: dict[UUID, Claimed]) -> None:
        """Answer with what is found; of those who want the same, the first is given it."""
        there = found.get(self.job_id)
        mine = found.pop(self.job_id) if there and there.stage == self.stage else None
        if not self.answer.done():
            self.answer.set_result(mine)

    def refuse(self, error: Exception) -> None:
        """Answer that it is not known."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Claimer:
    """Claims stages for one holder."""

    def __init__(self, pool: Pool, holder: Holder) -> None:
        self._pool: Final = pool
        self._holder: Final = holder
        self._wanted: list[_Wanted] = []
        self._claiming: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def claim(self, job_id: UUID, stage: Stage) -> Claimed | None:
        """The stage, if it is to be had beside others.

        Raises:
            psycopg.Error: the database could not say; so for all who asked at the same time.
        """
        wanted = _Wanted(job_id, stage, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        if self._claiming is None or self._claiming.done():
            self._claiming = asyncio.create_task(self._claim_all())
        return await wanted.answer

    async def claim_alone(self, job_id: UUID, stage: Stage) -> Claimed | None:
        """The stage, if it is to be had by who has nothing else at work."""
        return (await self._claimed({job_id: stage}, alone=True)).get(job_id)

    async def _claim_all(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, []
            answering = asyncio.create_task(self._answer(wanted))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            await asyncio.wait({answering}, timeout=PATIENCE_SECONDS)

    async def _answer(self, wanted: list[_Wanted]) -> None:
        try:
            found = await self._claimed({each.job_id: each.stage for each in wanted})
        except Exception as error:
            for each in wanted:
                each.refuse(error)
        else:
            for each in wanted:
                each.take(found)

    async def _claimed(self, wanted: dict[UUID, Stage], *, alone: bool = False) -> dict[UUID, Claimed]:
        async with database.connection(self._pool) as connection:
            found = await claims.claim(connection, wanted, self._holder, alone=alone)
        return {claimed.job_id: claimed for claimed in found}

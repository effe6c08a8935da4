"""The claims of one process: who asks while others are being answered is answered with the others who did.

One statement and one commit then begin several stages, which is most of what beginning costs.
"""

import asyncio
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct

from models.db import connection as db
from models.db.connection import Pool
from models.jobs import claims
from models.jobs.claims import Claimed, Holder
from models.jobs.endings import Postponed, end
from models.jobs.types import Stage

log = structlog.get_logger()
PATIENCE_SECONDS: Final = 1.0  # who asks waits no longer for those before to be answered: their connection may hang


class _Wanted(Struct):
    """Somebody waits for a stage."""

    job_id: UUID
    stage: Stage
    answer: asyncio.Future[Claimed | None]


class Claimer:
    """Claims stages for one holder.

    What befalls a statement, an error or an answer that is lost, befalls all who are claimed for by it.
    """

    def __init__(self, pool: Pool, holder: Holder) -> None:
        self._pool: Final = pool
        self._holder: Final = holder
        self._wanted: list[_Wanted] = []
        self._claiming: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def claim(self, job_id: UUID, stage: Stage) -> Claimed | None:
        """The stage, if it is to be had beside others.

        Raises:
            psycopg.Error, PoolTimeout: the database could not say.
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
        while batch := self._batch():
            answering = asyncio.create_task(self._answer(batch))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            await asyncio.wait({answering}, timeout=PATIENCE_SECONDS)

    def _batch(self) -> dict[UUID, _Wanted]:
        """Who still waits; of those who want the same job, the first."""
        batch: dict[UUID, _Wanted] = {}
        waiting = [wanted for wanted in self._wanted if not wanted.answer.done()]
        self._wanted = [wanted for wanted in waiting if batch.setdefault(wanted.job_id, wanted) is not wanted]
        return batch

    async def _answer(self, batch: dict[UUID, _Wanted]) -> None:
        try:
            found = await self._claimed({job_id: wanted.stage for job_id, wanted in batch.items()})
        except Exception as error:
            for wanted in batch.values():
                if not wanted.answer.done():
                    wanted.answer.set_exception(error)
            return
        for job_id, wanted in batch.items():
            if not wanted.answer.done():
                wanted.answer.set_result(found.pop(job_id, None))
        await self._give_back(found.values())

    async def _give_back(self, unwanted: Iterable[Claimed]) -> None:
        """Who asked does not wait any more. Where this fails, their leases run out."""
        try:
            for claimed in unwanted:
                async with db.borrow(self._pool) as connection:
                    await end(connection, claimed, Postponed(0), self._holder)
        except (psycopg.Error, *db.AWAY) as error:
            log.warning("a claim not given back", error=str(error))

    async def _claimed(self, wanted: dict[UUID, Stage], *, alone: bool = False) -> dict[UUID, Claimed]:
        async with db.borrow(self._pool) as connection:
            found = await claims.claim(connection, wanted, self._holder, alone=alone)
        return {claimed.job_id: claimed for claimed in found}

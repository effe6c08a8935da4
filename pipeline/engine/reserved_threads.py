"""What a worker keeps for those who have little at work, while others hold all its threads.

A message waits in the broker behind those before it, and a thread that has one works until its job ends. So a worker
whose threads are all at work reads in the ledger whose message waits and who has less at work than there is left.
"""

import asyncio
from typing import Final

import psycopg
import structlog

from models.db import connection as db
from models.jobs import dispatch
from models.jobs.dispatch import Newcomer
from pipeline.engine import runner
from pipeline.engine.context import Context
from pipeline.engine.runner import Chains

log = structlog.get_logger()
LOOK_SECONDS: Final = 0.25


class Reserve:
    """The stages that a worker has taken on beside what its threads do."""

    def __init__(self, context: Context, chains: Chains) -> None:
        self._context = context
        self._chains = chains
        self._begun: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._context.full and self._free:
                await self._look()

    async def end(self) -> None:
        """Give back what has not ended."""
        for running in self._begun:
            running.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    @property
    def _free(self) -> int:
        return self._context.reserved - len(self._begun)

    async def _look(self) -> None:
        try:
            async with db.borrow(self._context.pool) as connection:
                found = await dispatch.newcomers(connection, self._free)
        except (psycopg.Error, *db.AWAY) as error:
            log.warning("the database is away", error=str(error))
            return
        for newcomer in found:
            if newcomer.at_work < self._free:
                self._begin(newcomer)

    def _begin(self, newcomer: Newcomer) -> None:
        running = asyncio.create_task(self._run(newcomer))
        self._begun.add(running)
        running.add_done_callback(self._begun.discard)

    async def _run(self, newcomer: Newcomer) -> None:
        try:
            await runner.run(self._context, self._chains, newcomer.stage, newcomer.job_id)
        except Exception as error:
            log.warning("not begun", error=str(error), job_id=str(newcomer.job_id))

"""The chains of each kind of job on one screen: an actor a stage, which takes a job's id and nothing else."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import dramatiq
import psycopg
import structlog
from dramatiq import Broker

from models import db
from models.jobs.dispatch import Message
from models.jobs.types import Stage
from pipeline.engine import runner
from pipeline.engine.context import Context
from pipeline.engine.messages import QUEUE
from pipeline.engine.runner import Chains, Work
from pipeline.stages.deduplicate import deduplicate
from pipeline.stages.housekeeping import housekeeping
from pipeline.stages.index import index
from pipeline.stages.ingest import ingest
from pipeline.stages.reprocess import render_again, show_again
from pipeline.stages.thumbnail import thumbnail

log = structlog.get_logger()

INGEST: Final[Mapping[Stage, Work]] = {
    "ingest": ingest,
    "deduplicate": deduplicate,
    "thumbnail": thumbnail,
    "index": index,
}
CHAINS: Final[Chains] = {
    "ingest": INGEST,
    "reprocess": {"thumbnail": render_again, "index": show_again},
    "housekeeping": {"housekeeping": housekeeping},
}
STAGES: Final[tuple[Stage, ...]] = (*INGEST, "housekeeping")


class Chain:
    """The actors of the chains on one broker.

    Jobs that are nearly done go before jobs that begin: of what a process has fetched, the later stage runs first.
    """

    def __init__(self, broker: Broker, context: Callable[[], Context], chains: Chains = CHAINS) -> None:
        self._context = context
        self._chains = chains
        self._actors = {
            name: dramatiq.Actor(
                self._runner(name),
                broker=broker,
                actor_name=name,
                queue_name=QUEUE,
                priority=len(STAGES) - place,
                options={},
            )
            for place, name in enumerate(STAGES)
        }

    async def message(self, due: Sequence[Message]) -> None:
        """Tell the workers what is due; where that fails, the dispatcher will tell them again, in some seconds."""
        if due:
            await asyncio.to_thread(self._send, due)

    def _send(self, due: Sequence[Message]) -> None:
        try:
            for message in due:
                self._actors[message.stage].send(str(message.job_id))
        except Exception as error:
            log.warning("message not sent", error=str(error), job_id=str(message.job_id))

    def _runner(self, name: Stage) -> Callable[[str], object]:
        async def run(job_id: str) -> None:
            try:
                known = UUID(job_id)
            except (ValueError, AttributeError, TypeError):
                log.warning("a message without a job id")
                return
            try:
                await runner.run(self._context(), self._chains, name, known)
            except (psycopg.Error, *db.AWAY) as error:
                log.warning("the database is away", error=str(error), job_id=job_id)

        return run

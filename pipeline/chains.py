"""The chains of each kind of job on one screen: an actor a stage, which takes a job's id and nothing else."""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

import dramatiq
import psycopg
import structlog
from dramatiq import Broker

from models.db import connection as db
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


def declare_actors(broker: Broker, context: Callable[[], Context], chains: Chains = CHAINS) -> None:
    """Declare an actor for each stage.

    Jobs that are nearly done go before jobs that begin: of what a process has fetched, the later stage runs first.
    """
    for place, name in enumerate(STAGES):
        dramatiq.Actor(
            _actor(name, context, chains),
            broker=broker,
            actor_name=name,
            queue_name=QUEUE,
            priority=len(STAGES) - place,
            options={},
        )


def _actor(stage: Stage, context: Callable[[], Context], chains: Chains) -> Callable[[str], object]:
    async def run(job_id: str) -> None:
        try:
            known = UUID(job_id)
        except (ValueError, AttributeError, TypeError):
            log.warning("a message without a job id")
            return
        try:
            await runner.run(context(), chains, stage, known)
        except (psycopg.Error, *db.AWAY) as error:
            log.warning("the database is away", error=str(error), job_id=job_id)

    return run

"""Faults of the broker: emptied, away, frozen, full, and full of what nobody of us has sent."""

from tests.chaos.brokers import forgeries, message
from tests.soak.ground import Ground

COPIES = 50
FEW = 5


def redis_flushed(ground: Ground) -> None:
    ground.broker.purge()


def redis_away_and_back_empty(ground: Ground) -> None:
    with ground.broker.away():
        ground.some(1, 6)


def redis_frozen(ground: Ground) -> None:
    with ground.broker.frozen():
        ground.some(2, 8)


def redis_full(ground: Ground) -> None:
    with ground.broker.full():
        ground.some(1, 5)


def redis_with_garbage_and_forgeries(ground: Ground) -> None:
    """Garbage, unknown actors, forged ids, and messages of 10 MB, in any order."""
    made = forgeries()
    ground.rng.shuffle(made)
    ground.broker.put(made)


def messages_delivered_fifty_times(ground: Ground) -> None:
    """Those of jobs that are due, or run, or have just ended."""
    query = "select job_id, stage from ingest_jobs order by finished_at desc nulls first, job_id limit %s"
    for job_id, stage in ground.world.stack.sql(query, FEW):
        ground.broker.put([message(str(job_id), actor=stage) for _ in range(COPIES)])


BROKER = (
    redis_flushed,
    redis_away_and_back_empty,
    redis_frozen,
    redis_full,
    redis_with_garbage_and_forgeries,
    messages_delivered_fifty_times,
)

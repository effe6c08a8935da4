"""Search says what is true, or is put right; gently, because nobody waits for it."""

import asyncio
import time
from typing import Final

from models import metrics
from models.search import reindex
from pipeline.tasks.run import Run

SLICE: Final = 128  # documents that are locked at once
RESTS: Final = 9  # times as long as it works


async def search_check(run: Run) -> bool:
    """Go on with the gentle check that is under way, else begin one; nothing where somebody waits for another."""
    async with run.transaction() as connection:
        if not await reindex.begin_gently(connection):
            return False
    while not run.out_of_time:
        started = time.monotonic()
        if not await _slice(run):
            return False
        await asyncio.sleep((time.monotonic() - started) * RESTS)
    return True


async def _slice(run: Run) -> bool:
    """False where the check has ended."""
    async with run.transaction() as connection:
        step = await reindex.next_batch(connection, SLICE, gentle=True)
        for drift in step.drift if step else ():
            run.counts[drift.kind] += 1
    for drift in step.drift if step else ():
        metrics.SEARCH_DRIFT.labels(drift.kind).inc()
    return step is not None

"""The trash is emptied of what was deleted longer ago than is kept."""

from datetime import datetime
from functools import partial

from models.db.connection import Connection
from models.housekeeping.trash import WALKED, kept, purge
from pipeline.tasks.run import Run


async def trash(run: Run) -> bool:
    """Purge kind by kind, what belongs to others before them; 0 days keep all. ``kept`` are those that must stay."""
    days = run.settings.trash_retention_days
    if days == 0:
        return False
    before = run.ago(days=days)
    for entity_type in WALKED:
        work = partial(_purge, run, entity_type, before)
        if await run.slices(f"{entity_type}s", work):
            return True
        async with run.transaction() as connection:
            if number := await kept(connection, entity_type, before):
                run.counts["kept"] += number
    return False


async def _purge(run: Run, entity_type: str, before: datetime, connection: Connection) -> int:
    """Remove a slice; how many rows. Failed jobs that went with them are counted under their own name."""
    purged = await purge(connection, run.actor, entity_type, before)
    if purged.failed_jobs:
        run.counts["failed_jobs"] += purged.failed_jobs
    return purged.rows

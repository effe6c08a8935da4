"""The trash is emptied of what was deleted longer ago than is kept."""

from functools import partial

from models import purge
from pipeline.run import Run


async def trash(run: Run) -> bool:
    """Purge kind by kind, what belongs to others before them; 0 days keep all. ``kept`` are those that must stay."""
    days = run.settings.trash_retention_days
    if days == 0:
        return False
    before = run.ago(days=days)
    for entity_type in purge.WALKED:
        work = partial(purge.purge, actor=run.actor, entity_type=entity_type, before=before)
        if await run.slices(f"{entity_type}s", work):
            return True
        async with run.transaction() as connection:
            if number := await purge.kept(connection, entity_type, before):
                run.counts["kept"] += number
    return False

"""The stage of a housekeeping job: its task, then what it did, on the ledger and in the audit log."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from models.db.connection import Connection
from models.errors import Fault
from models.housekeeping import schedule
from models.jobs.claims import Claimed
from models.jobs.endings import Ending, Succeeded
from pipeline.engine.context import Context
from pipeline.engine.runner import Finish
from pipeline.tasks.expiry import finished_jobs, idempotency_keys
from pipeline.tasks.integrity import integrity
from pipeline.tasks.orphans import orphan_objects
from pipeline.tasks.run import Run
from pipeline.tasks.search import search_check
from pipeline.tasks.trash import trash
from pipeline.tasks.uploads import expired_uploads

TaskFunction = Callable[[Run], Awaitable[bool]]  # True: time ran out, and there is more to do

TASKS: Final[Mapping[str, TaskFunction]] = {
    "expired-uploads": expired_uploads,
    "orphan-objects": orphan_objects,
    "trash": trash,
    "idempotency-keys": idempotency_keys,
    "finished-jobs": finished_jobs,
    "search-check": search_check,
    "integrity": integrity,
}
# Those that take something away that a person may look for.
AUDITED: Final = frozenset({"expired-uploads", "orphan-objects", "trash", "finished-jobs"})


async def housekeeping(context: Context, claimed: Claimed, _: Path) -> Finish:
    """Do the job's task until it is done, or time runs out and the next run is due at once."""
    run = Run(context, claimed)
    if run.task not in TASKS:
        raise Fault("INTERNAL", f"this worker knows no task '{run.task}'")
    more = await TASKS[run.task](run)

    async def finish(connection: Connection) -> Ending:
        await schedule.note(connection, claimed.job_id, run.counts)
        if more:
            await schedule.again(connection, run.task)
        if run.task in AUDITED and any(run.counts.values()):
            await schedule.report(connection, run.actor, claimed.entity_id, run.counts)
        return Succeeded()

    return finish

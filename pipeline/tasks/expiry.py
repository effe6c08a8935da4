"""What is no longer promised expires, a slice at a time."""

from models.db import idempotency
from models.jobs import poison
from models.jobs import retention as jobs
from models.webhooks import retention as deliveries
from pipeline.tasks.run import Run


async def idempotency_keys(run: Run) -> bool:
    """Forget answers that are a day old."""
    return await run.slices("expired", idempotency.expire)


async def finished_jobs(run: Run) -> bool:
    """Forget jobs that ended well, or were cancelled, before the time that is kept, and what webhooks were told.

    0 days keep them all. What was poison so long ago is looked at again: the decoders may be better by now.
    """
    days = run.settings.job_retention_days
    if days == 0:
        return False
    before = run.ago(days=days)
    if await run.slices("expired", lambda connection: jobs.expire_jobs(connection, before)):
        return True
    if await run.slices("deliveries_expired", lambda connection: deliveries.expire(connection, before)):
        return True
    if await run.slices("batches_expired", lambda connection: jobs.expire_batches(connection, before)):
        return True
    return await run.slices("poison_forgotten", lambda connection: poison.forget_old(connection, before))

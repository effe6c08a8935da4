"""Uploads in parts that nobody completed in time are given up, with what has arrived of them.

An announcement is removed when an object that came of it would be an orphan, and no job may still bring it.

A URL that was never used leaves nothing behind; an object that was never ingested is an orphan. What others upload to
the bucket, under names that this application does not give, is theirs.
"""

from models.errors import Rejected
from models.media import uploads
from models.media.references import UPLOADED
from models.media.s3 import Begun
from pipeline.tasks.run import Run


async def expired_uploads(run: Run) -> bool:
    """Give up what was begun before the grace time."""
    before = run.ago(hours=run.settings.upload_grace_hours)
    for upload in await run.storage.begun(run.storage.primary):
        if run.out_of_time:
            return True
        if upload.begun_at < before and UPLOADED.fullmatch(upload.target.key):
            await _give_up(run, upload)
    return await _forget(run)


async def _give_up(run: Run, upload: Begun) -> None:
    try:
        await run.storage.drop_parts(upload.target, upload.upload_id)
    except Rejected:
        return  # it was completed, or given up, meanwhile
    run.counts["aborted"] += 1
    await run.save()


async def _forget(run: Run) -> bool:
    before = run.ago(hours=run.settings.upload_grace_hours + run.settings.orphan_grace_hours)
    number = uploads.SLICE
    while number == uploads.SLICE:
        if run.out_of_time:
            return True
        async with run.transaction() as connection:
            number = await uploads.forget_old(connection, before)
    return False

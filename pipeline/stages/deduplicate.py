"""Second stage: of identical files exactly one is stored; the database decides which."""

from pathlib import Path
from typing import Final

from models.db.connection import Connection
from models.errors import Rejected
from models.jobs import claims, poison, targets
from models.jobs.claims import Claimed, Verdict
from models.media import files
from models.media.files import StoredFile
from pipeline.engine.context import Context
from pipeline.engine.runner import Finish, Postpone, Step

TURN_SECONDS: Final = 0.5  # between looks whether another job of the same entity has ended


async def deduplicate(_: Context, claimed: Claimed, __: Path) -> Finish:
    """Claim the content, or find whose it is.

    Jobs of one entity pass one at a time and before they claim a content, so none that owns a content waits.
    """

    async def finish(connection: Connection) -> Step:
        if await claims.entity_is_busy(connection, claimed):
            return Postpone(TURN_SECONDS)
        sha256, size = claimed.sha256 or "", claimed.file_size or 0
        if await files.claim_content(connection, sha256, claimed.source_reference, size, claimed.owner):
            await poison.refuse_known(connection, sha256)  # found out while we waited
            return Verdict("stored")
        first = await files.find(connection, sha256)
        if first is not None and first.job_id == claimed.job_id:
            return Verdict("stored")  # ours since an earlier attempt
        if first is None or not first.stored:
            return Postpone()  # the first of them is still being proved; it wakes us when that is settled
        return await _duplicate(connection, claimed, first)

    return finish


async def _duplicate(connection: Connection, claimed: Claimed, first: StoredFile) -> Verdict:
    of = await targets.duplicate_of(connection, first)
    if claimed.on_duplicate == "reject":
        where = " (in the trash)" if of.deleted else ""
        raise Rejected("DUPLICATE", f"the same file is stored already, with {of.entity_type} {of.entity_id}{where}")
    return Verdict("stored" if claimed.on_duplicate == "keep" else "duplicate", of)

"""Second stage: of identical files exactly one is stored; the database decides which."""

from msgspec import to_builtins

from models import entities, files
from models.claims import Claimed, Verdict
from models.database import Connection
from models.errors import Rejected
from models.files import StoredFile
from pipeline.context import Context
from pipeline.stage import Finish, Postpone, Step


async def deduplicate(_: Context, claimed: Claimed) -> Finish:
    """Claim the content, or find whose it is."""

    async def finish(connection: Connection) -> Step:
        if await files.claim_content(connection, content(claimed)):
            return Verdict("stored")
        first = await files.find(connection, claimed.sha256 or "")
        if first is None or not (first.stored or first.job_id == claimed.job_id):
            return Postpone()  # the first of them is still being proved; it wakes us when that is settled
        return await _duplicate(connection, claimed, first)

    return finish


async def _duplicate(connection: Connection, claimed: Claimed, first: StoredFile) -> Verdict:
    if (first.entity_type, first.entity_id, first.role) == (claimed.entity_type, claimed.entity_id, claimed.role):
        return Verdict("stored")  # the same file sent to the same place again
    of = await entities.duplicate_of(connection, first)
    if claimed.on_duplicate == "reject":
        where = " (in the trash)" if of.deleted else ""
        raise Rejected("DUPLICATE", f"the same file is stored already, with {of.entity_type} {of.entity_id}{where}")
    return Verdict("stored" if claimed.on_duplicate == "keep" else "duplicate", of)


def content(claimed: Claimed) -> StoredFile:
    """The job's file as the row of a content."""
    return StoredFile(
        sha256=claimed.sha256 or "",
        file_reference=claimed.source_reference,
        file_size=claimed.file_size or 0,
        media=to_builtins(claimed.found),
        entity_type=claimed.entity_type,
        entity_id=claimed.entity_id,
        role=claimed.role,
        job_id=claimed.job_id,
        thumbnails=[],
        stored=False,
    )

"""Content that used up or killed its decoder: whoever sends it again is told so at once, and nothing is decoded.

A retry forgets it: somebody wants to know again, after an upgrade for instance.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.errors import ErrorCode, JobError, Rejected

SLICE: Final = 1000  # marks of one transaction


class Mark(Struct):
    """How the content was told the first time."""

    code: ErrorCode
    message: str


async def refuse_known(connection: Connection, sha256: str) -> None:
    """Tell of known poison what was told before.

    Raises:
        Rejected
    """
    query = "select error_code, error_message from poisoned_contents where sha256 = %s"
    if mark := await db.row(connection, Mark, query, [sha256]):
        raise Rejected(mark.code, mark.message)


async def remember(connection: Connection, sha256: str | None, error: JobError, job_id: UUID) -> None:
    """Note it, where the error says that it is poison; the first to find it out has said all there is to say."""
    if sha256 is None or not error.poison:
        return
    query = """
        insert into poisoned_contents (sha256, error_code, error_message, job_id) values (%s, %s, %s, %s)
        on conflict (sha256) do nothing
    """
    await db.execute(connection, query, [sha256, error.code, error.message, job_id])


async def clear(connection: Connection, job_ids: list[UUID]) -> None:
    """Let the content of these jobs be tried again."""
    query = """
        delete from poisoned_contents where sha256 in (
            select sha256 from poisoned_contents
            where sha256 in (select sha256 from ingest_jobs where job_id = any(%s)) order by sha256 for update)
    """
    await db.execute(connection, query, [job_ids])


async def forget_old(connection: Connection, before: datetime) -> int:
    """Remove a slice of the marks that are older; how many."""
    query = """
        delete from poisoned_contents where sha256 in (
            select sha256 from poisoned_contents where noted_at < %s order by sha256 limit %s for update skip locked)
    """
    return await db.execute(connection, query, [before, SLICE])

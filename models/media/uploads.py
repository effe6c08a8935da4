"""What was announced of a file before it was sent, and whether what arrived is that: one rule for every upload."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct, structs

from models.db import connection as db
from models.db.connection import Connection
from models.errors import Conflict, Rejected
from models.media.s3 import StoredPart

SLICE: Final = 10_000  # rows removed at once


class Announced(Struct, frozen=True):
    """A file that its ``owner`` is about to send: ``file_size`` in bytes, ``sha256`` in hex.

    In parts of ``part_size`` bytes, the last of which is what is left, where it has an ``upload_id``.
    """

    file_reference: str
    owner: str
    file_type: str
    file_size: int
    sha256: str | None = None
    upload_id: str | None = None
    part_size: int | None = None
    file_name: str | None = None

    @property
    def sizes(self) -> dict[int, int]:
        """The bytes that each part must have, by its number."""
        step = self.part_size or self.file_size
        starts = range(0, self.file_size, step)
        return {number: min(step, self.file_size - start) for number, start in enumerate(starts, start=1)}

    def missing(self, arrived: Mapping[int, StoredPart]) -> list[int]:
        """The numbers of the parts that are not there, or not as long as they must be."""
        return [number for number, size in self.sizes.items() if number not in arrived or arrived[number].size != size]


def check_parts(announced: Announced, arrived: Mapping[int, StoredPart]) -> None:
    """Whether all parts are there.

    Raises:
        Conflict: naming those that are missing, and how many bytes that is.
    """
    sizes, missing = announced.sizes, announced.missing(arrived)
    if missing:
        number, size = len(missing), sum(sizes[part] for part in missing)
        which = f"{number} of {len(sizes)} parts have not arrived whole: {', '.join(map(str, missing))}"
        message = f"{which} ({size:,} of {announced.file_size:,} bytes); send them, then complete the upload again"
        raise Conflict(message, field="parts")


def check_file(announced: Announced, size: int, sha256: str) -> None:
    """Whether a file that arrived is the one that was announced.

    Raises:
        Rejected: CORRUPT_FILE where it is shorter, FILE_TOO_LARGE where it is longer, else HASH_MISMATCH.
    """
    wanted = announced.file_size
    if size < wanted:
        raise Rejected("CORRUPT_FILE", f"the file is incomplete: {size:,} of {wanted:,} bytes arrived; send it again")
    if size > wanted:
        raise Rejected("FILE_TOO_LARGE", f"{size:,} bytes arrived, and {wanted:,} were announced; announce it anew")
    if announced.sha256 not in (None, sha256):
        raise Rejected("HASH_MISMATCH", f"the file's SHA-256 is {sha256}, not what was announced; send it again")


async def announce(connection: Connection, announced: Announced) -> None:
    """Keep what a file must be when it arrives."""
    query = """
        insert into uploads (file_reference, owner, file_type, file_size, sha256, upload_id, part_size, file_name)
        values (%(file_reference)s, %(owner)s, %(file_type)s, %(file_size)s, %(sha256)s, %(upload_id)s, %(part_size)s,
                %(file_name)s)
    """
    await db.execute(connection, query, structs.asdict(announced))


async def find(connection: Connection, file_reference: str) -> Announced | None:
    """What was announced under a reference; None where nobody did, or long ago."""
    query = """
        select file_reference, owner, file_type, file_size, sha256, upload_id, part_size, file_name
        from uploads where file_reference = %s
    """
    return await db.row(connection, Announced, query, [file_reference])


async def withdraw(connection: Connection, file_reference: str) -> None:
    """It was given up."""
    await db.execute(connection, "delete from uploads where file_reference = %s", [file_reference])


async def forget_old(connection: Connection, before: datetime) -> int:
    """Forget a slice of what was announced before that time and no job may still bring; how many."""
    query = """
        delete from uploads where file_reference in (
            select file_reference from uploads
            where created_at < %s and file_reference not in (
                select source_reference from ingest_jobs
                where kind = 'ingest' and status in ('queued', 'running', 'failed', 'cancelled'))
            limit %s)
    """
    return await db.execute(connection, query, [before, SLICE])

"""The files that entities show, as they came: what is known of each, and how it is called where it goes."""

import mimetypes
import unicodedata
from typing import Final
from urllib.parse import quote
from uuid import UUID

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.media import references
from models.media.types import kind_of

UNKNOWN_TYPE: Final = "application/octet-stream"
SHOWN: Final = ("image", "video", "audio")  # what a browser may show in its place, as it runs no code of the file


class StoredOriginal(Struct):
    """What is known of a file; its size and hash are null where only a client says that it is there."""

    file_name: str
    mime_type: str
    file_size: int | None = None
    sha256: str | None = None

    @property
    def may_be_shown(self) -> bool:
        return kind_of(self.mime_type) in SHOWN


async def read(connection: Connection, entity_type: str, entity_id: UUID, reference: str) -> StoredOriginal:
    """What is known of the file at ``reference``, which an entity shows; its name is that which came with it there."""
    params = {"entity_type": entity_type, "entity_id": entity_id, "reference": reference}
    found = await db.row(connection, StoredOriginal, _ORIGINAL, params | {"unknown": UNKNOWN_TYPE})
    assert found is not None  # noqa: S101  (the query gives one row, whatever is known)
    if found.mime_type == UNKNOWN_TYPE:  # who knew it was forgotten: its name may tell
        found.mime_type = mimetypes.guess_type(found.file_name)[0] or UNKNOWN_TYPE
    return found


_ORIGINAL: Final = """
    with stored as (
        select sha256, file_size from files where file_reference = %(reference)s
        union all
        select sha256, file_size from held_objects where file_reference = %(reference)s
        limit 1
    ), brought as (
        select job.file_name, job.source_reference, job.media ->> 'mime_type' as mime_type
        from ingest_jobs as job left join stored on true
        where entity_type = %(entity_type)s and entity_id = %(entity_id)s and kind = 'ingest'
          and status = 'succeeded' and (source_reference = %(reference)s or job.sha256 = stored.sha256)
        order by job_id desc limit 1
    )
    select coalesce(brought.file_name, uploads.file_name, file_name_of(coalesce(source_reference, %(reference)s))),
           coalesce(brought.mime_type, uploads.file_type, %(unknown)s), stored.file_size, stored.sha256
    from (values (1)) as one
    left join stored on true left join brought on true
    left join uploads on uploads.file_reference = %(reference)s
"""


def disposition(file_name: str, *, inline: bool) -> str:
    """A Content-Disposition header with this name in any script. Source: RFC 6266, RFC 8187."""
    plain = unicodedata.normalize("NFKD", file_name).encode("ascii", "ignore").decode()
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{references.safe_name(plain)}\"; filename*=UTF-8''{quote(file_name, safe='')}"

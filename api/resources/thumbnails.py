"""The pictures of an entity, each with a URL that works for an hour."""

from uuid import UUID

import msgspec

from api.http.envelope import Data
from models.db.connection import Connection
from models.media import references, thumbnails
from models.media.s3 import Storage
from models.media.thumbnails import ThumbnailRow


class Thumbnail(ThumbnailRow):
    """A picture and where to get it now."""

    url: str


async def thumbnails_of(db: Connection, files: Storage, entity_type: str, entity_id: UUID) -> Data[list[Thumbnail]]:
    """The thumbnails of an entity, largest first."""
    return Data([_signed(files, row) for row in await thumbnails.read_all(db, entity_type, entity_id)])


def _signed(files: Storage, row: ThumbnailRow) -> Thumbnail:
    url = files.signed_get(references.parse(row.file_reference))
    return Thumbnail(**msgspec.structs.asdict(row), url=url)

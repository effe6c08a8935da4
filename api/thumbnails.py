"""The pictures of an entity, each with a URL that works for an hour."""

from uuid import UUID

from api.envelope import Data
from models import thumbnails
from models.database import Connection
from models.storage import Storage
from models.thumbnails import Shown, ThumbnailRow


class Thumbnail(ThumbnailRow):
    """A picture and where to get it now."""

    url: str


async def thumbnails_of(db: Connection, files: Storage, entity_type: str, entity_id: UUID) -> Data[list[Thumbnail]]:
    """The thumbnails of an entity, largest first."""
    return Data([_signed(files, row) for row in await thumbnails.read_all(db, entity_type, entity_id)])


def _signed(files: Storage, row: Shown) -> Thumbnail:
    """The URL is of the content's own picture, the same bytes: no reader sees old pictures beside new ones."""
    url = files.signed_get(thumbnails.of_content(files.thumbnails, row.sha256, row.size_variant))
    fields = {name: getattr(row, name) for name in ThumbnailRow.__struct_fields__}
    return Thumbnail(**fields, url=url)

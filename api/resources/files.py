"""The file of an entity as it came: a URL that is good for an hour, with its name, type, size and hash."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import Struct

from api.http.envelope import Data
from api.http.json_response import JsonResponse
from models.catalog import CATALOG
from models.db.connection import Connection
from models.entities import EntityName, EpisodeRole, FileRole
from models.errors import Invalid, NotFound
from models.media import originals, references
from models.media.s3 import URL_SECONDS, Storage

Redirect = Annotated[bool, QueryParameter(description="Answer with a 302 to the URL instead of telling it.")]
Inline = Annotated[
    bool, QueryParameter(description="For a browser to show in its place: pictures, video and sound only.")
]
EpisodeFile = Annotated[EpisodeRole, QueryParameter(name="role", description="Which file of the episode.")]
REDIRECTS = {302: ResponseSpec(None, description="With `redirect=true`: the file is at `Location`")}


class OriginalFile(Struct, rename={"expires_in": "expiresIn"}):
    """A file and where to get it now; size and hash are null where the pipeline has not seen it."""

    url: str
    file_name: str
    mime_type: str
    file_size: int | None
    sha256: str | None
    expires_in: int


async def file_of(
    db: Connection,
    files: Storage,
    entity: EntityName,
    row: Any,
    role: FileRole,
    *,
    redirect: bool,
    inline: bool,
) -> Response[Data[OriginalFile]]:
    """The file that a row shows in a role.

    Raises:
        NotFound: it shows none, or one that is not in the storage.
        Invalid: it is not to be shown in a browser.
    """
    resource = CATALOG[entity]
    column = next(column for column, has in resource.references.items() if has == role)
    place = _place(getattr(row, column), files)
    if place is None:
        raise NotFound(f"this {entity.replace('_', ' ')} has no {'file' if role == 'primary' else role}")
    key: UUID = getattr(row, resource.table.key)
    found = await originals.read(db, entity, key, str(place))
    if inline and not found.may_be_shown:
        raise Invalid(f"only pictures, video and sound are shown inline; this is {found.mime_type}", field="inline")
    url = files.signed_get(place, originals.disposition(found.file_name, inline=inline), found.mime_type)
    if redirect:
        return Response(b"", status_code=302, headers={"Location": url}, media_type="text/plain")  # type: ignore[arg-type]  # no body
    made = OriginalFile(url, found.file_name, found.mime_type, found.file_size, found.sha256, URL_SECONDS)
    return JsonResponse(Data(made))


def _place(reference: str | None, files: Storage) -> references.Reference | None:
    """Where the object is; None where a client points elsewhere."""
    if reference is None or not reference.startswith("s3://"):
        return None
    place = references.parse(reference)
    return place if place.bucket in files.buckets else None

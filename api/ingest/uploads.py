"""Files in: a URL that takes exactly the file that was announced."""

import base64
from typing import Literal
from uuid import uuid4

from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from api.dependencies import Db, Files, Who
from api.http.envelope import Data
from models.db.connection import Connection
from models.db.fields import FileSize, HeaderValue, Name, Sha256
from models.entities import EntityType
from models.errors import TooLarge, UnsupportedMediaType
from models.jobs import targets
from models.jobs.types import DuplicateOf
from models.media import files as stored_files
from models.media import references, uploads
from models.media.limits import accepted_in_any_role, size_limit, too_large, unsupported
from models.media.references import Reference
from models.media.s3 import URL_SECONDS, Storage
from models.media.uploads import Announced
from models.media.wording import takes


class NewUpload(Struct, forbid_unknown_fields=True):
    """The file that a client is about to send; its size in bytes, its SHA-256 in hex."""

    file_name: Name
    file_type: HeaderValue
    entity_type: EntityType
    file_size: FileSize
    sha256: Sha256 | None = None


class Upload(Struct, rename="camel"):
    """Where to PUT the file, with which headers, for how many seconds; and of what it is a duplicate."""

    upload_url: str
    file_reference: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expires_in: int
    duplicate_of: DuplicateOf | UnsetType = UNSET


class UploadController(Controller):
    """Presigned uploads."""

    path = "/api/v1/upload"
    tags = ("files",)

    @post("/generate-url", status_code=200, summary="Get a URL to upload a file to")
    async def generate_url(self, db: Db, who: Who, files: Files, data: JSONBody[NewUpload]) -> Data[Upload]:
        check_announced(data)
        target = new_target(files, data)
        headers = _headers(data)
        url = files.signed_put(target, headers | {"Content-Length": str(data.file_size)})
        what = (data.file_type, data.file_size, data.sha256)
        await uploads.announce(db, Announced(str(target), who.subject, *what, file_name=data.file_name))
        return Data(Upload(url, str(target), "PUT", headers, URL_SECONDS, await announced_duplicate(db, data.sha256)))


def check_announced(new: NewUpload) -> None:
    """Refuse a file that its entity does not take.

    Raises:
        UnsupportedMediaType, TooLarge
    """
    kinds = accepted_in_any_role(new.entity_type)
    kind = takes(new.file_type, kinds)
    if kind is None:
        message = unsupported(new.file_type, new.entity_type, kinds, name=new.file_name)
        raise UnsupportedMediaType(message, field="file_type")
    limit = size_limit(kind, new.entity_type)
    if new.file_size > limit:
        raise TooLarge(too_large(new.file_size, limit, kind, new.entity_type), field="file_size")


def new_target(files: Storage, new: NewUpload) -> Reference:
    """Where a new file goes: a key that nobody else has, with the file's name at its end."""
    return Reference(files.primary, f"{new.entity_type}/{uuid4()}-{references.safe_name(new.file_name)}")


def _headers(new: NewUpload) -> dict[str, str]:
    """What a client must send with the file; the object is written once and never replaced."""
    headers = {"Content-Type": new.file_type, "If-None-Match": "*"}
    if new.sha256 is not None:
        headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(new.sha256)).decode()
    return headers


async def announced_duplicate(db: Connection, sha256: str | None) -> DuplicateOf | UnsetType:
    """Of what a file with this SHA-256 would be a duplicate."""
    found = await stored_files.find(db, sha256) if sha256 else None
    return await targets.duplicate_of(db, found) if found and found.stored and not found.displaced else UNSET

"""Files too large for one request: sent in parts, which may be sent side by side and again, then joined."""

from collections.abc import Iterator
from typing import Annotated, Final
from uuid import uuid4

from litestar import Controller, delete, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from api.dependencies import Db, Files
from api.envelope import Data, ErrorBody
from api.uploads import NewUpload, announced_duplicate, check_announced
from models import references
from models.errors import Invalid, NotFound, Rejected
from models.fields import ObjectReference
from models.jobs import DuplicateOf
from models.media import MB, kind_of, size_limit
from models.references import Reference
from models.storage import PART_URL_SECONDS, Storage

PART_SIZE: Final = 64 * MB  # the largest file has 80 of them

UPLOAD_ID: Final = r"^[A-Za-z0-9._~=+/-]{1,512}$(?!\n)"
_MISSING: Final = {404: ResponseSpec(ErrorBody)}

UploadId = Annotated[str, Meta(pattern=UPLOAD_ID)]
PartNumber = Annotated[int, Meta(ge=1, le=10_000)]
ETag = Annotated[str, Meta(pattern=r'^"?[A-Za-z0-9+/=_-]{1,128}"?$(?!\n)')]


class PartUrl(Struct, rename="camel"):
    """Where to PUT a part; its ETag is in the answer."""

    part_number: int
    url: str


class MultipartUpload(Struct, rename="camel"):
    """An upload in parts of ``partSize`` bytes, the last of which may be smaller; URLs are good for so many seconds."""

    upload_id: str
    file_reference: str
    part_size: int
    parts: list[PartUrl]
    expires_in: int
    duplicate_of: DuplicateOf | UnsetType = UNSET


class Part(Struct, forbid_unknown_fields=True):
    """A part that has arrived."""

    part_number: PartNumber
    etag: ETag


class SentParts(Struct, forbid_unknown_fields=True):
    """An upload whose parts have all been sent; without ``parts``, all that have arrived are meant."""

    upload_id: UploadId
    file_reference: ObjectReference
    parts: Annotated[list[Part], Meta(min_length=1, max_length=10_000)] | None = None


class Stored(Struct, rename="camel"):
    """An object that is there now."""

    file_reference: str


class MultipartController(Controller):
    """Uploads in parts."""

    path = "/api/v1/upload/multipart"
    tags = ("files",)

    @post("/", status_code=200, summary="Get URLs to upload a large file to, in parts")
    async def start_multipart(self, db: Db, files: Files, data: JSONBody[NewUpload]) -> Data[MultipartUpload]:
        check_announced(data)
        target = Reference(files.primary, f"{data.entity_type}/{uuid4()}-{references.safe_name(data.file_name)}")
        duplicate = await announced_duplicate(db, data.sha256)
        upload_id = await files.start_parts(target, data.file_type)
        parts = [
            PartUrl(number, files.signed_part(target, upload_id, number, _length(size)))
            for number, size in enumerate(_sizes(data), start=1)
        ]
        return Data(MultipartUpload(upload_id, str(target), PART_SIZE, parts, PART_URL_SECONDS, duplicate))

    @post("/complete", status_code=200, summary="Join the parts of a large file", responses=_MISSING)
    async def complete_multipart(self, files: Files, data: JSONBody[SentParts]) -> Data[Stored]:
        target = _target(files, data.file_reference)
        try:
            await files.join_parts(target, data.upload_id, await _meant(files, target, data))
        except Rejected as error:
            raise _refusal(error) from None
        return Data(Stored(str(target)))

    @delete("/", summary="Give up the upload of a large file", responses=_MISSING)
    async def abort_multipart(
        self,
        files: Files,
        upload_id: Annotated[str, QueryParameter(pattern=UPLOAD_ID)],
        file_reference: Annotated[str, QueryParameter(max_length=1024)],
    ) -> None:
        try:
            await files.drop_parts(_target(files, file_reference), upload_id)
        except Rejected:
            raise NotFound("there is no such upload", field="upload_id") from None


def _sizes(new: NewUpload) -> Iterator[int | None]:
    """The bytes of each part; unknown where the file's are, and then there are parts for the largest that is taken."""
    kind = kind_of(new.file_type)
    most = size_limit(kind, new.entity_type) if kind else 0
    whole = most if new.file_size is None else new.file_size
    for start in range(0, max(whole, 1), PART_SIZE):
        yield None if new.file_size is None else min(PART_SIZE, whole - start)


def _length(size: int | None) -> dict[str, str]:
    return {} if size is None else {"Content-Length": str(size)}


def _target(files: Storage, reference: str) -> Reference:
    target = references.parse(reference, field="file_reference")
    if target.bucket != files.primary or not references.UPLOADED.fullmatch(target.key):
        raise Invalid("this is no reference of an upload", field="file_reference")
    return target


async def _meant(files: Storage, target: Reference, sent: SentParts) -> dict[int, str]:
    """By number; without a list of them, those that have arrived."""
    if sent.parts is None:
        arrived = await files.parts(target, sent.upload_id)
        if not arrived:
            raise Invalid("no part has arrived yet", field="parts")
        return arrived
    meant = {part.part_number: part.etag for part in sent.parts}
    if len(meant) < len(sent.parts):
        raise Invalid("a part is named twice", field="parts")
    return meant


def _refusal(error: Rejected) -> Invalid | NotFound:
    """An upload that has been joined is gone, too: a repeated request has an Idempotency-Key."""
    if error.code == "SOURCE_MISSING":
        return NotFound("there is no such upload", field="upload_id")
    return Invalid(error.message, field="parts")

"""Files too large for one request: sent in parts, which may be sent side by side and again, then joined.

What was announced is kept. The parts become a file only when all of them are there, each as long as it must be; until
then the upload stays open to who began it.
"""

from typing import Annotated, Any, Final

from litestar import Controller, Request, delete, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from api.auth.caller import Caller
from api.dependencies import Db, Files, Who
from api.http.envelope import Data, ErrorBody
from api.ingest.uploads import NewUpload, announced_duplicate, check_announced, new_target
from models.db.connection import borrow
from models.db.fields import ObjectReference
from models.entities import MB
from models.errors import Conflict, Invalid, NotFound, Rejected
from models.jobs.types import DuplicateOf
from models.media import references, uploads
from models.media.references import Reference
from models.media.s3 import PART_URL_SECONDS, Storage, StoredPart
from models.media.uploads import Announced

PART_SIZE: Final = 64 * MB  # the largest file has 80 of them

UPLOAD_ID: Final = r"^[A-Za-z0-9._~=+/-]{1,512}$(?!\n)"
_MISSING: Final = {404: ResponseSpec(ErrorBody)}

AnyRequest = Request[Any, Any, Any]
UploadId = Annotated[str, Meta(pattern=UPLOAD_ID)]
PartNumber = Annotated[int, Meta(ge=1, le=10_000)]
ETag = Annotated[str, Meta(pattern=r'^"?[A-Za-z0-9+/=_-]{1,128}"?$(?!\n)')]
AskedId = Annotated[str, QueryParameter(name="uploadId", pattern=UPLOAD_ID, description="As the start answered it.")]
AskedReference = Annotated[
    str, QueryParameter(name="fileReference", max_length=1024, description="As the start answered it.")
]


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


class PartState(Struct, rename="camel"):
    """A part: its size and ETag where it has arrived; where to PUT it where it has not, or not whole."""

    part_number: int
    size: int | UnsetType = UNSET
    etag: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class OpenUpload(Struct, rename="camel"):
    """How far an upload in parts has come; URLs are new and good for so many seconds."""

    part_size: int
    parts: list[PartState]
    expires_in: int


class SentPart(Struct, rename="camel", forbid_unknown_fields=True):
    """A part that has been sent, and the ETag that the storage answered."""

    part_number: PartNumber
    etag: ETag


class SentParts(Struct, rename="camel", forbid_unknown_fields=True):
    """An upload whose parts have all been sent; ``parts`` may name them, and then they have to be those."""

    upload_id: UploadId
    file_reference: ObjectReference
    parts: Annotated[list[SentPart], Meta(min_length=1, max_length=10_000)] | None = None


class CompletedUpload(Struct, rename="camel"):
    """An object that is there now."""

    file_reference: str


class MultipartController(Controller):
    """Uploads in parts."""

    path = "/api/v1/upload/multipart"
    tags = ("files",)

    @post("/", status_code=200, summary="Get URLs to upload a large file to, in parts")
    async def start_multipart(self, db: Db, who: Who, files: Files, data: JSONBody[NewUpload]) -> Data[MultipartUpload]:
        check_announced(data)
        target = new_target(files, data)
        duplicate = await announced_duplicate(db, data.sha256)
        upload_id = await files.start_parts(target, data.file_type)
        what = (data.file_type, data.file_size, data.sha256)
        upload = Announced(str(target), who.subject, *what, upload_id, PART_SIZE, data.file_name)
        await uploads.announce(db, upload)
        parts = [PartUrl(number, _url(files, upload, number)) for number in upload.sizes]
        return Data(MultipartUpload(upload_id, str(target), PART_SIZE, parts, PART_URL_SECONDS, duplicate))

    @get("/", summary="See how far the upload of a large file has come", responses=_MISSING)
    async def read_multipart(
        self, request: AnyRequest, files: Files, upload_id: AskedId, file_reference: AskedReference
    ) -> Data[OpenUpload]:
        upload = await _begun(request, files, upload_id, file_reference)
        arrived = await _arrived(files, upload)
        missing = upload.missing(arrived)
        parts = [_state(files, upload, number, arrived.get(number), number in missing) for number in upload.sizes]
        return Data(OpenUpload(upload.part_size or upload.file_size, parts, PART_URL_SECONDS))

    @post("/complete", status_code=200, summary="Join the parts of a large file", responses=_MISSING)
    async def complete_multipart(
        self, request: AnyRequest, files: Files, data: JSONBody[SentParts]
    ) -> Data[CompletedUpload]:
        upload = await _begun(request, files, data.upload_id, data.file_reference)
        arrived = await _arrived(files, upload)
        uploads.check_parts(upload, arrived)
        _check_named(data.parts, upload, arrived)
        await _join(files, upload, {number: arrived[number].etag for number in upload.sizes})
        return Data(CompletedUpload(upload.file_reference))

    @delete("/", summary="Give up the upload of a large file", responses=_MISSING)
    async def abort_multipart(
        self, request: AnyRequest, files: Files, upload_id: AskedId, file_reference: AskedReference
    ) -> None:
        upload = await _begun(request, files, upload_id, file_reference)
        try:
            await files.drop_parts(references.parse(upload.file_reference), upload_id)
        except Rejected:
            raise _no_upload() from None
        async with borrow(request.app.state.pool) as db:
            await uploads.withdraw(db, upload.file_reference)


async def _begun(request: AnyRequest, files: Storage, upload_id: str, reference: str) -> Announced:
    """The caller's own upload, or for an admin anybody's. The database is let go before anything travels.

    Raises:
        Invalid: where the reference is none of an upload.
        NotFound
    """
    target = _target(files, reference)
    async with borrow(request.app.state.pool) as db:
        upload = await uploads.find(db, str(target))
    if upload is None or upload.upload_id != upload_id or not _may(request.scope["auth"], upload):
        raise _no_upload()
    return upload


def _may(caller: Caller, upload: Announced) -> bool:
    """Whoever may upload no more, cannot have a new URL either."""
    return caller.may("admin") or (caller.may("editor") and caller.subject == upload.owner)


def _target(files: Storage, reference: str) -> Reference:
    target = references.parse(reference, field="fileReference")
    if target.bucket != files.primary or not references.UPLOADED.fullmatch(target.key):
        raise Invalid("this is no reference of an upload", field="fileReference")
    return target


async def _arrived(files: Storage, upload: Announced) -> dict[int, StoredPart]:
    """The parts that are there.

    Raises:
        NotFound: an upload that has been joined is gone, too; a repeated request has an Idempotency-Key.
    """
    try:
        return await files.parts(references.parse(upload.file_reference), upload.upload_id or "")
    except Rejected:
        raise _no_upload() from None


def _state(files: Storage, upload: Announced, number: int, arrived: StoredPart | None, missing: bool) -> PartState:
    state = PartState(number, arrived.size, arrived.etag) if arrived else PartState(number)
    if missing:
        state.url = _url(files, upload, number)
    return state


def _url(files: Storage, upload: Announced, number: int) -> str:
    """Where a part may be sent, and nothing of another length."""
    length = {"Content-Length": str(upload.sizes[number])}
    return files.signed_part(references.parse(upload.file_reference), upload.upload_id or "", number, length)


def _check_named(named: list[SentPart] | None, upload: Announced, arrived: dict[int, StoredPart]) -> None:
    """Whether the parts that a client names are those that arrived, all of them."""
    if named is None:
        return
    etags = {part.part_number: part.etag.strip('"') for part in named}
    if len(etags) < len(named):
        raise Invalid("a part is named twice", field="parts")
    if more := etags.keys() - upload.sizes.keys():
        raise Invalid(f"there is no part {min(more)}: the upload has {len(upload.sizes)}", field="parts")
    wrong = [number for number in upload.sizes if etags.get(number) != arrived[number].etag.strip('"')]
    if wrong:
        which = ", ".join(map(str, wrong))
        raise Conflict(f"parts that are not named, or with another ETag than arrived: {which}", field="parts")


async def _join(files: Storage, upload: Announced, etags: dict[int, str]) -> None:
    try:
        await files.join_parts(references.parse(upload.file_reference), upload.upload_id or "", etags)
    except Rejected as error:
        if error.code == "SOURCE_MISSING":
            raise _no_upload() from None
        raise Conflict(error.message, field="parts") from None  # one was replaced this very moment


def _no_upload() -> NotFound:
    return NotFound("there is no such upload", field="uploadId")

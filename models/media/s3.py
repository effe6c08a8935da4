"""S3: fetching, storing, copying and signing; what travels blocks, so it runs in a thread.

boto3 finds the credentials and does what is rare; the bytes of the ingest path go over plain pooled connections, signed
here, which costs a fifth of the CPU of its own calls.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from models.db import presigned
from models.db.presigned import PresignedRequest
from models.errors import Fault, JobError, Rejected, Unavailable
from models.media.references import Reference
from models.media.s3_signing import EMPTY, MOMENT, Credentials, Signer, path
from models.settings import Settings

if TYPE_CHECKING:
    from boto3 import Session
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

T = TypeVar("T")
CHUNK: Final = 1024 * 1024
URL_SECONDS: Final = 3600
PART_URL_SECONDS: Final = 24 * 3600  # the last part of a large file is sent long after the first
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_UNFIT: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)
# Lost connections, 5xx and SlowDown are tried again; what the storage refuses is not.
_RETRIES: Final = urllib3.Retry(
    3,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=None,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    redirect=False,
)


# What was sent and not answered may arrive later: it is not sent again beside itself.
_ANSWERED: Final = _RETRIES.new(read=0, other=0)


class StoredObject(NamedTuple):
    """An object as a listing has it; its size in bytes."""

    key: str
    size: int
    modified_at: datetime


class StoredPart(NamedTuple):
    """A part that has arrived; its size in bytes."""

    etag: str
    size: int


class Begun(NamedTuple):
    """An upload in parts that has not been completed."""

    target: Reference
    upload_id: str
    begun_at: datetime


class Storage:
    """The object storage of one process.

    Raises, where a method travels:
        Rejected: SOURCE_MISSING, HASH_MISMATCH (the object changed since it was pinned).
        Fault: STORAGE_UNAVAILABLE, also where one of our buckets is missing.
    """

    def __init__(self, settings: Settings, *, threads: int = 8) -> None:
        self.primary: Final = settings.s3_primary_bucket
        self.thumbnails: Final = settings.s3_thumbnail_bucket
        session = _session(settings)
        self._keys = session.get_credentials()
        self._client = _client(session, settings, threads)
        self._signer = Signer(self._client.meta.endpoint_url, settings.aws_region)
        self._public_signer = self._signer._replace(endpoint=_public(settings) or self._signer.endpoint)
        self._pool = urllib3.connection_from_url(
            self._signer.endpoint, maxsize=threads, timeout=_TIMEOUT, retries=_RETRIES
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="storage")

    @property
    def buckets(self) -> frozenset[str]:
        return frozenset({self.primary, self.thumbnails})

    async def fetch(
        self, source: Reference, write: Callable[[bytes], object], *, limit: int, etag: str | None = None
    ) -> str:
        """Stream an object into ``write``, in constant memory; its ETag.

        Raises:
            Rejected: FILE_TOO_LARGE before the first byte, where the object is over ``limit`` bytes.
        """
        return await self._run(lambda: self._fetch(source, write, limit, etag))

    async def put(self, target: Reference, file: Path, content_type: str) -> str:
        """Store a small local file; its SHA-256 in hex."""
        return await self._run(lambda: self._put(target, file, content_type))

    async def copy(self, source: Reference, target: Reference, until: float) -> bool:
        """Copy an object of up to 5 GB inside the storage, which refuses to where it hears of it after ``until``.

        That is a time of ``time.monotonic``; whoever sleeps longer, or whatever holds the request up, it has no effect
        then. False where it was too late, or refused for another reason.
        """
        return await self._run(lambda: self._copy(source, target, until))

    async def exists(self, target: Reference) -> bool:
        """Whether there is such an object.

        Raises:
            Fault: where the storage does not say.
        """
        return await self._run(lambda: self._exists(target))

    async def ping(self) -> None:
        """One round trip.

        Raises:
            Unavailable
        """
        try:
            await self._run(lambda: self._client.head_bucket(Bucket=self.primary))
        except JobError:
            raise Unavailable("the object storage does not answer; try again") from None

    def signed_get(self, source: Reference, disposition: str | None = None, content_type: str | None = None) -> str:
        """A URL that reads the object for an hour, as a file of that disposition and type where they are said."""
        said = {"response-content-disposition": disposition, "response-content-type": content_type}
        parameters = {name: value for name, value in said.items() if value is not None}
        return self.sign(PresignedRequest("GET", source.bucket, source.key, {}, URL_SECONDS, parameters))

    def signed_put(self, target: Reference, headers: Mapping[str, str]) -> str:
        """A URL that stores an object within an hour, with exactly these headers."""
        return self.sign(PresignedRequest("PUT", target.bucket, target.key, dict(headers), URL_SECONDS, {}))

    def sign(self, wish: PresignedRequest) -> str:
        """A URL that is good for this from now on."""
        target, keys = Reference(wish.bucket, wish.key), self._credentials()
        signer = self._public_signer  # clients may reach the storage by another name than programs do
        url = signer.url(wish.method, target, wish.headers, wish.seconds, keys, parameters=wish.parameters)
        presigned.note(url, wish)
        return url

    async def start_parts(self, target: Reference, content_type: str) -> str:
        """Begin an upload in parts; its id."""
        create = self._client.create_multipart_upload
        begun = await self._run(lambda: create(Bucket=target.bucket, Key=target.key, ContentType=content_type))
        return begun["UploadId"]

    def signed_part(self, target: Reference, upload_id: str, number: int, headers: Mapping[str, str]) -> str:
        """A URL that stores a part, counted from 1, within a day, with exactly these headers."""
        parameters = {"partNumber": str(number), "uploadId": upload_id}
        return self.sign(
            PresignedRequest("PUT", target.bucket, target.key, dict(headers), PART_URL_SECONDS, parameters)
        )

    async def parts(self, target: Reference, upload_id: str) -> dict[int, StoredPart]:
        """The parts that have arrived, by their number.

        Raises:
            Rejected: SOURCE_MISSING, where there is no such upload.
        """
        return await self._run(lambda: self._parts(target, upload_id))

    async def join_parts(self, target: Reference, upload_id: str, parts: Mapping[int, str]) -> None:
        """Make one object of these parts.

        Raises:
            Rejected: SOURCE_MISSING, where there is no such upload; CORRUPT_FILE, where the parts are not what arrived.
        """
        joined: CompletedMultipartUploadTypeDef = {
            "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in sorted(parts.items())]
        }
        complete = self._client.complete_multipart_upload
        await self._run(
            lambda: complete(Bucket=target.bucket, Key=target.key, UploadId=upload_id, MultipartUpload=joined)
        )

    async def drop_parts(self, target: Reference, upload_id: str) -> None:
        """Give up an upload, and what has arrived of it.

        Raises:
            Rejected: SOURCE_MISSING, where there is no such upload.
        """
        abort = self._client.abort_multipart_upload
        await self._run(lambda: abort(Bucket=target.bucket, Key=target.key, UploadId=upload_id))

    async def begun(self, bucket: str) -> list[Begun]:
        """The uploads in parts that are under way."""
        return await self._run(lambda: self._begun(bucket))

    async def objects(self, bucket: str, after: str, limit: int = 1000) -> list[StoredObject]:
        """The next objects of a bucket in the order of their keys; fewer than ``limit`` where there are no more."""
        return await self._run(lambda: self._objects(bucket, after, limit))

    async def remove(self, target: Reference, until: float) -> bool:
        """Remove an object, unless the storage hears of it after ``until``, as with ``copy``; whether it is gone."""
        return await self._run(lambda: self._remove(target, until))

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        self._pool.close()

    def _credentials(self) -> Credentials:
        """The keys as they are now: those of a role are renewed by boto3 before they end."""
        found = self._keys.get_frozen_credentials() if self._keys else None
        if found is None or not found.access_key or not found.secret_key:
            raise Fault("STORAGE_UNAVAILABLE", "there are no AWS credentials")
        return Credentials(found.access_key, found.secret_key, found.token)

    def _fetch(self, source: Reference, write: Callable[[bytes], object], limit: int, etag: str | None) -> str:
        pinned = {"if-match": etag} if etag else {}
        answer = self._send("GET", source, pinned, preload_content=False)
        try:
            self._check(answer, source, limit)
            received = 0
            for chunk in answer.stream(CHUNK, decode_content=False):  # the object's own bytes, however they are encoded
                received += len(chunk)
                _check_size(received, limit)
                write(chunk)
        except BaseException:
            answer.close()  # what is left of the body is not read, so the connection cannot serve again
            raise
        answer.release_conn()
        return answer.headers.get("ETag", "")

    def _put(self, target: Reference, file: Path, content_type: str) -> str:
        body = file.read_bytes()
        self._check(self._send("PUT", target, {"content-type": content_type}, body), target)
        return hashlib.sha256(body).hexdigest()

    def _copy(self, source: Reference, target: Reference, until: float) -> bool:
        answer = self._send_until(until, "PUT", target, {"x-amz-copy-source": path(source)})
        if answer is None:
            return False
        self._check(answer, target)
        if b"<Error>" in answer.data:  # S3 may find out after it has said 200
            raise Fault("STORAGE_UNAVAILABLE", "the object storage could not copy a picture")
        return True

    def _exists(self, target: Reference) -> bool:
        answer = self._send("HEAD", target, {})
        if answer.status == HTTPStatus.NOT_FOUND and isinstance(self._missing(target), Rejected):
            return False
        self._check(answer, target)
        return True

    def _remove(self, target: Reference, until: float) -> bool:
        answer = self._send_until(until, "DELETE", target, {})
        if answer is None:
            return False
        self._check(answer, target)
        return True

    def _send(
        self, method: str, target: Reference, wanted: Mapping[str, str], body: bytes = b"", **how: Any
    ) -> urllib3.BaseHTTPResponse:
        """Sign and send; once more where the storage refuses because our clock is off."""
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY
        while True:
            headers = self._signer.headers(method, target, wanted, digest, self._credentials())
            answer = self._pool.urlopen(method, path(target), body=body or None, headers=headers, **how)
            wrong = self._signer.clock.correct(headers["x-amz-date"], answer.headers.get("Date"))
            if not (wrong and answer.status == HTTPStatus.FORBIDDEN):
                return answer
            answer.close()

    def _send_until(
        self, until: float, method: str, target: Reference, wanted: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse | None:
        """Send what the storage itself refuses after a time, by the date it is signed with; None where it did."""
        if not self._signer.clock.compared:
            self._send("HEAD", Reference(target.bucket, ""), {})
        now = self._signer.clock.now()
        left = until - time.monotonic()  # looked at after that: a pause between makes it less
        seconds = int(now.microsecond / 1e6 + left)  # counted from a moment that has no fractions
        if left < 0 or seconds < 1:
            return None
        moment = now.strftime(MOMENT)
        url = self._signer.url(method, target, wanted, seconds, self._credentials(), moment=moment)
        there = url.removeprefix(self._signer.endpoint)
        answer = self._pool.urlopen(method, there, headers=wanted, retries=_ANSWERED)
        self._signer.clock.correct(moment, answer.headers.get("Date"))
        return None if answer.status == HTTPStatus.FORBIDDEN else answer

    def _check(self, answer: urllib3.BaseHTTPResponse, target: Reference, limit: int | None = None) -> None:
        size = int(answer.headers.get("Content-Length", 0))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise self._missing(target)
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            raise Rejected("HASH_MISMATCH", "the object was replaced while it was processed; send it again")
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise Fault("STORAGE_UNAVAILABLE", f"the object storage answered {answer.status}")
        if limit is not None:
            _check_size(size, limit)

    def _missing(self, target: Reference) -> JobError:
        """Whose fault it is that something is not there: ours, where it is the whole of a bucket that we name."""
        if target.bucket in self.buckets:
            found = self._send("HEAD", Reference(target.bucket, ""), {})
            if found.status == HTTPStatus.NOT_FOUND:
                return Fault("STORAGE_UNAVAILABLE", f"the bucket {target.bucket} is missing")
        return _gone()

    def _parts(self, target: Reference, upload_id: str) -> dict[int, StoredPart]:
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id
        )
        return {
            part["PartNumber"]: StoredPart(part["ETag"], part["Size"])
            for page in pages
            for part in page.get("Parts", ())
        }

    def _begun(self, bucket: str) -> list[Begun]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [
            Begun(Reference(bucket, upload["Key"]), upload["UploadId"], upload["Initiated"])
            for page in pages
            for upload in page.get("Uploads", ())
        ]

    def _objects(self, bucket: str, after: str, limit: int) -> list[StoredObject]:
        page = self._client.list_objects_v2(Bucket=bucket, StartAfter=after, MaxKeys=limit)
        return [StoredObject(one["Key"], one["Size"], one["LastModified"]) for one in page.get("Contents", ())]

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            _explain(error)
        except (BotoCoreError, HTTPError, ConnectionError, TimeoutError) as error:
            raise Fault("STORAGE_UNAVAILABLE", f"the object storage failed: {type(error).__name__}") from error


def _public(settings: Settings) -> str:
    return (settings.s3_public_endpoint_url or "").rstrip("/")


def _session(settings: Settings) -> "Session":
    import boto3  # noqa: PLC0415  (a second of import that only some programs need)

    return boto3.Session(region_name=settings.aws_region)


def _client(session: "Session", settings: Settings, threads: int) -> "S3Client":
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=threads,
        s3={"addressing_style": "path"} if settings.s3_endpoint_url else {},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", endpoint_url=settings.s3_endpoint_url, config=config)


def _explain(error: ClientError) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _GONE:
        raise _gone() from error
    if code in _UNFIT:
        raise Rejected("CORRUPT_FILE", "the parts do not make a file: one is missing, too small, or another") from error
    raise Fault("STORAGE_UNAVAILABLE", f"the object storage answered {code}") from error


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Rejected("FILE_TOO_LARGE", f"the file has {size:,} bytes or more; the limit is {limit:,}")


def _gone() -> Rejected:
    return Rejected("SOURCE_MISSING", "there is no such object in the storage; was the upload finished?")

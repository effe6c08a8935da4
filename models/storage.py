"""S3: fetching, storing, copying and signing; what travels blocks, so it runs in a thread.

boto3 signs; the bytes of the ingest path go over plain pooled connections by the URLs it signed, which costs a third
of the CPU of its own calls.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from models.errors import Fault, JobError, Rejected, Unavailable
from models.references import Reference
from models.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")
CHUNK: Final = 1024 * 1024
URL_SECONDS: Final = 3600
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
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


class Storage:
    """The object storage of one process.

    Raises, where a method travels:
        Rejected: SOURCE_MISSING, HASH_MISMATCH (the object changed since it was pinned).
        Fault: STORAGE_UNAVAILABLE.
    """

    def __init__(self, settings: Settings, *, threads: int = 8) -> None:
        self.primary: Final = settings.s3_primary_bucket
        self.thumbnails: Final = settings.s3_thumbnail_bucket
        self._client = _client(settings, threads)
        self._pool = urllib3.PoolManager(maxsize=threads, block=False, timeout=_TIMEOUT, retries=_RETRIES)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="storage")

    @property
    def buckets(self) -> frozenset[str]:
        """The buckets that are ours."""
        return frozenset({self.primary, self.thumbnails})

    async def fetch(
        self, source: Reference, write: Callable[[bytes], object], *, limit: int, etag: str | None = None
    ) -> str:
        """Stream an object into ``write``, in constant memory; its ETag.

        Raises:
            Rejected: FILE_TOO_LARGE before the first byte, where the object is over ``limit`` bytes.
        """
        return await self._run(lambda: self._fetch(source, write, limit, etag))

    async def put(self, target: Reference, path: Path, content_type: str) -> None:
        """Store a small local file."""

        await self._run(lambda: self._put(target, path, content_type))

    async def copy(self, source: Reference, target: Reference) -> None:
        """Copy an object inside the storage."""

        def copy() -> None:
            origin: Any = {"Bucket": source.bucket, "Key": source.key}
            self._client.copy_object(Bucket=target.bucket, Key=target.key, CopySource=origin)

        await self._run(copy)

    async def ping(self) -> None:
        """One round trip.

        Raises:
            Unavailable
        """
        try:
            await self._run(lambda: self._client.head_bucket(Bucket=self.primary))
        except JobError:
            raise Unavailable("the object storage does not answer; try again") from None

    def signed_get(self, source: Reference) -> str:
        """A URL that reads the object for an hour."""
        return self._signed("get_object", {"Bucket": source.bucket, "Key": source.key})

    def signed_put(self, target: Reference, headers: dict[str, Any]) -> str:
        """A URL that stores the object once within an hour; ``headers`` are bound by their boto3 names."""
        return self._signed("put_object", {"Bucket": target.bucket, "Key": target.key, **headers})

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        self._pool.clear()

    def _signed(self, operation: str, params: dict[str, Any]) -> str:
        return self._client.generate_presigned_url(operation, Params=params, ExpiresIn=URL_SECONDS)

    def _fetch(self, source: Reference, write: Callable[[bytes], object], limit: int, etag: str | None) -> str:
        pinned = {"If-Match": etag} if etag else {}
        answer = self._pool.request("GET", self.signed_get(source), headers=pinned, preload_content=False)
        try:
            _check(answer, limit)
            for chunk in answer.stream(CHUNK):
                write(chunk)
        except BaseException:
            answer.close()  # what is left of the body is not read, so the connection cannot serve again
            raise
        answer.release_conn()
        return answer.headers.get("ETag", "")

    def _put(self, target: Reference, path: Path, content_type: str) -> None:
        url = self.signed_put(target, {"ContentType": content_type})
        _check(self._pool.request("PUT", url, body=path.read_bytes(), headers={"Content-Type": content_type}))

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            _explain(error)
        except (BotoCoreError, HTTPError, ConnectionError, TimeoutError) as error:
            raise Fault("STORAGE_UNAVAILABLE", f"the object storage failed: {type(error).__name__}") from error


def _client(settings: Settings, threads: int) -> "S3Client":
    import boto3  # noqa: PLC0415  (a second of import that only some programs need)
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
    return boto3.client("s3", region_name=settings.aws_region, endpoint_url=settings.s3_endpoint_url, config=config)


def _check(answer: urllib3.BaseHTTPResponse, limit: int | None = None) -> None:
    size = int(answer.headers.get("Content-Length", 0))
    if answer.status == HTTPStatus.NOT_FOUND:
        raise _missing()
    if answer.status == HTTPStatus.PRECONDITION_FAILED:
        raise Rejected("HASH_MISMATCH", "the object was replaced while it was processed; send it again")
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise Fault("STORAGE_UNAVAILABLE", f"the object storage answered {answer.status}")
    if limit is not None and size > limit:
        raise Rejected("FILE_TOO_LARGE", f"the file has {size:,} bytes; the limit is {limit:,}")


def _explain(error: ClientError) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _GONE:
        raise _missing() from error
    raise Fault("STORAGE_UNAVAILABLE", f"the object storage answered {code}") from error


def _missing() -> Rejected:
    return Rejected("SOURCE_MISSING", "there is no such object in the storage; was the upload finished?")

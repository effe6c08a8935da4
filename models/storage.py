"""S3: fetching, storing, copying and signing; boto3 blocks, so every call that travels runs in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

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
_CHANGED: Final = frozenset({"412", "PreconditionFailed"})


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

        def put() -> None:
            self._client.put_object(
                Bucket=target.bucket, Key=target.key, Body=path.read_bytes(), ContentType=content_type
            )

        await self._run(put)

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

    def _signed(self, operation: str, params: dict[str, Any]) -> str:
        return self._client.generate_presigned_url(operation, Params=params, ExpiresIn=URL_SECONDS)

    def _fetch(self, source: Reference, write: Callable[[bytes], object], limit: int, etag: str | None) -> str:
        pinned: dict[str, Any] = {"IfMatch": etag} if etag else {}
        answer = self._client.get_object(Bucket=source.bucket, Key=source.key, **pinned)
        body = answer["Body"]
        try:
            if answer["ContentLength"] > limit:
                raise Rejected("FILE_TOO_LARGE", _too_large(answer["ContentLength"], limit))
            for chunk in iter(lambda: body.read(CHUNK), b""):
                write(chunk)
        finally:
            body.close()
        return answer["ETag"]

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


def _explain(error: ClientError) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _GONE:
        raise Rejected("SOURCE_MISSING", "there is no such object in the storage; was the upload finished?") from error
    if code in _CHANGED:
        raise Rejected("HASH_MISMATCH", "the object was replaced while it was processed; send it again") from error
    raise Fault("STORAGE_UNAVAILABLE", f"the object storage answered {code}") from error


def _too_large(size: int, limit: int) -> str:
    return f"the file has {size:,} bytes; the limit is {limit:,}"

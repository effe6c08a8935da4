"""The S3 server: the buckets, what the programs may do in them, what browsers may, and its clock."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from models.settings import Settings
from ops.doctor.finding import Finding, sentence

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

AREA: Final = "storage"
SKEW_SECONDS: Final = 300  # the server refuses what is signed 15 minutes off
RIGHTS: Final = "the key needs the right to get, put, delete and list objects, and to abort uploads, in both buckets"


def check(settings: Settings) -> Iterator[Finding]:
    """Both buckets, with an object of a few bytes that is put, read and taken away."""
    client = _client(settings)
    for bucket in (settings.s3_primary_bucket, settings.s3_thumbnail_bucket):
        try:
            yield from _bucket(client, bucket)
        except (BotoCoreError, ClientError) as error:
            yield Finding(AREA, "wrong", f"{bucket}: {sentence(error)}", _mend(error))
            return
    yield _browsers(client, settings)


def _client(settings: Settings) -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",  # not every S3 server knows the newer ones
    )
    session = boto3.Session(region_name=settings.aws_region)
    return session.client("s3", endpoint_url=settings.s3_endpoint_url, config=config)


def _bucket(client: "S3Client", bucket: str) -> Iterator[Finding]:
    found = client.head_bucket(Bucket=bucket)
    yield from _clock(found["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
    key = f"doctor/{uuid4()}"
    client.put_object(Bucket=bucket, Key=key, Body=b"probe")
    try:
        client.get_object(Bucket=bucket, Key=key)["Body"].read()
        client.list_objects_v2(Bucket=bucket, Prefix=key)
        client.list_multipart_uploads(Bucket=bucket)
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    yield Finding(AREA, "good", f"{bucket} can be written, read and listed")


def _clock(date: str) -> Iterator[Finding]:
    try:
        skew = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return
    if skew > SKEW_SECONDS:
        mend = "let both machines take their time from NTP: signatures are good for 15 minutes"
        yield Finding(AREA, "wrong", f"the clocks of the server and of this machine differ by {skew:.0f} s", mend)


def _mend(error: Exception) -> str:
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if code in ("404", "NoSuchBucket"):
        return "make the bucket: python -m ops.stack.buckets"
    return RIGHTS if code else "check S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def _browsers(client: "S3Client", settings: Settings) -> Finding:
    """Whether a page of an allowed origin may upload, asked as a browser asks."""
    origin = settings.allowed_origins.split(",")[0].strip()
    origin = "https://studio.example" if origin == "*" else origin
    if origin in _allowed(client, settings, origin):
        return Finding(AREA, "good", f"browsers may upload from {origin}")
    mend = f"give {settings.s3_primary_bucket} a CORS rule: PUT and GET from ALLOWED_ORIGINS, all headers, ETag exposed"
    return Finding(AREA, "warning", f"browsers may not upload from {origin}", mend)


def _allowed(client: "S3Client", settings: Settings, origin: str) -> tuple[Any, ...]:
    import httpx2

    endpoint = (settings.s3_public_endpoint_url or client.meta.endpoint_url).rstrip("/")
    asks = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    try:
        answer = httpx2.options(f"{endpoint}/{settings.s3_primary_bucket}/doctor/probe", headers=asks, timeout=10)
    except httpx2.HTTPError:
        return ()
    said = answer.headers.get("access-control-allow-origin")
    return (origin,) if said in (origin, "*") else ()

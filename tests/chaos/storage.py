"""What S3 may answer, and what somebody with its keys may do."""

import re
from typing import Any, Final

import boto3

from tests.chaos.proxy import answering
from tests.chaos.world import World

FETCH: Final = re.compile(rb"GET /episodes-media/")
PUT: Final = re.compile(rb"PUT /episodes-thumbnails/")
STORE: Final = re.compile(rb"PUT /episodes-thumbnails/content/")
COPY: Final = re.compile(rb"PUT /episodes-thumbnails/clips/")
PICTURES: Final = 3  # of each content, and as many copies
FORBIDDEN: Final = re.compile(rb"HTTP/1\.1 403 ")
ANY: Final = re.compile(rb"(?s).")
LARGE: Final = 1_000_000  # bytes: a download of several pieces


def says(status: str, code: str) -> bytes:
    """An answer of S3."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Please try again.</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


ERROR: Final = answering(says("500 Internal Server Error", "InternalError"))
SLOW: Final = answering(says("503 Slow Down", "SlowDown"))


def flip(data: bytes) -> bytes:
    """One bit of the last byte, where a body is."""
    return data[:-1] + bytes([data[-1] ^ 1])


def put(world: World, reference: str, data: bytes) -> None:
    """Another object in the place of one, as somebody with the keys can."""
    bucket, _, key = reference.removeprefix("s3://").partition("/")
    _client(world).put_object(Bucket=bucket, Key=key, Body=data)


def pictures(world: World, prefix: str) -> list[str]:
    """The keys of the pictures that begin so."""
    found = _client(world).list_objects_v2(Bucket=world.stack.environ["S3_THUMBNAIL_BUCKET"], Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


def _client(world: World) -> Any:
    environ = world.stack.environ
    return boto3.client(
        "s3",
        endpoint_url=environ["S3_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )

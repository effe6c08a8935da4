"""What S3 may answer, and what somebody with its keys may do."""

import re
from typing import Final

from tests import work
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
    work.storage(world.stack.environ).put_object(Bucket=bucket, Key=key, Body=data)


def pictures(world: World, prefix: str) -> list[str]:
    """The keys of the pictures that begin so."""
    found = work.storage(world.stack.environ).list_objects_v2(
        Bucket=world.stack.environ["S3_THUMBNAIL_BUCKET"], Prefix=prefix
    )
    return [one["Key"] for one in found.get("Contents", ())]

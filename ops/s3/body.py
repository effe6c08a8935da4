"""The body of an upload to the embedded S3 server, checked while it passes."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from nanio.errors import BadDigest
from starlette.types import Message, Receive

HEX_SHA256: Final = 64  # characters
PART: Final = 512 * 1024  # bytes


class Digest(Protocol):
    """A running checksum."""

    def update(self, data: bytes, /) -> None:
        """Take in more of the body."""

    def digest(self) -> bytes:
        """The checksum of what was taken in."""


class Crc32:
    """CRC-32 with the methods of hashlib's objects."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in more of the body."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """The four bytes, most significant first."""
        return self._value.to_bytes(4, "big")


CHECKSUMS: Final[Mapping[str, Callable[[], Digest]]] = {
    "content-md5": lambda: hashlib.md5(usedforsecurity=False),
    "x-amz-checksum-crc32": Crc32,
    "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "x-amz-checksum-sha256": hashlib.sha256,
}


class Body:
    """Stands for ``receive``: passes the body on, and at its end, just before the object appears, checks.

    The end is a message of its own, after the last bytes: when the check runs, everything is written, and nothing
    else happens until the object is in its place. An exception from there leaves no object.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], before_commit: Callable[[], None]) -> None:
        self._receive = receive
        self._before_commit = before_commit
        self._expected = _declared(headers)
        self._ended = False

    async def __call__(self) -> Message:
        """The next part of the body: small parts are joined, since each costs the disk a turn."""
        if self._ended:
            self._check()
            return {"type": "http.request", "body": b"", "more_body": False}
        parts = bytearray()
        while not self._ended and len(parts) < PART:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            parts += message.get("body", b"")
            self._ended = not message.get("more_body", False)
        data = bytes(parts)
        for running, _ in self._expected:
            running.update(data)
        return {"type": "http.request", "body": data, "more_body": True}

    def _check(self) -> None:
        if any(running.digest() != declared for running, declared in self._expected):
            raise BadDigest("The checksum you specified did not match what we received.")
        self._before_commit()


def _declared(headers: Mapping[str, str]) -> list[tuple[Digest, bytes]]:
    declared = [(make(), _decoded(headers[name])) for name, make in CHECKSUMS.items() if name in headers]
    payload = headers.get("x-amz-content-sha256", "")
    if len(payload) == HEX_SHA256:
        declared.append((hashlib.sha256(), bytes.fromhex(payload)))
    return declared


def _decoded(checksum: str) -> bytes:
    try:
        return base64.b64decode(checksum, validate=True)
    except ValueError:
        raise BadDigest("The checksum you specified is not base64.") from None

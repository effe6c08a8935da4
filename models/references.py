"""References to stored objects: ``s3://bucket/key``."""

import re
from typing import Final, NamedTuple

from models.errors import Invalid

_SHAPE: Final = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Reference(NamedTuple):
    """A bucket and a key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse(text: str, *, field: str = "source_reference") -> Reference:
    """The bucket and key of a reference.

    Raises:
        Invalid: naming ``field``.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None or any(part in ("", ".", "..") for part in shape["key"].split("/")):
        raise Invalid("a reference looks like s3://bucket/key", field=field)
    return Reference(shape["bucket"], shape["key"])


def safe_name(file_name: str) -> str:
    """A file name reduced to [A-Za-z0-9._-], its ending kept, at most 200 characters."""
    return _UNSAFE.sub("-", file_name.rsplit("/", 1)[-1]).strip("-.")[-200:] or "file"

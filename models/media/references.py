"""References to stored objects: ``s3://bucket/key``."""

import re
from typing import Final, NamedTuple, get_args

from models.errors import Invalid
from models.media.types import EntityType

LONGEST_NAME: Final = 200
LONGEST_ENDING: Final = 20
_SHAPE: Final = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)")
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_TYPES: Final = "|".join(get_args(EntityType))
_ID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PICTURE: Final = r"(primary|medium|small)\.jpg"
# The keys that this application gives: to uploads, and to all that it stores. Whatever else there is, is not its own.
UPLOADED: Final = re.compile(rf"({_TYPES})/{_ID}-[A-Za-z0-9._-]{{1,200}}")
OURS: Final = re.compile(
    rf"{UPLOADED.pattern}|({_TYPES})s/{_ID}/{_PICTURE}|content/[0-9a-f]{{2}}/[0-9a-f]{{64}}/{_PICTURE}"
)


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
    if _UNSEEN.search(text):
        raise Invalid("a reference holds no control characters", field=field)
    return Reference(shape["bucket"], shape["key"])


def safe_name(file_name: str) -> str:
    """A file name reduced to [A-Za-z0-9._-], its ending kept, at most 200 characters."""
    name = file_name.rsplit("/", 1)[-1]
    stem, dot, ending = name.rpartition(".") if "." in name.strip(".") else (name, "", "")
    end = _reduced(ending)[:LONGEST_ENDING]
    rest = _reduced(stem)[-(LONGEST_NAME - len(dot + end)) :].lstrip("-.") or "file"
    return f"{rest}{dot}{end}" if end else rest


def _reduced(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.")

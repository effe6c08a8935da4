"""What a worker and its decoder say to each other: one JSON line each, a task one way and its result the other.

Messages and nothing else. Whoever holds our secrets speaks to a decoder without loading a codec.
"""

from typing import Literal

from msgspec import Struct

from models.entities import MediaKind
from models.errors import ErrorCode
from models.kernel import Walls
from models.media.types import Media
from models.settings import Cage

SizeVariant = Literal["primary", "medium", "small"]


class Limits(Struct, frozen=True, kw_only=True):
    """What a decoder may use: bytes of address space, CPU seconds a task, bytes a file, a cell; whose child it is.

    It is not a line but the last argument of the decoder's command.
    """

    memory_bytes: int
    cpu_seconds: int
    picture_seconds: int  # CPU for a task on a picture
    file_bytes: int
    parent: int
    cell: str
    cage: Cage


class Ready(Struct, frozen=True, kw_only=True):
    """The first line of a decoder: tasks may come."""

    walls: Walls


class Inspect(Struct, frozen=True, kw_only=True, tag=True):
    """Look inside a file."""

    path: str
    name: str


class Render(Struct, frozen=True, kw_only=True, tag=True):
    """Write a file's thumbnails into a folder."""

    source: str
    folder: str
    kind: MediaKind


class RenderedThumbnail(Struct, frozen=True, kw_only=True):
    """One JPEG on disk: its size in pixels and in bytes."""

    size_variant: SizeVariant
    path: str
    width: int
    height: int
    file_size: int


class Done(Struct, frozen=True, kw_only=True, tag=True):
    """What came out."""

    media: Media | None = None
    thumbnails: list[RenderedThumbnail] = []


class Refused(Struct, frozen=True, kw_only=True, tag=True):
    """The input's fault."""

    code: ErrorCode
    message: str


class DecodeFailure(Struct, frozen=True, kw_only=True, tag=True):
    """Our fault; ``trace`` is for our log."""

    code: ErrorCode
    message: str
    trace: str


DecodeTask = Inspect | Render
DecodeResult = Done | Refused | DecodeFailure

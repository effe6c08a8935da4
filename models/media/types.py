"""Media: the types of file of each kind, and what a look inside one tells."""

from typing import Final

import msgspec

from models.entities import MediaKind

IMAGE_TYPES: Final = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif", "image/bmp"}
)
VIDEO_TYPES: Final = frozenset({"video/mp4", "video/quicktime", "video/x-matroska", "video/webm", "video/x-msvideo"})
AUDIO_TYPES: Final = frozenset(
    {"audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/ogg", "audio/webm", "audio/x-matroska"}
)
DOCUMENT_TYPES: Final = frozenset({"application/pdf", "text/plain"})


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What a look inside a file tells: MIME type, and size, length and codec where it has them."""

    mime_type: str
    kind: MediaKind
    width: int | None = None  # pixels, upright
    height: int | None = None  # pixels, upright
    duration_seconds: float | None = None
    frame_rate: float | None = None  # frames per second
    codec: str | None = None


def kind_of(mime_type: str) -> MediaKind | None:
    """The kind of a MIME type we take, or None."""
    kinds: tuple[tuple[MediaKind, frozenset[str]], ...] = (
        ("image", IMAGE_TYPES),
        ("video", VIDEO_TYPES),
        ("audio", AUDIO_TYPES),
        ("document", DOCUMENT_TYPES),
    )
    return next((kind for kind, types in kinds if mime_type in types), None)

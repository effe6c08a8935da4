"""Media: which kinds of file each entity takes, how large they may be, and what a look inside one tells."""

from typing import Final, Literal

import msgspec

MB: Final = 1024 * 1024
MediaKind = Literal["image", "video", "audio", "document"]
EntityType = Literal["episode", "clip", "outfit", "ui_element", "background", "component", "guest"]
Role = Literal["primary", "thumbnail", "trailer", "script"]

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


def accepted(entity_type: EntityType, role: Role = "primary") -> frozenset[MediaKind]:
    """The kinds of file that an entity takes in a role."""
    if entity_type == "episode":
        return {
            "trailer": frozenset[MediaKind]({"video"}),
            "script": frozenset[MediaKind]({"document"}),
        }.get(role, frozenset[MediaKind]({"image"}))
    if entity_type in ("clip", "component"):
        return frozenset({"image", "video", "audio"})
    if entity_type == "background":
        return frozenset({"image", "video"})
    return frozenset({"image"})


def size_limit(kind: MediaKind, entity_type: EntityType) -> int:
    """The largest file of a kind that an entity takes, in bytes."""
    if kind == "image":
        return 5 * MB if entity_type == "ui_element" else 10 * MB
    if kind == "video":
        return 500 * MB if entity_type == "episode" else 5 * 1024 * MB
    return 100 * MB if kind == "audio" else 50 * MB

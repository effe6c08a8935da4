"""The three thumbnails of a file, whatever its kind."""

from pathlib import Path

from models.entities import MediaKind
from pipeline.media.audio import audio_thumbnails
from pipeline.media.file_types import head_of, media_type
from pipeline.media.protocol import RenderedThumbnail
from pipeline.media.thumbnails import thumbnails
from pipeline.media.video import video_thumbnails


def render(source: Path, folder: Path, kind: MediaKind) -> list[RenderedThumbnail]:
    """Write the thumbnails of a file: of a picture itself, a clip's poster, a sound's cover or waveform.

    A document has none: the list is empty.

    Raises:
        Rejected: CORRUPT_FILE, or FILE_TOO_LARGE over 120 megapixels.
    """
    if kind == "image":
        return thumbnails(source, folder)
    if kind == "video":
        return video_thumbnails(source, folder, _media_type(source))
    return audio_thumbnails(source, folder, _media_type(source)) if kind == "audio" else []


def _media_type(source: Path) -> str:
    with source.open("rb") as file:
        return media_type(head_of(file)) or ""

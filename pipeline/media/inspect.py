"""A look inside a file: what it is, how large, how long — or why we do not take it."""

from pathlib import Path, PurePath
from typing import Final

from models.errors import Rejected
from models.media.types import Media, MediaKind, kind_of
from models.media.wording import EVERY, WORDS, taken, unknown
from pipeline.media.audio import probe_audio
from pipeline.media.containers import broken_off
from pipeline.media.decode_errors import decoding
from pipeline.media.documents import probe_document
from pipeline.media.file_types import head_of, media_type
from pipeline.media.image_formats.jpeg import MAX_SCANS, too_many_scans
from pipeline.media.image_formats.tiff import raw_type
from pipeline.media.images import open_image, upright_size
from pipeline.media.streams.demuxer import SOUND, open_container, picture_tracks
from pipeline.media.video import probe

# What a name promises. Only a text file is held to it: as a picture it is a mix-up, as a script it is welcome.
MEDIA_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".bmp", ".heic", ".pdf"}
    | {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mp3", ".m4a", ".wav", ".flac", ".ogg"}
)


def inspect(path: Path, *, name: str = "") -> Media:
    """What a file holds, by its bytes; ``name`` only helps to tell a mix-up. Pictures are not decoded yet.

    Raises:
        Rejected: EMPTY_FILE, UNSUPPORTED_MEDIA_TYPE, CORRUPT_FILE, or FILE_TOO_LARGE over 120 megapixels.
        Fault: INTERNAL, when the file is not there or the machine is in trouble.
    """
    mime_type, kind = _recognise(_head(path), name)
    if mime_type == "image/tiff":
        _refuse_raw(path)
    if broken_off(path, mime_type):
        raise Rejected("CORRUPT_FILE", f"The {WORDS[kind]} is incomplete: it breaks off before its end.")
    return _probe(path, mime_type, kind)


def _head(path: Path) -> bytes:
    with decoding("file"), path.open("rb") as file:
        head = head_of(file)
    if not head:
        raise Rejected("EMPTY_FILE", "The file is empty: it has 0 bytes.")
    return head


def _recognise(head: bytes, name: str) -> tuple[str, MediaKind]:
    mime_type = media_type(head)
    kind = kind_of(mime_type) if mime_type else None
    if mime_type is None or kind is None:
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", unknown(mime_type))
    if mime_type == "text/plain":
        _refuse_mix_up(name)
    return mime_type, kind


def _refuse_raw(path: Path) -> None:
    """A camera's raw file that looks like a TIFF: what a TIFF's readers find in it is a small preview."""
    with decoding("picture"), path.open("rb") as file:
        raw = raw_type(file)
    if raw:
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", unknown(raw))


def _refuse_mix_up(name: str) -> None:
    suffix = PurePath(name).suffix.lower()
    if suffix in MEDIA_SUFFIXES:
        message = f"The file is called {suffix} but looks like a text file. We take {taken(EVERY)}. Save it anew."
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", message)


def _probe(path: Path, mime_type: str, kind: MediaKind) -> Media:
    if kind == "image":
        return _probe_image(path, mime_type)
    if kind == "video":
        return _probe_video(path, mime_type)
    return probe_audio(path, mime_type) if kind == "audio" else probe_document(path, mime_type)


def _probe_image(path: Path, mime_type: str) -> Media:
    if mime_type == "image/jpeg" and too_many_scans(path):
        message = f"The picture is damaged: it is drawn in more than {MAX_SCANS} passes, as no camera or program does."
        raise Rejected("CORRUPT_FILE", message)
    with open_image(path) as image:
        width, height = upright_size(image)
    if not width or not height:
        raise Rejected("CORRUPT_FILE", "The picture is damaged: it has no width or no height.")
    codec = mime_type.removeprefix("image/")
    return Media(mime_type=mime_type, kind="image", width=width, height=height, codec=codec)


def _probe_video(path: Path, mime_type: str) -> Media:
    """A clip; a film that holds nothing but sound is sound."""
    if mime_type in SOUND:
        with open_container(path, mime_type) as container:
            sound_only = container.streams.audio and not picture_tracks(container)
        if sound_only:
            return probe_audio(path, SOUND[mime_type])
    return probe(path, mime_type)

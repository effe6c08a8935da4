"""Opening films and sound: one demuxer for one kind of file, and no decoder before its codec is known and taken."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import av
import av.logging
from av.container import InputContainer

from models.errors import Rejected
from pipeline.media.decode_errors import decoding

# MIME type → demuxer.
FORMATS: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "matroska",
    "video/webm": "webm",
    "video/x-msvideo": "avi",
    "audio/mpeg": "mp3",
    "audio/mp4": "mp4",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
    "audio/x-matroska": "matroska",
}
# A film that turns out to hold nothing but sound → what it is then.
SOUND: Final = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/x-matroska": "audio/x-matroska",
    "video/webm": "audio/webm",
}
# A file may name others to be opened in its place; only the file itself ever is. A look at its streams decodes nothing.
OPTIONS: Final = {"protocol_whitelist": "file", "enable_drefs": "0", "codec_whitelist": "none"}
ENDLESS: Final = {"ignore_length": "1"}  # such a sound lasts to the end of its file

# What cameras, phones, editors and archives write. All other decoders of the library are never opened.
CODECS: Final = frozenset(
    """
    h264 hevc av1 vp8 vp9 mpeg4 mpeg2video mpeg1video h263 msmpeg4v2 msmpeg4v3 flv1 vp6f theora
    wmv1 wmv2 wmv3 vc1 mjpeg prores prores_raw dnxhd cfhd dvvideo jpeg2000 rawvideo v210 r210 qtrle png
    huffyuv ffvhuff ffv1 utvideo magicyuv hap
    aac aac_latm mp3 mp2 mp1 opus vorbis flac alac ac3 eac3 dts truehd speex amr_nb amr_wb s302m
    wmav1 wmav2 wmapro wmalossless wmavoice adpcm_ms adpcm_ima_wav adpcm_ima_qt gsm gsm_ms
    pcm_u8 pcm_s8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_s64le pcm_f32le pcm_f32be
    pcm_f64le pcm_f64be pcm_alaw pcm_mulaw pcm_bluray pcm_dvd
    """.split()  # noqa: SIM905 - a table of words reads better than a hundred quotes
)
HEAD: Final = 65536  # bytes in which Matroska names its codecs

AnyStream = TypeVar("AnyStream", av.VideoStream, av.AudioStream)


@contextmanager
def open_container(path: Path, mime_type: str) -> Iterator[InputContainer]:
    """Open a file by the demuxer of its type and no other, so that it cannot choose a stranger one.

    Raises:
        Rejected: CORRUPT_FILE, where it cannot be opened; what the caller then does with it is the caller's.
    """
    name = FORMATS.get(mime_type, "mp4")
    with decoding("sound file" if mime_type.startswith("audio/") else "video"), path.open("rb"):  # is it there?
        options = OPTIONS | ENDLESS if name == "wav" and _ends_nowhere(path) else dict(OPTIONS)
        container = av.open(str(path.absolute()), format=name, options=options, metadata_errors="replace")
    with container:
        yield container


def _ends_nowhere(path: Path) -> bool:
    """Whether a WAV of the long kind does not know how long it is."""
    with path.open("rb") as file:
        head = file.read(36)
    return head.startswith(b"RF64") and head[12:16] == b"ds64" and not any(head[28:36])


def picture_tracks(container: InputContainer) -> list[av.VideoStream]:
    """The moving pictures of a file: cover art is none."""
    return [stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic]


def first_taken(container: InputContainer, tracks: Sequence[AnyStream]) -> AnyStream:
    """The first of some tracks whose codec we take.

    Raises:
        Rejected: UNSUPPORTED_MEDIA_TYPE, naming the codec, when there is none.
    """
    for track in tracks:
        if is_taken(track):
            track.codec_context.thread_count = 1  # as many decoders run as there are cores
            return track
    raise unsupported(container, tracks[0])


def is_taken(track: av.VideoStream | av.AudioStream) -> bool:
    """Whether the library knows a track's codec, and we take it."""
    return _decoder_of(track) in CODECS


def _decoder_of(track: av.VideoStream | av.AudioStream) -> str | None:
    context: Any = track.codec_context  # None, where the library knows no decoder
    return context.codec.canonical_name if context is not None else None


def unsupported(container: InputContainer, track: av.VideoStream | av.AudioStream) -> Rejected:
    """A refusal that names the codec."""
    what = "picture" if track.type == "video" else "sound"
    name = _codec_name(container, track)
    return Rejected(
        "UNSUPPORTED_MEDIA_TYPE",
        f"The file's {what} is written by a codec that we do not take ({name}). "
        "Among those that we take are H.264, HEVC and ProRes, AAC and PCM.",
    )


def _codec_name(container: InputContainer, track: av.VideoStream | av.AudioStream) -> str:
    """What the library calls it; where it has no name for it, what the file does."""
    if name := _decoder_of(track):
        return name
    told = re.search(
        rf"Stream #0:{track.index}\b.*?: (?:Video|Audio): (\w+)(?: \((.+?) / (\w+)\))?", _described(container)
    )
    if told is None or told[1] != "none":
        return told[1] if told else "unknown"
    if told[2]:
        return told[3] if "[" in told[2] else told[2]  # a number, where the tag is no word
    return _matroska_name(Path(container.name)) or "unknown"


def _matroska_name(path: Path) -> str | None:
    with path.open("rb") as file:
        named = re.search(rb"[VA]_[A-Z0-9_/]{2,24}", file.read(HEAD))
    return named[0].decode() if named else None


def _described(container: InputContainer) -> str:
    """FFmpeg's own description of a file, which it only gives to who listens."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        return str(cast("Any", container).dumps_format())  # its stub forgets it
    finally:
        av.logging.set_level(before)

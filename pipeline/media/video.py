"""Clips: what they are, and the picture that stands for them."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Final, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation
from PIL import Image

from models.errors import Rejected
from models.media.formats import TO_WAV
from models.media.types import Media
from pipeline.media.colour.tone_mapping import Colours, colours_of, matrix_of, shown
from pipeline.media.image_formats.orientation import SIDEWAYS
from pipeline.media.images import MAX_PIXELS
from pipeline.media.poster_search import SECONDS, best_frame, image_of
from pipeline.media.protocol import RenderedThumbnail
from pipeline.media.streams.demuxer import first_taken, open_container, picture_tracks
from pipeline.media.streams.durations import frame_rate_of, seconds_of
from pipeline.media.streams.frames import Budget, frame_alone, frames_of
from pipeline.media.thumbnails import PRIMARY, write_thumbnails

LONGEST_PIXEL: Final = 4.0  # a pixel aspect ratio beyond this is a mistake
HAIR: Final = 1e-6  # by which a product of fractions may miss a whole number
SCALING: Final = Interpolation.BICUBIC
EXACT: Final = SCALING | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT  # HDR leaves no room for rounding

Transpose = Image.Transpose
# The signs of a display matrix (a, b, c, d) → what turns a frame upright.
UPRIGHT: Final = {
    (0, 1, -1, 0): Transpose.ROTATE_270,
    (-1, 0, 0, -1): Transpose.ROTATE_180,
    (0, -1, 1, 0): Transpose.ROTATE_90,
    (-1, 0, 0, 1): Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Transpose.TRANSPOSE,
    (0, -1, -1, 0): Transpose.TRANSVERSE,
}


def probe(path: Path, mime_type: str = "video/mp4") -> Media:
    """Upright width and height, seconds, frames a second and codec of a clip; decodes one frame.

    Raises:
        Rejected: CORRUPT_FILE, when no frame can be decoded; UNSUPPORTED_MEDIA_TYPE, when we do not take the codec.
    """
    with open_video(path, mime_type) as (container, stream):
        frame = frame_alone(container, stream) or _first(path, mime_type)
        size = (frame.width, frame.height)
        width, height = size[::-1] if _turn(frame) in SIDEWAYS else size
        return Media(
            mime_type=mime_type,
            kind="video",
            width=width,
            height=height,
            duration_seconds=seconds_of(path, mime_type, container, stream),
            frame_rate=frame_rate_of(path, mime_type, stream),
            codec=stream.codec_context.codec.canonical_name,
        )


def poster(path: Path, mime_type: str = "video/mp4") -> Image.Image:
    """The frame that stands for a clip: upright, in sRGB, with square pixels, no larger than thumbnails need it.

    Raises:
        Rejected: CORRUPT_FILE, when no frame can be decoded; UNSUPPORTED_MEDIA_TYPE, when we do not take the codec.
    """
    with open_video(path, mime_type) as (container, stream):
        frame = best_frame(container, stream)
        size = _shown_size(frame, stream)
        colours, way = colours_of(frame), _turn(frame)
        image = _scaled(frame, size, colours)
    image = shown(image, colours)
    return image if way is None else image.transpose(way)


def video_thumbnails(source: Path, folder: Path, mime_type: str = "video/mp4") -> list[RenderedThumbnail]:
    """Write the three sizes of a clip's poster; errors as `poster`."""
    return write_thumbnails(poster(source, mime_type), folder)


@contextmanager
def open_video(path: Path, mime_type: str) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open a clip and its picture track, to be decoded on one thread."""
    with open_container(path, mime_type) as container:
        yield container, _picture_track(container)


def _picture_track(container: InputContainer) -> av.VideoStream:
    tracks = picture_tracks(container)
    if not tracks and container.streams.audio:
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", f"The video holds sound, but no pictures. {TO_WAV}")
    if not tracks:
        raise Rejected("CORRUPT_FILE", "The video has no picture track that we can read.")
    stream = first_taken(container, tracks)
    if stream.width * stream.height > MAX_PIXELS:
        raise Rejected("FILE_TOO_LARGE", "The video's frames are larger than any that we take.")
    return stream


def _first(path: Path, mime_type: str) -> av.VideoFrame:
    """The first frame that can be decoded, be it not that of the first packet."""
    with open_video(path, mime_type) as (container, stream):
        budget = Budget(SECONDS, pixels=MAX_PIXELS * 10)
        frame = next(frames_of(container, stream, budget), None)
    if frame is None:
        raise Rejected("CORRUPT_FILE", "The video is damaged or incomplete: no picture in it can be decoded.")
    return frame


def _shown_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    """A frame's size with square pixels, or as much of it as covers the largest thumbnail."""
    ratio = float(stream.sample_aspect_ratio or 1)
    ratio = ratio if 1 / LONGEST_PIXEL <= ratio <= LONGEST_PIXEL else 1
    width, height = frame.width * ratio, frame.height
    want = PRIMARY[::-1] if _turn(frame) in SIDEWAYS else PRIMARY
    scale = min(1.0, max(want[0] / width, want[1] / height))
    return max(1, ceil(width * scale - HAIR)), max(1, ceil(height * scale - HAIR))


def _scaled(frame: av.VideoFrame, size: tuple[int, int], colours: Colours) -> Image.Image:
    matrix = matrix_of(frame)
    kernel = SCALING if colours.usual else EXACT
    rgb = frame.reformat(*size, "rgb24", src_colorspace=matrix, dst_colorspace=matrix, interpolation=kernel, threads=1)
    return image_of(rgb, "RGB")


def _turn(frame: av.VideoFrame) -> Image.Transpose | None:
    """How a frame must be turned to stand upright: cameras write a matrix, not turned pixels."""
    try:
        data = bytes(cast("SideDataContainer", frame.side_data)["DISPLAYMATRIX"])
    except KeyError:
        return None
    a, b, _, c, d = struct.unpack("=9i", data)[:5]
    return UPRIGHT.get((_sign(a), _sign(b), _sign(c), _sign(d)))


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)

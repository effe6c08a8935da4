"""Clips: what they are, and the frame that stands for them."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from models.errors import Rejected
from models.media import Media
from pipeline.decoding import decoding
from pipeline.images import MAX_PIXELS
from pipeline.orientation import SIDEWAYS
from pipeline.posters import Look, look_at
from pipeline.thumbnails import Thumbnail, write_thumbnails

FORMATS: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "matroska",
    "video/webm": "webm",
    "video/x-msvideo": "avi",
}
# A file may name others to be opened in its place; only the file itself ever is.
OPTIONS: Final = {"protocol_whitelist": "file", "enable_drefs": "0"}

LEAD_SECONDS: Final = 12.0  # searched frame by frame for a poster
LEAD_PIXELS: Final = 600_000_000  # decoded at most in that search: 290 frames of 1080p
STOPS: Final = 12  # places over the whole clip that are tried after that
MAX_DAMAGED: Final = 50  # packets in a row that cannot be decoded before we give up
UNSPECIFIED: Final = 2  # colour matrix not told
HD_LINES: Final = 720  # from here on, such a clip means BT.709
LONGEST_PIXEL: Final = 4.0  # a pixel aspect ratio beyond this is a mistake

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
        Rejected: CORRUPT_FILE, when no frame can be decoded.
    """
    with open_video(path, mime_type) as (container, stream):
        frame = _first(container, stream)
        size = (frame.width, frame.height)
        width, height = size[::-1] if _turn(frame) in SIDEWAYS else size
        return Media(
            mime_type=mime_type,
            kind="video",
            width=width,
            height=height,
            duration_seconds=seconds_of(container, stream),
            frame_rate=_frame_rate(stream),
            codec=stream.codec_context.codec.canonical_name,
        )


def poster(path: Path, mime_type: str = "video/mp4") -> Image.Image:
    """The first frame, upright and with square pixels, that is neither black nor flat nor blurred.

    The first seconds are searched frame by frame, then some places over the whole clip. When no frame passes, the
    best one seen is taken. Only two frames are held at any time.

    Raises:
        Rejected: CORRUPT_FILE, when no frame can be decoded.
    """
    with open_video(path, mime_type) as (container, stream):
        return _picture(_best(_candidates(container, stream)), stream)


def video_thumbnails(source: Path, folder: Path, mime_type: str = "video/mp4") -> list[Thumbnail]:
    """Write the three sizes of a clip's poster; errors as `poster`."""
    return write_thumbnails(poster(source, mime_type), folder)


@contextmanager
def open_video(path: Path, mime_type: str) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open a clip and its picture track, to be decoded on one thread."""
    with open_container(path, FORMATS.get(mime_type, "mp4"), "video") as container:
        stream = _picture_track(container)
        stream.thread_count = 1  # as many decoders run as there are cores
        yield container, stream


@contextmanager
def open_container(path: Path, name: str, what: str) -> Iterator[InputContainer]:
    """Open a file as one container format and no other, so that it cannot choose a stranger one.

    Raises:
        Rejected: CORRUPT_FILE, when the ``what`` cannot be opened; what the caller does with it is its own.
    """
    with decoding(what), path.open("rb"):  # not there is our fault, and only this tells
        container = av.open(str(path.absolute()), format=name, options=dict(OPTIONS), metadata_errors="replace")
    with container:
        yield container


def seconds_of(container: InputContainer, stream: av.VideoStream | av.AudioStream) -> float | None:
    """Length in seconds, or None when the file does not say, as a live recording."""
    if container.duration:
        return round(container.duration / av.time_base, 3)
    if stream.duration and stream.time_base:
        return round(float(stream.duration * stream.time_base), 3)
    return None


def picture_tracks(container: InputContainer) -> list[av.VideoStream]:
    """The moving pictures of a file: cover art is none."""
    return [stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic]


def _picture_track(container: InputContainer) -> av.VideoStream:
    tracks = picture_tracks(container)
    if not tracks:
        raise Rejected("CORRUPT_FILE", "The video has no picture track that we can read.")
    if tracks[0].width * tracks[0].height > MAX_PIXELS:
        raise Rejected("FILE_TOO_LARGE", "The video's frames are larger than any that we take.")
    return tracks[0]


def _frames(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Frames from here on; a few broken packets are skipped, as a player would."""
    damaged = 0
    with decoding("video"):  # what is done with a frame is done outside it
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    damaged = 0
                    if isinstance(frame, av.VideoFrame):
                        yield frame
            except av.FFmpegError:
                damaged += 1
                if damaged > MAX_DAMAGED:
                    return


def _first(container: InputContainer, stream: av.VideoStream) -> av.VideoFrame:
    frame = next(_frames(container, stream), None)
    if frame is None:
        raise Rejected("CORRUPT_FILE", "The video is damaged or incomplete: no picture in it can be decoded.")
    return frame


def _candidates(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    pixels, start = 0, None
    for frame in _frames(container, stream):
        yield frame
        start = frame.time if start is None else start
        pixels += frame.width * frame.height
        if pixels > LEAD_PIXELS or (frame.time or 0.0) - (start or 0.0) > LEAD_SECONDS:
            break
    yield from _stops(container, stream)


def _stops(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """One key frame at each of some places over the clip."""
    length = container.duration or 0
    for place in range(1, STOPS + 1):
        try:
            container.seek(length * place // (STOPS + 1) + max(0, container.start_time or 0))
        except av.FFmpegError:
            return
        yield from islice(_frames(container, stream), 1)


def _best(frames: Iterator[av.VideoFrame]) -> av.VideoFrame:
    grey = VideoReformatter()  # keeps its tables from frame to frame
    best: tuple[Look, av.VideoFrame] | None = None
    for frame in frames:
        look = look_at(_grey(grey, frame))
        if look.good:
            return frame
        if best is None or look.score > best[0].score:
            best = (look, frame)
    if best is None:
        raise Rejected("CORRUPT_FILE", "The video is damaged or incomplete: no picture in it can be decoded.")
    return best[1]


def _grey(reformatter: VideoReformatter, frame: av.VideoFrame) -> Image.Image:
    width = min(640, frame.width)
    height = max(1, round(frame.height * width / frame.width))
    return _image(reformatter.reformat(frame, width, height, "gray", interpolation="AREA"), "L")


def _picture(frame: av.VideoFrame, stream: av.VideoStream) -> Image.Image:
    rgb = frame.reformat(format="rgb24", src_colorspace=_colour_matrix(frame), interpolation="BICUBIC")
    image = _square_pixels(_image(rgb, "RGB"), stream)
    way = _turn(frame)
    return image if way is None else image.transpose(way)


def _colour_matrix(frame: av.VideoFrame) -> int:
    if frame.colorspace != UNSPECIFIED:
        return frame.colorspace
    return Colorspace.ITU709 if min(frame.width, frame.height) >= HD_LINES else Colorspace.ITU601


def _image(frame: av.VideoFrame, mode: str) -> Image.Image:
    plane = frame.planes[0]
    return Image.frombytes(mode, (frame.width, frame.height), bytes(plane), "raw", mode, plane.line_size)


def _square_pixels(image: Image.Image, stream: av.VideoStream) -> Image.Image:
    ratio = float(stream.sample_aspect_ratio or 1)
    if ratio == 1 or not 1 / LONGEST_PIXEL <= ratio <= LONGEST_PIXEL:
        return image
    return image.resize((max(1, round(image.width * ratio)), image.height), Image.Resampling.BICUBIC)


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


def _frame_rate(stream: av.VideoStream) -> float | None:
    rate = stream.average_rate or stream.guessed_rate
    return round(float(rate), 3) if rate else None

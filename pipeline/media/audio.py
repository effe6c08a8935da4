"""Sound: what it is, and a picture of it — its cover, or else its waveform."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import av
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from PIL import Image, ImageDraw

from models.errors import Rejected
from models.media.types import Media
from pipeline.media.protocol import RenderedThumbnail
from pipeline.media.streams.demuxer import first_taken, is_taken, open_container
from pipeline.media.streams.durations import seconds_of
from pipeline.media.streams.frames import sounds_of
from pipeline.media.thumbnails import PRIMARY, write_thumbnails

RATE: Final = 8000  # samples a second are plenty for a drawing
SLICE: Final = 400  # samples whose loudest stands for them: a twentieth of a second
LONGEST: Final = 20 * 60 * 20  # slices that are drawn: the first 20 minutes
BARS: Final = 160
PAPER: Final = (32, 33, 38)
INK: Final = (214, 178, 128)


def probe_audio(path: Path, mime_type: str) -> Media:
    """Seconds and codec of a sound file; decodes a moment of it.

    Raises:
        Rejected: CORRUPT_FILE, when no sound can be decoded; UNSUPPORTED_MEDIA_TYPE, when we do not take the codec.
    """
    with _open(path, mime_type) as container:
        stream = _sound_track(container)
        if next(sounds_of(container, stream), None) is None:
            raise _silent()
        codec = stream.codec_context.codec.canonical_name
        seconds = seconds_of(path, mime_type, container, stream)
        return Media(mime_type=mime_type, kind="audio", duration_seconds=seconds, codec=codec)


def audio_thumbnails(source: Path, folder: Path, mime_type: str) -> list[RenderedThumbnail]:
    """Write the three sizes of a sound's cover picture or, without one, of its drawn waveform.

    Raises:
        Rejected: CORRUPT_FILE, when no sound can be decoded.
    """
    with _open(source, mime_type) as container:
        cover = _cover_art(container)
    return write_thumbnails(cover or waveform(source, mime_type), folder)


def waveform(path: Path, mime_type: str) -> Image.Image:
    """Draw the loudness of the first 20 minutes; errors as `probe_audio`."""
    with _open(path, mime_type) as container:
        peaks = list(islice(_loudness(container), LONGEST))
    if not peaks:
        raise _silent()
    return _draw(peaks)


@contextmanager
def _open(path: Path, mime_type: str) -> Iterator[InputContainer]:
    with open_container(path, mime_type) as container:
        yield container


def _sound_track(container: InputContainer) -> av.AudioStream:
    if not container.streams.audio:
        raise _silent()
    return first_taken(container, container.streams.audio)


def _silent() -> Rejected:
    return Rejected("CORRUPT_FILE", "The sound file is damaged or incomplete: no sound in it can be decoded.")


def _loudness(container: InputContainer) -> Iterator[int]:
    """The loudest sample of each slice, 0–32767; the last one may be shorter, and of a mere click it is 0."""
    for _, alike in groupby(sounds_of(container, _sound_track(container)), _shape):
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=SLICE)
        for frame in alike:
            yield from map(_loudest, _resampled(resampler, frame))
        yield max(map(_loudest, resampler.resample(None)), default=0)


def _shape(frame: av.AudioFrame) -> tuple[str, str, int]:
    """A resampler takes frames of one shape, and a file may change it midway."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resampled(resampler: AudioResampler, frame: av.AudioFrame) -> list[av.AudioFrame]:
    try:
        return resampler.resample(frame)
    except av.FFmpegError as error:  # more channels than there are names for
        message = (
            f"The sound has {frame.layout.nb_channels} channels, which we cannot mix. Save it in stereo, and send that."
        )
        raise Rejected("UNSUPPORTED_MEDIA_TYPE", message) from error


def _loudest(part: av.AudioFrame) -> int:
    samples = memoryview(bytes(part.planes[0])).cast("h")[: part.samples]
    return min(32767, max((*samples, -min(samples))))


def _cover_art(container: InputContainer) -> Image.Image | None:
    """The embedded cover; one that is broken does not spoil the sound."""
    covers = [stream for stream in container.streams.video if is_taken(stream)]
    try:
        frame = next(iter(container.decode(covers[0])), None) if covers else None
    except av.FFmpegError:
        return None
    if frame is None:
        return None
    plane = frame.reformat(format="rgb24").planes[0]
    return Image.frombytes("RGB", (frame.width, frame.height), bytes(plane), "raw", "RGB", plane.line_size)


def _draw(peaks: list[int]) -> Image.Image:
    image = Image.new("RGB", PRIMARY, PAPER)
    draw, (width, height) = ImageDraw.Draw(image), PRIMARY
    loudest, step = max(*peaks, 1), width / BARS
    for bar in range(BARS):
        first = bar * len(peaks) // BARS
        part = peaks[first : max(first + 1, (bar + 1) * len(peaks) // BARS)]
        reach = max(2.0, height * 0.38 * max(part) / loudest)
        left = bar * step + step * 0.2
        draw.rounded_rectangle((left, height / 2 - reach, left + step * 0.6, height / 2 + reach), 2, fill=INK)
    return image

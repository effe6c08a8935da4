"""How long a film or a sound is, and its frames a second: told by its packets where its header does not know."""

from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any, Final

import av
import av.logging
import msgspec
from av.container import InputContainer

from pipeline.media.streams.demuxer import FORMATS, open_container
from pipeline.media.streams.frames import packets_of

# What their headers tell is so, if they tell it; where that of a WAV does not, its bit rate does, which never varies.
EXACT: Final = frozenset({"mp4", "mov", "matroska", "webm", "ogg", "wav"})
# What their headers claim, and nothing but the packets proves.
CLAIMED: Final = frozenset({"matroska", "webm", "flac"})
SAME_LENGTH: Final = 0.1  # share by which the last packet may end elsewhere than the header says
MOMENT: Final = 1.0  # second that a last picture may stand, of which no packet tells
ESTIMATE: Final = "Estimating duration"  # FFmpeg's warning that the bit rate of the beginning stands for the whole
WALK_SECONDS: Final = 5.0  # of processor time: packets are only counted, which goes at a gigabyte a second
SAMPLE_PACKETS: Final = 3000  # that tell a frame rate
SAMPLE_BYTES: Final = 64 * 1024 * 1024
SAME_RATE: Final = 0.03  # share by which a measured frame rate may differ from the one told


class Walk(msgspec.Struct):
    """What packets told: how many, from when to when, and whether all were seen. Times are in the track's own unit."""

    packets: int = 0
    start: int | None = None
    end: int = 0
    whole: bool = False

    def add(self, packet: "av.Packet[Any]") -> None:
        """Count one more."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            return
        self.packets += 1
        self.start = at if self.start is None else min(self.start, at)
        self.end = max(self.end, at + (packet.duration or 0))

    def seconds(self, stream: av.VideoStream | av.AudioStream) -> float | None:
        """How long it went."""
        if self.start is None or not stream.time_base or self.end <= self.start:
            return None
        return float((self.end - self.start) * stream.time_base)


def seconds_of(
    path: Path, mime_type: str, container: InputContainer, stream: av.VideoStream | av.AudioStream
) -> float | None:
    """Length in seconds, rounded to milliseconds; None when nothing tells it within reasonable time."""
    seconds = container.duration / av.time_base if container.duration else None
    if FORMATS.get(mime_type) == "avi":
        seconds = _indexed_seconds(stream)
    elif FORMATS.get(mime_type) not in EXACT and _is_estimate(path, mime_type):
        seconds = None
    if seconds is not None and FORMATS.get(mime_type) in CLAIMED:
        seconds = _proven_seconds(path, mime_type, seconds)
    if seconds is None:
        seconds = _walked_seconds(path, mime_type, stream.index)
    return None if seconds is None else round(seconds, 3)


def frame_rate_of(path: Path, mime_type: str, stream: av.VideoStream) -> float | None:
    """Frames a second: the mean, where they come at their own times."""
    rate = stream.average_rate or stream.guessed_rate
    told = float(rate) if rate else None
    if FORMATS.get(mime_type) in (
        "matroska",
        "webm",
    ):  # they tell the rate of the first frames, or of the camera's menu
        told = _sampled_rate(path, mime_type, stream.index, told)
    return round(told, 3) if told else None


def _is_estimate(path: Path, mime_type: str) -> bool:
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as said, open_container(path, mime_type):
            return any(ESTIMATE in message for _, _, message in said)
    finally:
        av.logging.set_level(before)


def _indexed_seconds(stream: av.VideoStream | av.AudioStream) -> float | None:
    """An AVI's header may say anything; its index says how many frames there are."""
    entries = stream.index_entries
    if len(entries) <= 1 or not stream.time_base or stream.type != "video":
        return None
    return float((entries[len(entries) - 1].timestamp + 1) * stream.time_base)


def _proven_seconds(path: Path, mime_type: str, claimed: float) -> float:
    """What a header claims, unless the last packets, looked up there, end at quite another time."""
    with open_container(path, mime_type) as container:
        end = _last_end(container)
        start = max(0, container.start_time or 0) / av.time_base
    if end is None or abs(end - start - claimed) <= max(MOMENT, SAME_LENGTH * claimed):
        return claimed
    return end - start


def _last_end(container: InputContainer) -> float | None:
    """When the last packet of all tracks ends; None when it is not found within reasonable time."""
    last, read, until = 0.0, 0, process_time() + WALK_SECONDS
    with suppress(av.FFmpegError):
        container.seek(container.duration or 0)
        for packet in container.demux():
            at = packet.pts if packet.pts is not None else packet.dts
            if at is not None and packet.time_base:
                last = max(last, float((at + (packet.duration or 0)) * packet.time_base))
            read += packet.size
            if read > SAMPLE_BYTES or process_time() > until:
                return None
    return last or None


def _walked_seconds(path: Path, mime_type: str, index: int) -> float | None:
    with open_container(path, mime_type) as container:
        stream = _track(container, index)
        walk = _walk(container, stream)
        return walk.seconds(stream) if walk.whole else None


def _sampled_rate(path: Path, mime_type: str, index: int, told: float | None) -> float | None:
    with open_container(path, mime_type) as container:
        stream = _track(container, index)
        walk = _walk(container, stream, SAMPLE_PACKETS, SAMPLE_BYTES)
        seconds = walk.seconds(stream)
    if not seconds:
        return told
    measured = walk.packets / seconds
    return told if told and abs(measured - told) <= SAME_RATE * told else measured


def _track(container: InputContainer, index: int) -> av.VideoStream | av.AudioStream:
    stream = container.streams[index]
    if not isinstance(stream, av.VideoStream | av.AudioStream):
        raise TypeError("a track has changed its kind")
    return stream


def _walk(
    container: InputContainer,
    stream: Any,
    most: int | None = None,
    most_bytes: int | None = None,
) -> Walk:
    walk, read, until = Walk(), 0, process_time() + WALK_SECONDS
    for packet in packets_of(container, stream):
        walk.add(packet)
        read += packet.size
        if (most and walk.packets >= most) or (most_bytes and read >= most_bytes) or process_time() > until:
            return walk
    walk.whole = True
    return walk

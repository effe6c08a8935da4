"""Frames of a film, one after the other or one alone; what each costs is counted."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from itertools import islice, takewhile
from time import process_time
from typing import Any, Final

import av
from av.container import InputContainer

from models.errors import Rejected
from pipeline.media.decode_errors import decoding
from pipeline.media.streams.demuxer import AnyStream, unsupported

MAX_DAMAGED: Final = 50  # packets in a row that cannot be decoded before we give up
BEYOND_US: Final = (av.error.PatchWelcomeError, av.error.NotImplementedError)
PACKET_PIXELS: Final = 50_000  # what a packet costs besides its pixels


class Budget:
    """So many pixels, and so much processor time; a packet costs its pixels whether a frame comes of it or not."""

    def __init__(self, seconds: float, *, pixels: int = 0) -> None:
        self._pixels = pixels
        self._until = process_time() + seconds

    def of(self, pixels: int) -> "Budget":
        """So many pixels of the same time."""
        return Budget(self._until - process_time(), pixels=pixels)

    def pay(self, stream: av.VideoStream) -> bool:
        """Pay for one packet; false when nothing is left for it."""
        self._pixels -= stream.width * stream.height + PACKET_PIXELS
        return self._pixels >= 0 and process_time() < self._until


def packets_of(container: InputContainer, stream: AnyStream) -> Iterator["av.Packet[AnyStream]"]:
    """The packets of a track from here on. Where the container breaks, or only rubbish follows, they end.

    Raises:
        Rejected: UNSUPPORTED_MEDIA_TYPE, when they are encrypted.
    """
    packets = container.demux(stream)
    with _reading(stream), suppress(av.FFmpegError):
        for number, packet in enumerate(packets):
            if number == 0 and packet.has_sidedata("encryption_info"):
                raise Rejected("UNSUPPORTED_MEDIA_TYPE", "The file is encrypted, so that nothing in it can be decoded.")
            yield packet


def frames_of(
    container: InputContainer, stream: av.VideoStream, budget: Budget, *, every: int = 1
) -> Iterator[av.VideoFrame]:
    """Frames from here on; a few broken packets are skipped, as a player would.

    Of a codec whose frames know nothing of each other, ``every`` such packet may be enough.

    Raises:
        Rejected: UNSUPPORTED_MEDIA_TYPE, when not one comes because the decoder cannot do what the codec can.
    """
    packets = islice(packets_of(container, stream), every - 1, None, every)
    for frame in _decoded(container, stream, takewhile(lambda _: budget.pay(stream), packets)):
        if isinstance(frame, av.VideoFrame):
            yield frame


def sounds_of(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """The same of sound."""
    for frame in _decoded(container, stream, packets_of(container, stream)):
        if isinstance(frame, av.AudioFrame):
            yield frame


def _decoded(
    container: InputContainer, stream: av.VideoStream | av.AudioStream, packets: "Iterator[av.Packet[Any]]"
) -> Iterator[object]:
    damaged, missing = 0, True
    with _reading(stream):  # what is done with a frame is done outside it
        for packet in packets:
            try:
                for frame in packet.decode():
                    damaged, missing = 0, False
                    yield frame
            except BEYOND_US as error:
                if missing:
                    raise unsupported(container, stream) from error
            except av.FFmpegError:
                damaged += 1
                if damaged > MAX_DAMAGED:
                    return


def _reading(stream: av.VideoStream | av.AudioStream) -> AbstractContextManager[None]:
    return decoding("video" if stream.type == "video" else "sound file")


def frame_alone(
    container: InputContainer, stream: av.VideoStream, seen: set[int | None] | None = None
) -> av.VideoFrame | None:
    """The frame of the next packet, without the packets that a decoder waits for to put frames in their order.

    What follows cannot be decoded before the next seek. A packet of a time in ``seen`` is not decoded again.
    """
    packet = next(packets_of(container, stream), None)
    if packet is None or (packet.pts is not None and seen is not None and packet.pts in seen):
        return None
    if seen is not None:
        seen.add(packet.pts)
    frames: list[av.VideoFrame] = []
    with _reading(stream), suppress(av.FFmpegError):
        frames = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
    stream.codec_context.flush_buffers()
    return next(iter(frames), None)

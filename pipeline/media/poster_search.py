"""The frame that stands for a clip: the best of some, few enough for a clip of hours and for one of 8K.

First the beginning, frame by frame, until one can be shown; from there on as long as they get better (a fade, a lens
that still looks for its focus); then a look at some places over the whole clip, of which one is taken when it is
clearly better. A first frame that leaves nothing to wish for ends the search. Two frames are held at any time.
"""

from itertools import islice
from typing import Final

import av
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from PIL import Image

from models.errors import Rejected
from pipeline.media.colour.tone_mapping import colours_of, matrix_of, shown_grey
from pipeline.media.posters import MOST_WORTH, Tones, look_at
from pipeline.media.streams.frames import Budget, frame_alone, frames_of

LEAD_SECONDS: Final = 12.0  # searched frame by frame for one that can be shown
LEAD_PIXELS: Final = 600_000_000  # decoded at most in that search: 290 frames of 1080p
CLIMB_PIXELS: Final = 300_000_000  # decoded at most while frames get better
STEP: Final = 5  # frames from one look to the next while they get better
BETTER: Final = 1.01  # by so much, or they do not
CLEARLY_BETTER: Final = 1.4  # what another place must be to stand before the beginning
PLACES: Final = 4  # looked at when the beginning has a frame that can be shown
STOPS: Final = 12  # when it has none
ALONE: Final = frozenset(
    {"prores", "prores_raw", "cfhd", "png"}
)  # codecs of single frames that FFmpeg does not call so
SECONDS: Final = 10.0  # of processor time, all in all
WIDTH: Final = 640  # of what is judged


class Best:
    """The best frame that was seen."""

    def __init__(self) -> None:
        self.frame: av.VideoFrame | None = None
        self.look = Tones(lights=0, contrast=0, edges=0)
        self._grey = VideoReformatter()  # keeps its tables from frame to frame

    def offer(self, frame: av.VideoFrame) -> bool:
        """Take a frame of the same scene: the first that can be shown, or one that is better."""
        look = look_at(_grey(self._grey, frame))
        return self._take(frame, look, better=look.score > self.look.score * BETTER)

    def offer_place(self, frame: av.VideoFrame) -> bool:
        """Take a frame of another place: the first that can be shown, or one that is clearly better."""
        look = look_at(_grey(self._grey, frame))
        return self._take(frame, look, better=look.worth > self.look.worth * CLEARLY_BETTER)

    def _take(self, frame: av.VideoFrame, look: Tones, *, better: bool) -> bool:
        taken = self.frame is None or (look.good, better) > (self.look.good, False)
        if taken:
            self.frame, self.look = frame, look
        return taken


def best_frame(container: InputContainer, stream: av.VideoStream) -> av.VideoFrame:
    """The frame of a clip that stands for it.

    Raises:
        Rejected: CORRUPT_FILE, when no frame can be decoded; UNSUPPORTED_MEDIA_TYPE, when it takes a better decoder.
    """
    best, budget = Best(), Budget(SECONDS)
    begins = _lead(container, stream, best, budget)
    _places(container, stream, best, budget, {begins})
    if best.frame is None:
        raise Rejected("CORRUPT_FILE", "The video is damaged or incomplete: no picture in it can be decoded.")
    return best.frame


def _lead(container: InputContainer, stream: av.VideoStream, best: Best, budget: Budget) -> int | None:
    """Search the beginning; the time stamp of the first frame."""
    begins: int | None = None
    start = 0.0
    for number, frame in enumerate(frames_of(container, stream, budget.of(LEAD_PIXELS))):
        if number == 0:
            begins, start = frame.pts, frame.time or 0.0
        best.offer(frame)
        if best.look.good:
            if number or not best.look.fine:
                _climb(container, stream, best, budget)
            break
        if (frame.time or 0.0) - start > LEAD_SECONDS:
            break
    return begins


def _stand_alone(stream: av.VideoStream) -> bool:
    """Whether each frame is decoded without the others, and slowly."""
    codec = stream.codec_context.codec
    return codec.intra_only or codec.canonical_name in ALONE


def _climb(container: InputContainer, stream: av.VideoStream, best: Best, budget: Budget) -> None:
    """Go on while frames get better."""
    alone = _stand_alone(stream)
    frames = frames_of(container, stream, budget.of(CLIMB_PIXELS), every=STEP if alone else 1)
    for frame in frames if alone else islice(frames, STEP - 1, None, STEP):
        if not best.offer(frame):
            return


def _places(
    container: InputContainer, stream: av.VideoStream, best: Best, budget: Budget, seen: set[int | None]
) -> None:
    """Look at one key frame at each of some places over the clip, those of ``seen`` excepted."""
    if best.look.good and best.look.worth * CLEARLY_BETTER >= MOST_WORTH:
        return
    places = PLACES if best.look.good else STOPS
    length, budget = container.duration or 0, budget.of(LEAD_PIXELS)
    for place in range(1, places + 1):
        if not budget.pay(stream):
            return
        try:
            container.seek(length * place // (places + 1) + max(0, container.start_time or 0))
        except av.FFmpegError:
            continue
        frame = frame_alone(container, stream, seen)
        if frame is not None:
            best.offer_place(frame)


def _grey(reformatter: VideoReformatter, frame: av.VideoFrame) -> Image.Image:
    width = min(WIDTH, frame.width)
    height = max(1, frame.height * width // frame.width)
    matrix = matrix_of(frame)
    grey = reformatter.reformat(
        frame, width, height, "gray", src_colorspace=matrix, dst_colorspace=matrix, interpolation="AREA", threads=1
    )
    return shown_grey(image_of(grey, "L"), colours_of(frame))


def image_of(frame: av.VideoFrame, mode: str) -> Image.Image:
    """A frame of one plane as a picture."""
    plane = frame.planes[0]
    return Image.frombytes(mode, (frame.width, frame.height), bytes(plane), "raw", mode, plane.line_size)

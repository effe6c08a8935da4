"""Clips whose colours are written as cameras write them, and films and sounds of strange lengths, made in code."""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, cast

import av
from PIL import Image, ImageDraw

from tests import media

BARS: Final[tuple[media.Colour, ...]] = (
    (200, 30, 30),
    (30, 160, 60),
    (40, 60, 200),
    (245, 245, 245),
    (12, 12, 12),
    (224, 172, 138),
    (250, 220, 40),
    (118, 130, 140),
)
SIZE: Final = (320, 180)
WHITE_NITS: Final = 203.0
BT709, BT2020, DCI_P3, DISPLAY_P3 = 1, 9, 11, 12
SRGB, BT2020_10, PQ, HLG = 13, 14, 16, 18
Matrix = tuple[tuple[float, float, float], ...]

# What sRGB's light is in other primaries.
INTO: Final[dict[int, Matrix]] = {
    BT709: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    BT2020: ((0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)),
    DISPLAY_P3: ((0.8225, 0.1775, 0), (0.0332, 0.9668, 0), (0.0171, 0.0724, 0.9105)),
    DCI_P3: ((0.8225, 0.1775, 0), (0.0332, 0.9668, 0), (0.0171, 0.0724, 0.9105)),
}
# The share of red and blue in grey.
GREY_OF: Final = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


class Writing(NamedTuple):
    """How colours are written: primaries, transfer, matrix, whether from 0 to 255, bits, and how bright white is."""

    primaries: int = BT709
    transfer: int = SRGB
    matrix: int = 1
    full: bool = False
    bits: int = 8
    white: float = WHITE_NITS


HLG_PHONE: Final = Writing(BT2020, HLG, 9, bits=10)
PQ_CAMERA: Final = Writing(BT2020, PQ, 9, bits=10)


def bars(image: Image.Image) -> list[media.Colour]:
    """The colours in the middle of the bars."""
    step = image.width / len(BARS)
    places = [(round((number + 0.5) * step), image.height // 2) for number in range(len(BARS))]
    return [cast("media.Colour", image.getpixel(place)) for place in places]


def shows_bars(image: Image.Image, by: int = 14) -> bool:
    """Whether a picture shows the bars in their colours."""
    return all(media.near(seen, meant, by) for seen, meant in zip(bars(image), BARS, strict=True))


def bar_picture(light: float = 1.0) -> Image.Image:
    """The bars, as light as they are or darker, and fine lines below."""
    image = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(BARS):
        draw.rectangle((number * 40, 0, number * 40 + 39, 179), fill=tuple(round(light * part) for part in colour))
    for x in range(0, 320, 8):
        draw.line((x, 150, x, 170), tuple([round(light * (250 - x * 3 // 4))] * 3), 2)
    return image


def write_bar_picture(path: Path, transfer: int) -> None:
    """The bars in HDR as one picture, PNG or AVIF, that tells so by numbers."""
    writing = Writing(BT2020, transfer, 9)
    picture = bar_picture()
    codes = {colour: [round(255 * code) for code in _codes(colour, writing)] for colour in set(_pixels(picture))}
    picture = Image.frombytes("RGB", SIZE, bytes(code for colour in _pixels(picture) for code in codes[colour]))
    if path.suffix == ".png":
        path.write_bytes(media.png_with(picture, b"cICP", bytes([BT2020, transfer, 0, 1])))
        return
    picture.save(path, quality=95)
    data = path.read_bytes()
    place = data.index(b"colrnclx") + 8
    path.write_bytes(data[:place] + struct.pack(">HH", BT2020, transfer) + data[place + 4 :])


def write_bars(
    path: Path, codec: str, writing: Writing, options: dict[str, str], told: tuple[int, int, int, int] | None = None
) -> Path:
    """A clip of the bars in some writing; it tells so, or what it is ``told`` to tell."""
    with av.open(path, "w") as container:
        stream = cast("av.VideoStream", container.add_stream(codec, 24, options=options))
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p" if writing.bits == 8 else "yuv420p10le"
        told = told or (writing.primaries, writing.transfer, writing.matrix, 2 if writing.full else 1)
        _tell(stream.codec_context, told)
        frame = _frame(writing)
        _tell(frame, told)
        for number in range(3):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _tell(what: Any, told: tuple[int, int, int, int]) -> None:
    what.color_primaries, what.color_trc, what.colorspace, what.color_range = told


def _frame(writing: Writing) -> av.VideoFrame:
    pixels = _pixels(bar_picture())
    frame = av.VideoFrame(*SIZE, "yuv420p" if writing.bits == 8 else "yuv420p10le")
    seen: dict[media.Colour, tuple[int, int, int]] = {}
    written = [seen.get(pixel) or seen.setdefault(pixel, _written(pixel, writing)) for pixel in pixels]
    luma, halved = [w[0] for w in written], [written[y * 320 + x] for y in range(0, 180, 2) for x in range(0, 320, 2)]
    for plane, values in zip(frame.planes, (luma, [w[1] for w in halved], [w[2] for w in halved]), strict=True):
        _fill(plane, values, writing.bits)
    return frame


def _pixels(image: Image.Image) -> list[media.Colour]:
    return [cast("media.Colour", image.getpixel((x, y))) for y in range(image.height) for x in range(image.width)]


def _fill(plane: Any, values: Sequence[int], bits: int) -> None:
    code, wide = ("<H", 2) if bits > 8 else ("B", 1)
    rows = [values[start : start + plane.width] for start in range(0, len(values), plane.width)]
    lines = [b"".join(struct.pack(code, value) for value in row).ljust(plane.line_size, b"\0") for row in rows]
    assert plane.line_size >= plane.width * wide
    plane.update(b"".join(lines))


def _written(colour: media.Colour, writing: Writing) -> tuple[int, int, int]:
    red, green, blue = _codes(colour, writing)
    of_red, of_blue = GREY_OF[writing.matrix]
    grey = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    cb, cr, step = (blue - grey) / (2 - 2 * of_blue), (red - grey) / (2 - 2 * of_red), 1 << (writing.bits - 8)
    if writing.full:
        most = (256 * step) - 1
        return round(grey * most), round(cb * most) + 128 * step, round(cr * most) + 128 * step
    return round((219 * grey + 16) * step), round((224 * cb + 128) * step), round((224 * cr + 128) * step)


def _codes(colour: media.Colour, writing: Writing) -> list[float]:
    there = [light(part / 255) for part in colour]
    shares = [sum(share * part for share, part in zip(row, there, strict=True)) for row in INTO[writing.primaries]]
    return [_code(max(0.0, part), writing) for part in shares]


def light(code: float) -> float:
    """The light of a code of sRGB, both 0 to 1."""
    return code / 12.92 if code <= 0.04045 else ((code + 0.055) / 1.055) ** 2.4


def _code(shine: float, writing: Writing) -> float:
    if writing.transfer == PQ:
        root = (shine * writing.white / 10_000) ** 0.1593017578125
        return float(((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375)
    if writing.transfer == HLG:
        scene = min(1.0, shine * writing.white / 1000) ** (1 / 1.2)
        return math.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073
    return shine * 12.92 if shine <= 0.0031308 else 1.055 * shine ** (1 / 2.4) - 0.055


# Below: lengths.


class Pipe:
    """Where nothing can be written twice, so that no length is ever known."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self.data += data
        return len(data)


def silence(target: Any, codec: str, seconds: float, *, format: str | None = None, sound: str = "s16") -> None:
    """Encode silence into a file, or into a pipe."""
    live = {"live": "1"} if format in ("webm", "matroska") else {}
    with av.open(target, "w", format=format, container_options=live) as container:
        stream = cast("av.AudioStream", container.add_stream(codec, 48000, layout="mono"))
        for number in range(round(seconds * 50)):
            frame = av.AudioFrame(sound, "mono", 960)
            frame.sample_rate, frame.pts = 48000, number * 960
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def live_clip(codec: str, format: str, frames: Sequence[Image.Image], **options: str) -> bytes:
    """A clip as it comes out of a pipe."""
    pipe = Pipe()
    live = {"live": "1"} if format in ("webm", "matroska") else {}
    with av.open(cast("Any", pipe), "w", format=format, container_options=live) as container:
        stream = cast("av.VideoStream", container.add_stream(codec, 24, options=options))
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)))
        container.mux(stream.encode(None))
    return bytes(pipe.data)


def uneven_clip(path: Path, codec: str, seed: int, **options: str) -> float:
    """A clip whose frames come as they like; the mean of frames a second."""
    rng, at = Random(seed), 0
    with av.open(path, "w") as container:
        stream = cast("av.VideoStream", container.add_stream(codec, 24, options=options))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image in media.moving(60):
            frame = av.VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
            at += rng.choice((33, 40, 66, 100, 120))
        container.mux(stream.encode(None))
    return 60_000 / at


def wav(
    samples: int = 22_050,
    *,
    riff: int | None = None,
    data: int | None = None,
    behind: bytes = b"",
    name: bytes = b"RIFF",
) -> bytes:
    """A WAV of half a second that says of its lengths what it is told to say."""
    sound = b"".join(struct.pack("<h", (number % 100 - 50) * 200) for number in range(samples))
    more = struct.pack("<4sIQQQI", b"ds64", 28, 0, len(sound), samples, 0) if name == b"RF64" else b""
    body = b"WAVE" + more + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 44100, 88200, 2, 16)
    body += b"data" + struct.pack("<I", len(sound) if data is None else data) + sound + behind
    return name + struct.pack("<I", len(body) if riff is None else riff) + body


def patched(data: bytes, at: int, *, big: bool, value: int) -> bytes:
    """A file with another number of 32 bits somewhere."""
    return data[:at] + value.to_bytes(4, "big" if big else "little") + data[at + 4 :]


def vbr_mp3(path: Path, quiet_first: bool) -> float:
    """An MP3 of varying bit rate that tells no length: noise and near silence. Its seconds."""
    rng = Random(media.SEED)
    noisy = [struct.pack("<1152h", *(rng.randint(-20_000, 20_000) for _ in range(1152)))]
    quiet = list(repeat(bytes(2304), 100))
    parts = quiet + noisy * 300 if quiet_first else noisy * 300 + quiet
    with av.open(path, "w", container_options={"write_xing": "0", "id3v2_version": "0"}) as container:
        options = {"flags": "+qscale", "global_quality": "236"}
        stream = container.add_stream("libmp3lame", 44100, options=options, layout="mono")
        for number, part in enumerate(parts):
            frame = av.AudioFrame("s16p", "mono", 1152)
            frame.sample_rate, frame.pts = 44100, number * 1152
            frame.planes[0].update(part.ljust(frame.planes[0].buffer_size, b"\0"))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return len(parts) * 1152 / 44100


def remuxed(source: Path, target: Path, **options: str) -> Path:
    """The same packets in another container."""
    with av.open(source) as read, av.open(target, "w", options=options) as written:
        stream = written.add_stream_from_template(read.streams[0])
        for packet in read.demux(read.streams[0]):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return target

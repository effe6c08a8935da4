"""Sample files and hostile files, all made in code."""

import io
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import av
from PIL import Image, ImageDraw, ImageFilter

SEED: Final = 20
Size = tuple[int, int]
Colour = tuple[int, int, int]
Maker = Callable[[], bytes]

RED, GREEN, BLUE, YELLOW = (220, 40, 40), (40, 180, 60), (40, 60, 200), (230, 210, 50)
BLACK, GREY = (0, 0, 0), (128, 128, 128)
CORNERS: Final[tuple[Colour, ...]] = (RED, GREEN, BLUE, YELLOW)  # top left, top right, bottom left, bottom right

# What undoes the turning that EXIF's orientation asks for.
LAID_DOWN: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(size: Size = (640, 360)) -> Image.Image:
    """Four coloured quarters and fine lines: which way is up can be told, and whether it is sharp."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size
    for number, colour in enumerate(CORNERS):
        left, top = number % 2 * width // 2, number // 2 * height // 2
        draw.rectangle((left, top, left + width // 2, top + height // 2), fill=colour)
    for x in range(width * 3 // 8, width * 5 // 8, 8):
        draw.line((x, height * 3 // 8, x, height * 5 // 8), (250, 250, 250), 2)
    return image


def corners(image: Image.Image) -> list[Colour]:
    """The colours in the middle of the four quarters."""
    width, height = image.size
    places = [(x, y) for y in (height // 6, height * 5 // 6) for x in (width // 6, width * 5 // 6)]
    return [cast("Colour", image.getpixel(place)) for place in places]


def near(first: Sequence[int], second: Sequence[int], by: int = 24) -> bool:
    """Whether two colours are alike but for what a JPEG loses."""
    return all(abs(a - b) <= by for a, b in zip(first, second, strict=True))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image in a format of Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(size: Size = (640, 360), *, orientation: int = 1, **options: Any) -> bytes:
    """A JPEG that stands upright once its orientation is obeyed; ``size`` is what a person sees."""
    image = scene(size)
    exif = Image.Exif()
    exif[0x0112] = orientation
    laid = image.transpose(LAID_DOWN[orientation]) if orientation in LAID_DOWN else image
    return encoded(laid, "JPEG", quality=92, exif=exif, **options)


def see_through(ink: Colour, size: Size = (640, 360)) -> bytes:
    """A PNG of one spot of ink on nothing."""
    image = Image.new("RGBA", size)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), fill=(*ink, 255))
    return encoded(image, "PNG")


def grey16(level: int = 32768, size: Size = (320, 180)) -> bytes:
    """A PNG of 16 bits, one level all over."""
    return encoded(Image.frombytes("I;16", size, struct.pack("<H", level) * (size[0] * size[1])), "PNG")


def animation(kind: str) -> bytes:
    """The scene first, then black."""
    frames = [scene().quantize(64) if kind == "GIF" else scene(), Image.new("RGB", (640, 360))]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


# name → file, each of 640×360 upright with its corners in their places.
PICTURES: Final[dict[str, Maker]] = {
    **{f"orientation-{number}.jpg": partial(jpeg, orientation=number) for number in range(1, 9)},
    "progressive.jpg": lambda: jpeg(progressive=True),
    "cmyk.jpg": lambda: encoded(scene().convert("CMYK"), "JPEG", quality=92),
    "phone.mpo.jpg": lambda: encoded(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (640, 360))]),
    "rgb.png": lambda: encoded(scene(), "PNG"),
    "palette.png": lambda: encoded(scene().quantize(64), "PNG"),
    "alpha.png": lambda: encoded(scene().convert("RGBA"), "PNG"),
    "sideways.png": lambda: encoded(scene().transpose(LAID_DOWN[6]), "PNG", exif=_turned(6)),
    "lossy.webp": lambda: encoded(scene(), "WEBP", quality=90),
    "lossless.webp": lambda: encoded(scene(), "WEBP", lossless=True),
    "animated.webp": lambda: animation("WEBP"),
    "animated.gif": lambda: animation("GIF"),
    "plain.tif": lambda: encoded(scene(), "TIFF"),
    "lzw.tif": lambda: encoded(scene(), "TIFF", compression="tiff_lzw"),
    "pages.tif": lambda: encoded(scene(), "TIFF", save_all=True, append_images=[Image.new("RGB", (64, 36))]),
    "sideways.tif": lambda: encoded(scene().transpose(LAID_DOWN[6]), "TIFF", tiffinfo={274: 6}),
    "still.avif": lambda: encoded(scene(), "AVIF", quality=90, speed=10),
    "sideways.avif": lambda: encoded(scene().transpose(LAID_DOWN[6]), "AVIF", speed=10, exif=_turned(6)),
    "plain.bmp": lambda: encoded(scene(), "BMP"),
}


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def profile(
    red: Sequence[float], green: Sequence[float], blue: Sequence[float], gamma: float, name: str = "test"
) -> bytes:
    """A colour profile of three colorants (XYZ under D50) and a gamma."""
    colorants = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    return _profile(b"RGB ", {**colorants, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))}, name)


def grey_profile(gamma: float) -> bytes:
    """A profile of grey pictures."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)}, "grey")


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"


def _profile(space: bytes, more: dict[bytes, bytes], title: str) -> bytes:
    words = title.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78)
    tags = {b"desc": described, b"wtpt": _xyz((0.9642, 1.0, 0.8249)), **more}
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    light = bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return (head + light).ljust(128, b"\0") + table + body


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(value * 65536) for value in values))


DISPLAY_P3: Final = profile((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407), 2.2)
SRGB_COLORANTS: Final = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
ADOBE_RGB: Final = profile((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.2)


def clip(
    path: Path,
    frames: Iterable[Image.Image],
    *,
    codec: str = "",
    turn: float = 0,
    mirrored: bool = False,
    aspect: tuple[int, int] = (1, 1),
    keyframes: int = 12,
) -> Path:
    """Encode frames at 24 a second; ``turn`` in degrees goes into the display matrix, as cameras do."""
    frames = list(frames)
    with av.open(path, "w") as container:
        stream = cast("av.VideoStream", container.add_stream(codec or _codec(path), 24, options=_fast(path)))
        stream.width, stream.height = frames[0].size
        stream.pix_fmt, stream.gop_size = "yuv420p", keyframes
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        if turn or mirrored:
            stream.set_display_rotation(turn, hflip=mirrored)
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)))
        container.mux(stream.encode(None))
    return path


def _codec(path: Path) -> str:
    return {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(path.suffix, "libx264")


def _fast(path: Path) -> dict[str, str]:
    return {
        ".webm": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
        ".avi": {"b": "4000000"},
    }.get(path.suffix, {"preset": "ultrafast", "crf": "18"})


def moving(count: int, size: Size = (320, 180)) -> list[Image.Image]:
    """The scene, a bright square crossing it."""
    frames = []
    for number in range(count):
        frame = scene(size)
        left = number * 3 % (size[0] - 20)
        ImageDraw.Draw(frame).rectangle((left, size[1] // 2, left + 12, size[1] // 2 + 12), fill=(255, 255, 255))
        frames.append(frame)
    return frames


def flat(count: int, colour: Colour = BLACK, size: Size = (320, 180)) -> list[Image.Image]:
    """Frames of one colour."""
    return [Image.new("RGB", size, colour)] * count


def blurred(count: int, size: Size = (320, 180)) -> list[Image.Image]:
    """The scene out of focus."""
    return [frame.filter(ImageFilter.GaussianBlur(size[0] / 50)) for frame in moving(count, size)]


def tone(path: Path, seconds: float = 1.0, *, cover: bytes | None = None) -> Path:
    """A sound that swells: WAV by hand, all else by PyAV; a cover picture where it is given."""
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
            file.writeframes(b"".join(_swell(number) for number in range(round(8000 * seconds))))
        return path
    tone(path.with_suffix(".wav"), seconds)
    codec = {".mp3": "libmp3lame", ".m4a": "aac", ".mp4": "aac", ".flac": "flac", ".ogg": "libopus"}[path.suffix]
    with av.open(path.with_suffix(".wav")) as source, av.open(path, "w") as target:
        stream = cast("av.AudioStream", target.add_stream(codec, 48000))
        picture = _cover_packet(target, cover) if cover else None
        for frame in source.decode(audio=0):
            for part in av.AudioResampler(stream.format, stream.layout, 48000).resample(frame):
                target.mux(stream.encode(part))
        target.mux(stream.encode(None))
        if picture:
            target.mux(picture)
    return path


def _swell(number: int) -> bytes:
    return struct.pack("<h", (number % 40 - 20) * min(1500, number // 4))


def _cover_packet(target: Any, cover: bytes) -> Any:
    stream = target.add_stream("mjpeg", 1)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    packet: Any = av.Packet(cover)
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    return packet


# Below: files that mean harm, or have come to it.


def cut(data: bytes, share: float = 0.6) -> bytes:
    """The first part of a file."""
    return data[: round(len(data) * share)]


def noise(magic: bytes, length: int = 20_000) -> bytes:
    """A known beginning, then nonsense."""
    return magic + Random(SEED).randbytes(length)


def png(*chunks: tuple[bytes, bytes], spoil: bytes = b"") -> bytes:
    """A PNG of chunks; the one named ``spoil`` gets a wrong checksum."""
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        checksum = zlib.crc32(name + body) ^ (name == spoil)
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
    return data


def png_with(image: Image.Image, *chunks: bytes) -> bytes:
    """A PNG of a picture, with chunks before its pixels: a name, what it holds, and so on."""
    target = io.BytesIO()
    image.save(target, "PNG")
    whole, after = target.getvalue(), 8 + 25  # the signature, and the header
    more = png(*zip(chunks[::2], chunks[1::2], strict=True))[8:]
    return whole[:after] + more + whole[after:]


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    """A PNG's first chunk."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def png_bomb(side: int = 20_000) -> bytes:
    """Hundreds of megapixels of one bit each, in some kilobytes."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    return png(header(side, side, depth=1, colour=0), (b"IDAT", rows), (b"IEND", b""))


def text_bomb() -> bytes:
    """A small PNG whose comment unpacks to 64 megabytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    pixels = (b"IDAT", zlib.compress(bytes(4)))
    return png(header(1, 1), (b"zTXt", b"Comment\0\0" + packed), pixels, (b"IEND", b""))


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF of one directory: (tag, type, count, value) each, and where the next directory is."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", following)


TINY_TIFF: Final = ((256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1))


def box(name: bytes, body: bytes = b"") -> bytes:
    """A box of an ISO media file."""
    return struct.pack(">I4s", 8 + len(body), name) + body


FTYP: Final = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")


def nested(name: bytes, depth: int) -> bytes:
    """Boxes in boxes."""
    sizes = range(8 * depth, 0, -8)
    return b"".join(struct.pack(">I4s", size, name) for size in sizes)


def huge_jpeg() -> bytes:
    """A JPEG that says it has 65,500 × 65,500 pixels."""
    data = bytearray(jpeg())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last pass comes so often."""
    data = jpeg(progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    whole = data.count(b"\xff\xda")
    return data[:-2] + last * (count - whole) + data[-2:]


def jpeg_frame(marker: int, *, bits: int = 8, colours: int = 3) -> bytes:
    """A JPEG up to the header of its picture, which is of a kind."""
    frame = struct.pack(">BHHB", bits, 64, 64, colours) + bytes((1, 0x11, 0)) * colours
    return b"\xff\xd8\xff" + bytes((marker,)) + struct.pack(">H", 2 + len(frame)) + frame + b"\xff\xd9"


def bmp(*, depth: int, packed: int = 0) -> bytes:
    """A BMP of 8×8 pixels of so many bits, packed in a way."""
    masks = struct.pack("<III", 0x0F00, 0x00F0, 0x000F)
    head = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, depth, packed, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 66) + head + masks + bytes(512)


def canvas_webp() -> bytes:
    """A WebP with a canvas of 16,384 × 16,384 and nothing on it."""
    body = b"WEBPVP8X" + struct.pack("<IB3x", 10, 2) + (16_383).to_bytes(3, "little") * 2
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zipped() -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("look.jpg", jpeg())
    return buffer.getvalue()


def truncated_clip(folder: Path, suffix: str) -> bytes:
    """The first part of a clip."""
    return cut(clip(folder / f"whole{suffix}", moving(24)).read_bytes())


def holed_clip(folder: Path) -> bytes:
    """A clip as long as it should be, whose pictures are nonsense."""
    data = clip(folder / "holed.mp4", moving(24)).read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    return data[:start] + Random(SEED).randbytes(end - start) + data[end:]


# name → file. Each must be refused, quickly, and nothing may die of it.
HOSTILE: Final[dict[str, Maker]] = {
    "empty.jpg": lambda: b"",
    "one-byte.jpg": lambda: b"\xff",
    "truncated.jpg": lambda: cut(jpeg()),
    "truncated-large.jpg": lambda: cut(jpeg((4000, 3000)), 0.9),
    "truncated-progressive.jpg": lambda: cut(jpeg(progressive=True)),
    "truncated.png": lambda: cut(encoded(scene(), "PNG")),
    "truncated.webp": lambda: cut(encoded(scene(), "WEBP")),
    "truncated.gif": lambda: cut(animation("GIF"), 0.2),
    "truncated.tif": lambda: cut(encoded(scene(), "TIFF")),
    "truncated-lzw.tif": lambda: cut(encoded(scene(), "TIFF", compression="tiff_lzw")),
    "truncated.avif": lambda: cut(encoded(scene(), "AVIF", speed=10)),
    "truncated.bmp": lambda: cut(encoded(scene(), "BMP")),
    "text.jpg": lambda: "Notes on the third look: velvet, café colours.\n".encode() * 20,
    "script.png": lambda: b"<html><script>alert(1)</script></html>",
    "drawing.svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "postscript.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(%pipe%id) (w) file\n",
    "polyglot.gif": lambda: b"GIF89a/*" + b"a" * 40 + b"*/=1;alert(document.domain)//",
    "archive.png": zipped,
    "program.mp4": lambda: noise(b"\x7fELF\x02\x01\x01" + bytes(9)),
    "nonsense.jpg": lambda: noise(b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    "nonsense.png": lambda: noise(b"\x89PNG\r\n\x1a\n"),
    "nonsense.gif": lambda: noise(b"GIF89a"),
    "nonsense.tif": lambda: noise(b"II*\0"),
    "nonsense.webp": lambda: noise(b"RIFF\x10\x4e\0\0WEBPVP8 "),
    "nonsense.avif": lambda: noise(box(b"ftyp", b"avif\0\0\0\0avifmif1")),
    "nonsense.bmp": lambda: noise(b"BM"),
    "nonsense.mp4": lambda: noise(FTYP),
    "nonsense.mkv": lambda: noise(b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska"),
    "nonsense.avi": lambda: noise(b"RIFF\x10\x4e\0\0AVI LIST"),
    "nonsense.mp3": lambda: noise(b"ID3\x03\0\0\0\0\0\0"),
    "nonsense.flac": lambda: noise(b"fLaC\0\0\0\x22"),
    "nonsense.ogg": lambda: noise(b"OggS\0\x02"),
    "bomb.png": png_bomb,
    "text-bomb.png": text_bomb,
    "no-width.png": lambda: png(header(0, 10), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")),
    "wrong-checksum.png": lambda: png(header(8, 8), (b"IDAT", zlib.compress(bytes(200))), spoil=b"IHDR"),
    "wrong-pixels.png": lambda: png(header(64, 64), (b"IDAT", b"\x78\x9c" + bytes(64)), (b"IEND", b"")),
    "no-pixels.png": lambda: png(header(64, 64), (b"IEND", b"")),
    "huge.jpg": huge_jpeg,
    "scans.jpg": lambda: scans(20_000),
    "huge-canvas.webp": canvas_webp,
    "huge.bmp": lambda: b"BM" + struct.pack("<IHHIIiiHH", 99, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24) + bytes(80),
    "no-size.gif": lambda: b"GIF89a" + bytes(7) + b",\0\0\0\0\0\0\0\0\0\x02\x01\x80\0;",
    "huge-tag.tif": lambda: tiff(*TINY_TIFF, (273, 4, 2**31, 8), (279, 4, 2**31, 8)),
    "strips-outside.tif": lambda: tiff(*TINY_TIFF, (273, 4, 1, 2**31), (279, 4, 1, 4096)),
    "directory-loop.tif": lambda: tiff((330, 4, 1, 8), following=8),
    "huge.tif": lambda: tiff((256, 4, 1, 2**31), (257, 4, 1, 2**31), *TINY_TIFF[2:], (273, 4, 1, 8), (279, 4, 1, 9)),
    "no-tracks.mp4": lambda: FTYP + box(b"moov", box(b"mvhd", bytes(100))) + box(b"mdat", bytes(64)),
    "nested.mp4": lambda: FTYP + nested(b"moov", 20_000),
    "huge-box.mp4": lambda: FTYP + struct.pack(">I4sQ", 1, b"moov", 2**62) + bytes(64),
    "no-sound.wav": lambda: b"RIFF" + struct.pack("<I", 4) + b"WAVE",
    "no-end.pdf": lambda: b"%PDF-1.7\n1 0 obj <<>> endobj\n",
    "phone.heic": lambda: noise(box(b"ftyp", b"heic\0\0\0\0mif1heic")),
    "photoshop.psd": lambda: noise(b"8BPS\0\1"),
}


def damaged(seed: int) -> dict[str, bytes]:
    """Every sample picture with some bytes changed, or a piece taken out."""
    rng = Random(seed)
    return {name: _damage(rng, bytearray(make())) for name, make in PICTURES.items()}


def _damage(rng: Random, data: bytearray) -> bytes:
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(4, len(data))] = rng.randrange(256)
    if rng.randrange(4) == 0:
        start = rng.randrange(4, len(data))
        del data[start : start + rng.randint(1, 400)]
    return bytes(data)

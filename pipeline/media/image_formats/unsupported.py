"""What a picture is that its format allows and our decoder does not read: no damage, and told by its name.

Asked only after a decoder has given up, so a picture that can be read costs nothing here.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from PIL import Image

from models.errors import Rejected
from pipeline.media.image_formats import jpeg, tiff
from pipeline.media.image_formats.tiff_samples import is_read

BMP_HEADERS: Final = frozenset({40, 52, 56, 64, 108, 124})
BMP_OF_OS2: Final = frozenset({12, 16})
BMP_DEPTHS: Final = frozenset({2, 64})
BMP_PACKED: Final = {4: "with a JPEG inside", 5: "with a PNG inside"}
BMP_MASKED: Final = frozenset({3, 6})
BMP_MASKED_DEPTHS: Final = frozenset({16, 32})
BMP_PALETTE: Final = 256

JPEG_FRAMES: Final = {
    0xC3: "lossless JPEG",
    0xC9: "JPEG with arithmetic coding",
    0xCA: "JPEG with arithmetic coding",
    0xCB: "lossless JPEG with arithmetic coding",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
}
JPEG_LS: Final = 0xF7

TIFF_READ: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 34925, 50000})
TIFF_COMPRESSIONS: Final = {
    6: "old-style JPEG",
    9: "JBIG",
    10: "JBIG",
    22610: "JPEG XR",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    48124: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
TIFF_COLOURS: Final = {4: "mask", 5: "CMYK", 8: "Lab", 9: "Lab", 10: "Lab", 32844: "LogL", 32845: "LogLuv"}
TIFF_NUMBERS: Final = {2: ", signed", 3: ", floating point", 5: ", complex", 6: ", complex"}
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, FORMAT = 256, 257, 258, 259, 262, 277, 339


def unreadable(path: Path) -> Rejected | None:
    """The refusal of a picture that our decoder cannot read though it may be sound; None where it is just broken."""
    with path.open("rb") as file:
        head = file.read(64).ljust(64, b"\0")
        variant = next((told(file, head) for start, told in BY_START if head.startswith(start)), None)
    if variant is None:
        return None
    message = f"The picture is a {variant}, which we cannot read. Save it as a usual JPEG, PNG or TIFF, and send that."
    return Rejected("UNSUPPORTED_MEDIA_TYPE", message)


def _jpeg(file: IO[bytes], _: bytes) -> str | None:
    with jpeg.mapped(file) as data:
        for marker, start in jpeg.segments(data):
            if marker in jpeg.FRAMES or marker == JPEG_LS:
                return _jpeg_frame(marker, bits=start[0], colours=start[5])
    return None


def _jpeg_frame(marker: int, *, bits: int, colours: int) -> str | None:
    if marker == JPEG_LS:
        return "JPEG-LS picture"
    if bits != 8 and 2 <= bits <= 16:  # noqa: PLR2004 - what the format allows
        return f"{JPEG_FRAMES.get(marker, 'JPEG')} with {bits} bits a colour"
    if colours in (2, *range(5, 16)):
        return f"JPEG with {colours} colours"
    return JPEG_FRAMES.get(marker)


def _png(_: IO[bytes], head: bytes) -> str | None:
    return "PNG as Apple's developer tools pack it for a phone" if head[12:16] == b"CgBI" else None


def _bmp(file: IO[bytes], head: bytes) -> str | None:
    with suppress(Exception), Image.open(file, formats=("BMP",)):
        return None  # what it cannot read, Pillow does not open
    header = int.from_bytes(head[14:18], "little")
    if header in BMP_OF_OS2:
        return "BMP of OS/2"
    return _bmp_pixels(head) if header in BMP_HEADERS else None


def _bmp_pixels(head: bytes) -> str | None:
    depth, packed, colours = *struct.unpack_from("<HI", head, 28), struct.unpack_from("<I", head, 46)[0]
    if packed in BMP_PACKED:
        return f"BMP {BMP_PACKED[packed]}"
    if depth in BMP_DEPTHS:
        return f"BMP with {depth} bits a pixel"
    if depth in BMP_MASKED_DEPTHS and packed in BMP_MASKED:
        return f"BMP with {depth} bits a pixel in an order of its own"
    return "BMP with more colours in its palette than it can use" if BMP_PALETTE < colours < 1 << 16 else None


def _tiff(file: IO[bytes], _: bytes) -> str | None:
    directory = tiff.main_directory(file)
    if directory is None or not directory.number(WIDTH) or not directory.number(HEIGHT):
        return None
    compression = directory.number(COMPRESSION, 1)
    if compression not in TIFF_READ:
        return f"TIFF with {TIFF_COMPRESSIONS.get(compression, 'an unusual')} compression"
    return None if is_read(directory) else _tiff_numbers(directory)


def _tiff_numbers(directory: tiff.Directory) -> str:
    bits = max(directory.numbers(BITS, 1))
    kind = TIFF_NUMBERS.get(max(directory.numbers(FORMAT, 1)), "")
    colours = TIFF_COLOURS.get(directory.number(PHOTOMETRIC), "")
    samples = f"{directory.number(SAMPLES, 1)} samples a pixel of {bits} bits{kind}"
    return f"{colours} TIFF with {samples}".lstrip()


BY_START: Final[tuple[tuple[bytes, Callable[[IO[bytes], bytes], str | None]], ...]] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG", _png),
    (b"BM", _bmp),
    *((start, _tiff) for start in tiff.STARTS),
)

"""TIFFs whose numbers Pillow does not know, or takes for others: floating point, 32 bits, alpha beside CMYK or 16 bits.

libtiff unpacks the bytes, as if the picture were a grey one that is so many times as wide; which of them make a colour
is told here. Of whole numbers no more than the upper 8 bits are kept.
"""

import struct
from array import array
from functools import cached_property
from itertools import accumulate
from typing import IO, Any, Final, Literal, cast

import msgspec
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from pipeline.media.image_formats.orientation import SIDEWAYS, UPRIGHT
from pipeline.media.image_formats.tiff import Directory, main_directory, read_at

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS, STRIP_LENGTHS, PLANAR, PREDICTOR = 273, 274, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS, EXTRA, FORMAT, PROFILE = 322, 323, 324, 325, 338, 339, 34675
LONG: Final = 4  # the type of all that is written here

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
WHITE_IS_ZERO, SEPARATE = 0, 2
BY_BYTES: Final = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})  # compressions that know nothing of pictures
COLOURS: Final = {0: "L", 1: "L", 2: "RGB", 5: "CMYK"}
# Single numbers as Pillow calls them, by format, bytes and order: they are spread over black to white later.
RAW: Final = {
    (UNSIGNED, 4, "<"): ("F", "F;32"),
    (UNSIGNED, 4, ">"): ("F", "F;32B"),
    (SIGNED, 2, "<"): ("I", "I;16S"),
    (SIGNED, 2, ">"): ("I", "I;16BS"),
    (SIGNED, 4, "<"): ("I", "I;32S"),
    (SIGNED, 4, ">"): ("I", "I;32BS"),
    (FLOAT, 4, "<"): ("F", "F;32F"),
    (FLOAT, 4, ">"): ("F", "F;32BF"),
    (FLOAT, 8, "<"): ("F", "F;64F"),
    (FLOAT, 8, ">"): ("F", "F;64BF"),
}
Code = Literal["B", "H", "I", "Q"]  # of `array` and `memoryview`
CODES: Final[dict[int, Code]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
# What differs from pixel to pixel instead of standing for itself.
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
PREMULTIPLIED, ALPHA = 1, 2
MOST_SAMPLES: Final = 8


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers of a picture lie in its file."""

    width: int
    height: int
    samples: int
    bits: frozenset[int]
    format: int
    photometric: int
    separate: bool
    tile: int  # pixels a tile is wide; 0 where there are only strips
    predictor: int
    extra: int
    compression: int

    @property
    def bytes(self) -> int:
        """Of one number."""
        return max(self.bits) // 8

    @property
    def together(self) -> int:
        """How many numbers lie side by side for a pixel."""
        return 1 if self.separate else self.samples

    @property
    def across(self) -> int:
        """Pixels of a row as it is stored: the last tile is stored whole."""
        return -(-self.width // self.tile) * self.tile if self.tile else self.width

    @property
    def mode(self) -> str:
        """What comes out of it."""
        colours = COLOURS[self.photometric]
        return RAW.get((self.format, self.bytes, "<"), (colours,))[0] if self.samples == 1 else colours


def layout_of(directory: Directory) -> Layout:
    """The numbers' layout by the tags."""
    number = directory.number
    return Layout(
        width=number(WIDTH),
        height=number(HEIGHT),
        samples=number(SAMPLES, 1),
        bits=frozenset(directory.numbers(BITS, 1)),
        format=max(directory.numbers(FORMAT, UNSIGNED)),
        photometric=number(PHOTOMETRIC),
        separate=number(PLANAR, 1) == SEPARATE and number(SAMPLES, 1) > 1,
        tile=number(TILE_WIDTH),
        predictor=number(PREDICTOR, 1),
        extra=number(EXTRA),
        compression=number(COMPRESSION, 1),
    )


def is_for_us(directory: Directory) -> bool:
    """Whether this reader can read a picture that Pillow cannot, or reads as another one."""
    if directory.number(FILL_ORDER, 1) != 1:
        return False
    layout = layout_of(directory)
    return _readable(layout) and (_misread(layout) or not _known(directory, layout))


def is_read(directory: Directory) -> bool:
    """Whether the numbers are such that this reader or Pillow's can make a picture of them."""
    return is_for_us(directory) or _known(directory, layout_of(directory))


def _readable(layout: Layout) -> bool:
    if layout.photometric not in COLOURS or layout.compression not in BY_BYTES or layout.predictor not in (1, 2, 3):
        return False
    if len(layout.bits) != 1 or not layout.bits <= {8, 16, 32, 64} or min(layout.width, layout.height) <= 0:
        return False
    return len(COLOURS[layout.photometric]) <= layout.samples <= MOST_SAMPLES and _numbers_known(layout)


def _numbers_known(layout: Layout) -> bool:
    if layout.format == FLOAT:
        return layout.bytes > 1
    return layout.bytes <= 4 and (layout.format == UNSIGNED or layout.mode == "I")  # noqa: PLR2004 - 32 bits


def _misread(layout: Layout) -> bool:
    """What Pillow opens and shows wrongly."""
    if layout.format != UNSIGNED or layout.bytes > 2:  # noqa: PLR2004 - 16 bits
        return True
    planes = layout.separate and (layout.bytes > 1 or layout.photometric < 2)  # noqa: PLR2004 - grey
    return planes or (layout.photometric == WHITE_IS_ZERO and layout.bytes > 1)


def _known(directory: Directory, layout: Layout) -> bool:
    order = b"II" if directory.order == "<" else b"MM"
    bits = directory.numbers(BITS, 1)
    if layout.samples > MOST_SAMPLES:
        return False
    bits = bits * layout.samples if len(bits) == 1 else bits[: layout.samples]
    key = order, layout.photometric, (layout.format,), directory.number(FILL_ORDER, 1), bits, directory.numbers(EXTRA)
    return key in TiffImagePlugin.OPEN_INFO


class SampledTiff(ImageFile.ImageFile):
    """Such a TIFF, opened; upright once it is loaded, as Pillow's."""

    format = "TIFF"

    def _open(self) -> None:
        self._directory = cast("Directory", main_directory(cast("IO[bytes]", self.fp)))
        self._layout = layout_of(self._directory)
        self._size, self._mode = (self._layout.width, self._layout.height), self._layout.mode
        if self._way in SIDEWAYS:
            self._size = self._size[::-1]
        if profile := self._directory.data(PROFILE):
            self.info["icc_profile"] = profile

    @cached_property
    def _way(self) -> Image.Transpose | None:
        return UPRIGHT.get(self._directory.number(ORIENTATION, 1))

    def load(self) -> Any:  # as Pillow's, whose type is only there for type checkers
        """Read the picture, once."""
        if self._im is None:
            picture = _picture(read_at(self._directory.file, 0, -1), self._directory, self._layout)
            picture = picture.transpose(self._way) if self._way is not None else picture
            self.im, self._mode, self._size = picture.im, picture.mode, picture.size
        return Image.Image.load(self)


def _picture(whole: bytes, directory: Directory, layout: Layout) -> Image.Image:
    planes = [_unpacked(whole, directory, layout, plane) for plane in range(layout.samples // layout.together)]
    order = ">" if layout.predictor == FLOAT_DIFFERENCES else directory.order
    alpha = layout.extra in (PREMULTIPLIED, ALPHA) and layout.samples > len(COLOURS[layout.photometric])
    count = len(COLOURS[layout.photometric]) + alpha
    bands = [_band(planes, layout, order, number) for number in range(count)]
    if layout.samples == 1:
        return _upside(bands[0], layout)
    return _merged(_eight_bits(bands), layout, alpha)


def _upside(band: Image.Image, layout: Layout) -> Image.Image:
    if layout.photometric != WHITE_IS_ZERO:
        return band
    return ImageOps.invert(band) if band.mode == "L" else band.point(lambda value: value * -1)


def _merged(bands: list[Image.Image], layout: Layout, alpha: bool) -> Image.Image:
    """The bands as one picture; CMYK, which has no alpha here, lies on white."""
    mode = COLOURS[layout.photometric]
    bands[0] = _upside(bands[0], layout)
    if not alpha:
        return Image.merge(mode, bands) if len(bands) > 1 else bands[0]
    if mode == "CMYK":
        paper = Image.new(mode, bands[0].size)
        paper.paste(Image.merge(mode, bands[:4]), mask=bands[4])
        return paper
    letter = "a" if layout.extra == PREMULTIPLIED else "A"
    return Image.merge(mode + letter, bands).convert(mode + "A")


def _eight_bits(bands: list[Image.Image]) -> list[Image.Image]:
    """Floating point is 0 to 1; where most of it is more, its own range."""
    if bands[0].mode == "L":
        return bands
    mean = max(cast("float", band.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))) for band in bands)
    most = max(cast("tuple[float, float]", band.getextrema())[1] for band in bands) if mean > 1 else 1.0
    return [band.point(lambda value: value * (255 / most) + 0).convert("L") for band in bands]


def _band(planes: list[bytes], layout: Layout, order: str, number: int) -> Image.Image:
    """One colour of the picture."""
    data, first = (planes[number], 0) if layout.separate else (planes[0], number)
    whole = _numbers(data, layout, order, first)
    return whole.crop((0, 0, layout.width, layout.height)) if layout.tile else whole


def _numbers(data: bytes, layout: Layout, order: str, first: int) -> Image.Image:
    """Each pixel's number at one place among those that lie together."""
    size = layout.across, layout.height
    if layout.format == UNSIGNED and (layout.samples > 1 or layout.bytes <= 2):  # noqa: PLR2004 - 16 bits
        upper = first * layout.bytes + (layout.bytes - 1 if order == "<" else 0)
        return Image.frombytes("L", size, data[upper :: layout.together * layout.bytes])
    numbers = memoryview(data).cast(CODES[layout.bytes])[first :: layout.together].tobytes()
    if layout.bytes == 2 and layout.format == FLOAT:  # noqa: PLR2004 - half precision
        return Image.frombytes("F", size, array("f", struct.unpack(f"{order}{len(numbers) // 2}e", numbers)).tobytes())
    mode, raw = RAW[layout.format, layout.bytes, order]
    return Image.frombytes(mode, size, numbers, "raw", raw)


def _unpacked(whole: bytes, directory: Directory, layout: Layout, plane: int) -> bytes:
    """The numbers of one plane, row after row, in the bytes of the file."""
    width = layout.across * layout.together * layout.bytes
    rewritten, offset = _grey_tiff(whole, directory, layout, plane, width)
    image = Image.new("L", (width, layout.height))
    decoder = Image._getdecoder("L", "libtiff", ("L", 0, offset), ())
    decoder.setimage(image.im, (0, 0, *image.size))
    if decoder.decode(rewritten)[1] < 0:
        raise OSError("libtiff could not unpack the picture")
    return _told(image.tobytes(), directory, layout)


def _grey_tiff(whole: bytes, directory: Directory, layout: Layout, plane: int, width: int) -> tuple[bytes, int]:
    """The same file with a directory at its end that speaks of a plane as bytes; where that directory is."""
    scale = layout.together * layout.bytes
    tags: dict[int, tuple[int, ...]] = {
        WIDTH: (width,),
        HEIGHT: (layout.height,),
        BITS: (8,),
        COMPRESSION: (layout.compression,),
        PHOTOMETRIC: (1,),
    }
    tags |= {SAMPLES: (1,), PLANAR: (1,)}
    if layout.tile:
        tags |= {TILE_WIDTH: (layout.tile * scale,), TILE_HEIGHT: (directory.number(TILE_HEIGHT),)}
        tags |= _pieces(directory, layout, plane, TILE_OFFSETS, TILE_LENGTHS)
    else:
        tags |= {ROWS: (min(directory.number(ROWS, layout.height), layout.height),)}
        tags |= _pieces(directory, layout, plane, STRIP_OFFSETS, STRIP_LENGTHS)
    start = len(whole) + len(whole) % 2
    return b"II*\0" + struct.pack("<I", start) + whole[8:].ljust(start - 8, b"\0") + _written(tags, start), start


def _pieces(directory: Directory, layout: Layout, plane: int, *names: int) -> dict[int, tuple[int, ...]]:
    """Where the strips or tiles of a plane are, and how long."""
    found = {name: directory.numbers(name) for name in names if name in directory.entries}
    each = {name: len(numbers) * layout.together // layout.samples for name, numbers in found.items()}
    return {name: numbers[plane * each[name] :][: each[name]] for name, numbers in found.items()}


def _written(tags: dict[int, tuple[int, ...]], start: int) -> bytes:
    """A directory that is to stand at ``start``."""
    entries, behind = b"", b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        value = packed if len(numbers) == 1 else struct.pack("<I", after + len(behind))
        behind += packed if len(numbers) != 1 else b""
        entries += struct.pack("<HHI4s", tag, LONG, len(numbers), value)
    return struct.pack("<H", len(tags)) + entries + bytes(4) + behind


def _told(data: bytes, directory: Directory, layout: Layout) -> bytes:
    """The numbers themselves, where the file tells by how much each differs from the one before."""
    if layout.predictor not in (DIFFERENCES, FLOAT_DIFFERENCES):
        return data
    length = (layout.tile or layout.width) * layout.together * layout.bytes
    undo = _floats if layout.predictor == FLOAT_DIFFERENCES else _whole_numbers
    rows = (data[at : at + length] for at in range(0, len(data), length))
    return b"".join(undo(row, layout, directory.order) for row in rows)


def _whole_numbers(row: bytes, layout: Layout, order: str) -> bytes:
    code = CODES[layout.bytes]
    numbers = array(code, row)
    if order == ">":
        numbers.byteswap()
    for first in range(layout.together):
        numbers[first :: layout.together] = array(code, _lower(numbers[first :: layout.together], code, layout.bytes))
    if order == ">":
        numbers.byteswap()
    return numbers.tobytes()


def _floats(row: bytes, layout: Layout, _: str) -> bytes:
    """The bytes differ, and lie sorted by their weight: all first bytes, then all second ones."""
    summed, numbers = bytearray(row), len(row) // layout.bytes
    for first in range(layout.together):
        summed[first :: layout.together] = _lower(row[first :: layout.together], "B", 1)
    mixed = bytearray(len(row))
    for weight in range(layout.bytes):
        mixed[weight :: layout.bytes] = summed[weight * numbers : (weight + 1) * numbers]
    return bytes(mixed)


def _lower(numbers: "bytes | array[int]", code: Code, size: int) -> bytes:
    """The running sums, without what does not fit into a number."""
    sums = memoryview(array("Q", accumulate(numbers)).tobytes())
    return sums.cast(code)[:: 8 // size].tobytes()

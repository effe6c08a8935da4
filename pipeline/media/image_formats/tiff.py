"""The directories of a TIFF: which of its pictures is the picture, and whether it is a camera's raw file.

A TIFF is a chain of directories, each of which may name others below it. Readers take the first; cameras, scanners and
page programs put a small preview there. Nothing in here trusts a number of the file.
"""

import struct
from collections import deque
from collections.abc import Iterator
from typing import IO, Final, cast

import msgspec
from PIL import ExifTags, Image, TiffImagePlugin

TiffImagePlugin.PREFIXES.append(b"MM+\0")  # how `Redirected` writes BigTIFF with the high byte first

CLASSIC, BIG = 42, 43
STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORDERS: Final = {b"II": "<", b"MM": ">"}
MAX_DIRECTORIES: Final = 64  # looked at; what follows are more pages
MAX_ENTRIES: Final = 4096
MAX_NUMBERS: Final = 1_000_000
FARTHEST: Final = 1 << 40  # no file is as long
# A number's length in bytes and its letter in `struct`, by its type in the file.
TYPES: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

NEW_SUBFILE_TYPE, SUBFILE_TYPE, COMPRESSION, PHOTOMETRIC, MAKE = 254, 255, 259, 262, 271
SUB_DIRECTORIES, DNG_VERSION = 330, 50706
REDUCED, MASK = 1, 4  # bits of the new subfile type
OLD_REDUCED: Final = 2
SENSOR: Final = frozenset({32803, 34892})  # colours as a sensor sees them
OF_CAMERAS: Final = frozenset({32767, 32769, 32770, 34713, 65000, 65535})  # ways to pack them
MAKERS: Final = (
    (b"NIKON", "image/x-nikon-nef"),
    (b"SONY", "image/x-sony-arw"),
    (b"PENTAX", "image/x-pentax-pef"),
    (b"RICOH", "image/x-pentax-pef"),
    (b"SAMSUNG", "image/x-samsung-srw"),
    (b"OLYMPUS", "image/x-olympus-orf"),
    (b"CANON", "image/x-canon-cr2"),
)


class Directory(msgspec.Struct, frozen=True):
    """One picture's tags as they stand in the file: type, count, and the field that holds or points to the value."""

    file: IO[bytes]
    order: str
    big: bool
    offset: int
    entries: dict[int, tuple[int, int, bytes]]

    def data(self, tag: int, most: int = MAX_NUMBERS * 8) -> bytes:
        """A tag's value as it is; nothing where there is none."""
        kind, count, field = self.entries.get(tag, (0, 0, b""))
        length = SIZES.get(kind, 0) * count
        if length <= len(field):
            return field[:length]
        if length > most:
            return b""
        return read_at(self.file, struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", field)[0], length)

    def numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        """A tag's whole numbers."""
        kind, data = self.entries.get(tag, (0, 0, b""))[0], self.data(tag)
        there = len(data) // SIZES[kind] if kind in TYPES else 0  # the file may end before
        return struct.unpack_from(f"{self.order}{there}{TYPES[kind]}", data) if there else default

    def number(self, tag: int, default: int = 0) -> int:
        """The first of them."""
        return self.numbers(tag, default)[0]

    @property
    def beside_the_point(self) -> bool:
        """Whether this is a smaller copy of another picture in the file, or a mask."""
        new, old = self.number(NEW_SUBFILE_TYPE), self.number(SUBFILE_TYPE)
        return bool(new & (REDUCED | MASK)) or old == OLD_REDUCED


def read_at(file: IO[bytes], offset: int, length: int) -> bytes:
    """Some bytes, fewer where the file ends."""
    if offset >= FARTHEST:
        return b""
    file.seek(offset)
    return file.read(length)


def is_tiff(head: bytes) -> bool:
    """Whether a file begins as a TIFF or BigTIFF, of either order of bytes."""
    return head.startswith(STARTS)


def _first(head: bytes) -> int:
    """Where the first directory is."""
    head = head.ljust(16, b"\0")
    order = ORDERS[head[:2]]
    return int(
        struct.unpack(f"{order}Q", head[8:16])[0] if BIG in head[2:4] else struct.unpack(f"{order}I", head[4:8])[0]
    )


def directories(file: IO[bytes]) -> Iterator[Directory]:
    """The directories of a TIFF: the chain first, then those below; none where it is no TIFF."""
    head = read_at(file, 0, 16)
    if not is_tiff(head):
        return
    order, big = ORDERS[head[:2]], BIG in head[2:4]
    waiting = deque([_first(head)])
    below: deque[int] = deque()
    seen: set[int] = set()
    while (waiting or below) and len(seen) < MAX_DIRECTORIES:
        offset = waiting.popleft() if waiting else below.popleft()
        if offset and offset not in seen:
            seen.add(offset)
            directory, following = _directory(file, order, big, offset)
            yield directory
            waiting.append(following)
            below.extend(directory.numbers(SUB_DIRECTORIES)[:MAX_DIRECTORIES])


def _directory(file: IO[bytes], order: str, big: bool, offset: int) -> tuple[Directory, int]:
    head, width, entry = ("Q", 8, 20) if big else ("H", 2, 12)
    count = _number(order, head, read_at(file, offset, width))
    body = file.read(min(count, MAX_ENTRIES) * entry)
    after = _number(order, "Q" if big else "I", file.read(width if big else 4)) if count <= MAX_ENTRIES else 0
    fields = struct.iter_unpack(f"{order}HHQ8s" if big else f"{order}HHI4s", body[: len(body) // entry * entry])
    return Directory(
        file, order, big, offset, {tag: (kind, number, field) for tag, kind, number, field in fields}
    ), after


def _number(order: str, letter: str, data: bytes) -> int:
    """One number; 0 where the file ends before it."""
    return int(struct.unpack(order + letter, data)[0]) if len(data) == struct.calcsize("<" + letter) else 0


def main_directory(file: IO[bytes]) -> Directory | None:
    """The first picture that is not said to be a smaller copy; the very first where all are."""
    first = None
    for directory in directories(file):
        if not directory.beside_the_point:
            return directory
        first = first or directory
    return first


def starts_elsewhere(directory: Directory) -> bool:
    """Whether Pillow would not find this directory by the file's own header."""
    head = read_at(directory.file, 0, 16)
    return _first(head) != directory.offset or head.startswith(b"MM\0+")


class Redirected:
    """A TIFF whose header names another of its directories as the first."""

    def __init__(self, file: IO[bytes], directory: Directory) -> None:
        self._file = file
        self._head = _header(directory)
        file.seek(0)

    def read(self, length: int = -1) -> bytes:
        """As the file, but for the header."""
        at = self._file.tell()
        data = self._file.read(length)
        return self._head[at : at + len(data)] + data[max(0, len(self._head) - at) :] if at < len(self._head) else data

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


class RedirectedTiff(TiffImagePlugin.TiffImageFile):
    """A TIFF at one of its directories; of its EXIF nothing is wanted but which way is up."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(cast("IO[bytes]", Redirected(directory.file, directory)))

    def getexif(self) -> Image.Exif:
        """Pillow would read it by a header of its own."""
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = self.tag_v2.get(ExifTags.Base.Orientation, 1)
        return exif


def _header(directory: Directory) -> bytes:
    """As Pillow wants it: it knows BigTIFF by its third byte, which in a file of the other order is the fourth."""
    letters = b"II" if directory.order == "<" else b"MM"
    if directory.big:
        return letters + b"+\0" + read_at(directory.file, 4, 4) + struct.pack(directory.order + "Q", directory.offset)
    return letters + struct.pack(f"{directory.order}HI", CLASSIC, directory.offset)


def raw_type(file: IO[bytes]) -> str | None:
    """The MIME type of a camera's raw file, which is a TIFF to look at; None for any other TIFF."""
    all_of_it = list(directories(file))
    if any(DNG_VERSION in directory.entries for directory in all_of_it):
        return "image/x-adobe-dng"
    if not any(map(_from_sensor, all_of_it)):
        return None
    make = all_of_it[0].data(MAKE, 256).upper()
    return next((mime_type for maker, mime_type in MAKERS if maker in make), "image/x-raw")


def _from_sensor(directory: Directory) -> bool:
    return directory.number(PHOTOMETRIC) in SENSOR or directory.number(COMPRESSION) in OF_CAMERAS

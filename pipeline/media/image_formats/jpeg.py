"""What a JPEG says of itself by its markers, before anything of it is decoded."""

import mmap
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

from models.media.types import MB

MAX_SCANS: Final = 100  # each goes over the whole picture; encoders write ten, or twenty where they try hard
LOOKED_AT: Final = 64 * MB

Segment = tuple[int, bytes]  # a marker, and the first bytes of what belongs to it

SCAN, END = 0xDA, 0xD9
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers that nothing belongs to
MARKER: Final = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
SCAN_BYTES: Final = re.compile(rb"\xff\xda")
AFTER_SCAN: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)


def too_many_scans(path: Path) -> bool:
    """Whether a JPEG is drawn in more passes than any real one; of most, only the header is looked at."""
    with path.open("rb") as file, mapped(file) as data:
        return not _drawn_at_once(data) and _looks_like_many(data) and _scans(data) > MAX_SCANS


def mapped(file: IO[bytes]) -> mmap.mmap:
    """The file's bytes, as many as are looked at."""
    length = min(os.fstat(file.fileno()).st_size, LOOKED_AT)
    return mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)


def _drawn_at_once(data: mmap.mmap) -> bool:
    """Whether the first pass draws all there is; a decoder takes no other after it."""
    colours = -1
    for marker, start in segments(data):
        if marker in FRAMES:
            colours = -1 if marker in PROGRESSIVE else start[5]
        if marker == SCAN:
            return start[0] == colours
    return False


def _looks_like_many(data: mmap.mmap) -> bool:
    """What begins a pass may stand inside of something else, too: this is quick, and never too few."""
    return sum(1 for _ in islice(SCAN_BYTES.finditer(data), MAX_SCANS + 1)) > MAX_SCANS


def _scans(data: mmap.mmap) -> int:
    """How many passes, counted only so far as it matters."""
    passes = (marker for marker, _ in segments(data) if marker == SCAN)
    return sum(1 for _ in islice(passes, MAX_SCANS + 1))


def segments(data: mmap.mmap) -> Iterator[Segment]:
    """Every marker up to the picture's end, with the first bytes of its segment."""
    found = MARKER.search(data, 2)
    while found and (marker := found[1][0]) != END:
        at = found.end()
        if marker in BARE:
            found = MARKER.search(data, at)
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        yield marker, data[at + 2 : at + min(length, 64)].ljust(8, b"\0")
        found = (AFTER_SCAN if marker == SCAN else MARKER).search(data, at + length)

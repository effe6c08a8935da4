"""Whether a file is as long as it says: a copy that broke off is found without decoding a frame.

A length is only a claim. A recorder that writes into a pipe never learns it, a camera adds notes behind the end, an
editor forgets to correct it. So only what holds pictures or sound is held to its length, and only where nothing else
in the file says that it is complete.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from models.errors import Rejected
from pipeline.media.streams.demuxer import open_container

BOXES: Final = frozenset({"video/mp4", "video/quicktime", "audio/mp4"})
RIFF: Final = frozenset({"video/x-msvideo", "audio/wav"})
EBML: Final = frozenset({"video/x-matroska", "video/webm"})
HEADER: Final = 8  # bytes of length and name before what a box or a chunk holds
# Boxes without which something is missing; all others may be a note that somebody added behind the end.
NEEDED: Final = frozenset({b"ftyp", b"moov", b"moof", b"mdat"})
OF_PICTURES: Final = frozenset({b"ftyp", b"meta", b"mdat"})
CHUNKS: Final = frozenset({b"data", b"LIST", b"idx1", b"RIFF"})
LAST: Final = frozenset({b"data", b"idx1"})  # where these are, nothing of worth follows
UNTOLD: Final = 0x7FFF_0000  # a length from here on, or none, stands for "not known yet"
CRUMBS: Final = 64  # bytes of sound that nobody misses: some writers count their own header
SEGMENT: Final = bytes.fromhex("18538067")
CUES: Final = bytes.fromhex("1C53BB6B")
Part = tuple[bytes, int]  # a name, and where what it names ends


def broken_off(path: Path, mime_type: str) -> bool:
    """Whether the container of a file misses bytes that it announces. False when it does not say."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if mime_type in BOXES:
            open_ended = [name for name, end in _boxes(file, size) if name in NEEDED and end > size]
            return bool(open_ended) and (open_ended != [b"mdat"] or not _has_all_samples(path, mime_type, size))
        if mime_type == "image/avif":
            return any(name in OF_PICTURES and end > size for name, end in _boxes(file, size))
        if mime_type in RIFF:
            return _riff_misses(file, size) > (CRUMBS if mime_type == "audio/wav" else 0)
        if mime_type == "image/webp":
            return _riff_end(file) > size
        return mime_type in EBML and _misses_elements(file, size)


def _boxes(file: BinaryIO, size: int) -> Iterator[Part]:
    """Each top-level box of an ISO media file. One that lasts "to the end" may be too short: it ends beyond."""
    end = 0
    while end + HEADER <= size:
        start = end
        file.seek(start)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:16], "big") if length == 1 else length or size + 1
        if length < HEADER:  # something else was appended
            return
        end = start + length
        yield header[4:8], end


def _has_all_samples(path: Path, mime_type: str, size: int) -> bool:
    """Whether all that the index of an ISO media file names is there, whatever its boxes say."""
    try:
        with open_container(path, mime_type) as container:
            ends = [entry.pos + entry.size for stream in container.streams for entry in stream.index_entries]
    except Rejected:
        return False
    return bool(ends) and max(ends) <= size


def _riff_misses(file: BinaryIO, size: int) -> int:
    """How many bytes are not there: by what the chunks say, unless the whole says that none is missing."""
    ends = [(name, end) for name, end in _chunks(file, size) if name in CHUNKS]
    misses, names = max((end - size for _, end in ends), default=0), {name for name, _ in ends}
    if b"RIFF" in names:  # an AVI of several gigabytes goes on in more of them
        return misses
    whole = _riff_end(file) - size
    return min(misses, whole) if names & LAST else whole


def _chunks(file: BinaryIO, size: int) -> Iterator[Part]:
    """The chunks of a RIFF file, up to the first whose length is not told: that one ends nowhere, at 0."""
    end, long = 12, 0  # behind the name of what the file is
    while end + HEADER <= size:
        start = end
        file.seek(start)
        header = file.read(24)
        name, length = header[:4], int.from_bytes(header[4:8], "little")
        if name == b"ds64":
            long = int.from_bytes(header[16:24], "little")
        if name == b"data" and long:
            length = long
        elif length >= UNTOLD or (not length and name in CHUNKS):
            yield name, 0
            return
        yield name, start + HEADER + length
        end = start + HEADER + length + length % 2


def _riff_end(file: BinaryIO) -> int:
    """Where a RIFF file ends by its own word; 0 when it does not know. RF64 keeps its word elsewhere."""
    file.seek(0)
    header = file.read(28)
    if header.startswith(b"RF64"):
        return 8 + int.from_bytes(header[20:28], "little")
    length = int.from_bytes(header[4:8], "little")
    return 8 + length if header.startswith(b"RIFF") and length < UNTOLD else 0


def _misses_elements(file: BinaryIO, size: int) -> bool:
    """Whether Matroska's segment ends beyond the file, and not only by its own word."""
    head = file.read(4096)
    start = head.find(SEGMENT)
    length, first = _length(head, start + len(SEGMENT)) if start >= 0 else (None, 0)
    if length is None or first + length <= size:
        return False
    elements = list(_elements(file, first, size))
    return any(end > size for _, end in elements) or CUES not in {name for name, _ in elements}


def _elements(file: BinaryIO, at: int, size: int) -> Iterator[Part]:
    """What stands directly in Matroska's segment, up to the first whose length is not told."""
    while at < size:
        file.seek(at)
        head = file.read(12)
        width = 9 - head[0].bit_length()
        length, start = _length(head, width)
        if length is None:
            return
        at += start + length
        yield head[:width], at


def _length(data: bytes, at: int) -> tuple[int | None, int]:
    """A length as Matroska writes it, and where what it measures begins; None when it is not told, as while live."""
    if at >= len(data) or not data[at]:
        return None, at
    width = 9 - data[at].bit_length()  # the leading zeros tell how many bytes the number has
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), at + width

"""Whether a file is as long as it says: a copy that broke off is found without decoding a frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

BOXES: Final = frozenset({"video/mp4", "video/quicktime", "audio/mp4", "image/avif"})
RIFF: Final = frozenset({"video/x-msvideo", "audio/wav", "image/webp"})
EBML: Final = frozenset({"video/x-matroska", "video/webm"})
HEADER: Final = 8  # bytes of length and name before what a box holds
SEGMENT: Final = bytes.fromhex("18538067")


def broken_off(path: Path, mime_type: str) -> bool:
    """Whether the container of a file announces more bytes than are there. False when it does not say."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if mime_type in BOXES:
            return any(end > size for end in _box_ends(file, size))
        if mime_type in RIFF:
            return _riff_end(file) > size
        return mime_type in EBML and _segment_end(file) > size


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where each top-level box of an ISO media file ends."""
    end = 0
    while end + HEADER <= size:
        start = end
        file.seek(start)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:16], "big") if length == 1 else length
        if length < HEADER:  # 0 means "to the end"; less than a header means something else was appended
            return
        end = start + length
        yield end


def _riff_end(file: BinaryIO) -> int:
    header = file.read(8)
    return 8 + int.from_bytes(header[4:8], "little") if header.startswith(b"RIFF") else 0


def _segment_end(file: BinaryIO) -> int:
    """Where Matroska's segment ends; 0 when it does not say, as in a live recording."""
    head = file.read(4096)
    start = head.find(SEGMENT) + len(SEGMENT)
    if start < len(SEGMENT) or start >= len(head) or head[start] == 0:
        return 0
    width = 9 - head[start].bit_length()  # the leading zeros tell how many bytes the number has
    value = int.from_bytes(head[start : start + width], "big") & ((1 << 7 * width) - 1)
    return 0 if value == (1 << 7 * width) - 1 else start + width + value

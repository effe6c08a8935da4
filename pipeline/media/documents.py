"""Scripts: text as it is, and PDF that has an end."""

import os
from pathlib import Path
from typing import Final

from models.errors import Rejected
from models.media.types import Media

FILLING: Final = b"\0 \t\r\n"  # a PDF out of an archive or off a disk is filled up to the next block
TAIL: Final = 2048  # bytes in which a PDF's end mark stands


def probe_document(path: Path, mime_type: str) -> Media:
    """What a script is.

    Raises:
        Rejected: CORRUPT_FILE, for a PDF that breaks off.
    """
    if mime_type == "application/pdf" and b"%%EOF" not in _tail(path):
        raise Rejected("CORRUPT_FILE", "The PDF is damaged or incomplete: its end is missing.")
    return Media(mime_type=mime_type, kind="document")


def _tail(path: Path) -> bytes:
    """The last bytes before what only fills the file up."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while True:
            start = max(0, end - TAIL)
            file.seek(start, os.SEEK_SET)
            tail = file.read(end - start)
            if tail.strip(FILLING) or not start:
                return tail
            end = start

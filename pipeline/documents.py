"""Scripts: text as it is, and PDF that has an end."""

import os
from pathlib import Path
from typing import Final

from models.errors import Rejected
from models.media import Media

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
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL), os.SEEK_SET)
        return file.read()

"""A file on this machine, as it is declared to the server."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from .errors import FileFailed


@dataclass(frozen=True, slots=True)
class LocalFile:
    """``size`` in bytes, ``sha256`` in hex; ``mime_type`` is what the name tells."""

    path: Path
    entity_type: str
    size: int
    sha256: str
    mime_type: str


def read(path: Path, entity_type: str, mime_type: str | None = None) -> LocalFile:
    """Hash a file that is for an entity of this type.

    Raises:
        FileFailed: it cannot be read, or nothing tells what it is.
    """
    named = mime_type or mimetypes.guess_type(path.name)[0]
    if named is None:
        raise FileFailed("UNSUPPORTED_MEDIA_TYPE", f"Its name does not tell what it is: {path.name}. Say mime_type.")
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            return LocalFile(path, entity_type, stream.tell(), sha256, named)
    except OSError as error:
        raise FileFailed("UNREADABLE", f"Cannot be read: {error.strerror or error}.") from error

"""A file and its SHA-256 in one go, in constant memory."""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self


class HashingWriter:
    """A new file that is hashed as it is written, so that a download is read once."""

    def __init__(self, path: Path) -> None:
        self.size = 0  # bytes
        self._digest = hashlib.sha256()
        self._file = path.open("wb")

    def write(self, chunk: bytes) -> int:
        """Append bytes; answers how many."""
        self._digest.update(chunk)
        self.size += len(chunk)
        return self._file.write(chunk)

    def hexdigest(self) -> str:
        """The SHA-256 in hex of what was written so far."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

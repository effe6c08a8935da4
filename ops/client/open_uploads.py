"""Uploads in parts that are not complete yet, kept on disk: a client that starts again goes on with them."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec


class File(Protocol):
    """What is sent."""

    @property
    def entity_type(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Kept(msgspec.Struct, frozen=True):
    """What it takes to go on: both names of the upload."""

    upload_id: str
    file_reference: str


class OpenUploads:
    """Those to one server, a small file each under ``XDG_STATE_HOME``; where nothing can be kept, nothing is."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find(self, file: File) -> Kept | None:
        """The upload of these bytes for this kind of thing, if one was begun."""
        with suppress(OSError, RuntimeError, msgspec.DecodeError):
            return msgspec.json.decode(self._place(file).read_bytes(), type=Kept)
        return None

    def keep(self, file: File, upload: Kept) -> None:
        """Note that one was begun."""
        with suppress(OSError, RuntimeError):
            place = self._place(file)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.write_bytes(msgspec.json.encode(upload))

    def forget(self, file: File) -> None:
        """It is complete, or was given up."""
        with suppress(OSError, RuntimeError):
            self._place(file).unlink(missing_ok=True)

    def _place(self, file: File) -> Path:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        name = hashlib.sha256("\n".join((self._url, file.entity_type, file.sha256)).encode()).hexdigest()
        return Path(state) / "episodes" / "uploads" / f"{name}.json"

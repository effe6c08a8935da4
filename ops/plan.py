"""What is to be sent: files found under the given paths, checked and hashed, always in the same order."""

import asyncio
import hashlib
import mimetypes
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.media import EntityType, Role, accepted, kind_of, size_limit
from ops.errors import CommandError
from ops.outcome import Failed

HASHERS: Final = min(4, os.cpu_count() or 1)
# What the standard library does not know, or calls by another name than we do.
TYPES: Final = {
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is for: an entity that is there, or, without ``entity_id``, one to be created (in ``show_id``)."""

    entity_type: EntityType
    entity_id: str | None = None
    role: Role | None = None
    show_id: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found. ``shown`` is its path as typed; ``name`` starts at the folder that was given."""

    path: Path
    shown: str
    name: str
    target: Target
    problem: Failed | None = None

    @property
    def group(self) -> str:
        """The folder it lies in, as typed."""
        return str(Path(self.shown).parent)


@dataclass(frozen=True, slots=True)
class Item:
    """A file that can be sent: ``size`` in bytes, ``sha256`` in hex, ``mime_type`` as declared to the server."""

    file: File
    size: int
    sha256: str
    mime_type: str


def find(paths: Iterable[Path], target: Target) -> list[File]:
    """The files under the paths, sorted, each path once; hidden ones in folders are skipped, links are followed.

    Raises:
        CommandError: a path is not there.
    """
    walk = _Walk(target)
    found = [file for path in paths for file in walk.under(path)]
    return list({file.path.absolute(): file for file in found}.values())


class _Walk:
    """Remembers the folders it has been in, so that links which lead back end it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._been: set[tuple[int, int]] = set()

    def under(self, path: Path) -> Iterator[File]:
        if not path.exists():
            raise CommandError(f"No such file or folder: {printable(path)}")
        name = printable(path.resolve().name)
        return self._folder(path, name) if path.is_dir() else iter([self._file(path, name)])

    def _folder(self, folder: Path, name: str) -> Iterator[File]:
        try:
            entries = self._entries(folder)
        except OSError as error:
            yield self._file(folder, name, error.strerror or str(error))
            return
        for entry in entries:
            if not entry.is_dir():
                yield from self._leaf(entry, f"{name}/{printable(entry.name)}")
        for entry in entries:
            if entry.is_dir():
                yield from self._folder(entry, f"{name}/{printable(entry.name)}")

    def _entries(self, folder: Path) -> list[Path]:
        found = folder.stat()
        if (found.st_dev, found.st_ino) in self._been:
            return []
        self._been.add((found.st_dev, found.st_ino))
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        for entry in entries:
            entry.is_dir()  # a folder that may be listed but not entered fails here
        return entries

    def _leaf(self, entry: Path, name: str) -> Iterator[File]:
        if entry.is_file():
            yield self._file(entry, name)
        elif not entry.exists():
            yield self._file(entry, name, "the link leads nowhere")

    def _file(self, path: Path, name: str, problem: str | None = None) -> File:
        failed = Failed("UNREADABLE", f"Cannot be read: {problem}.") if problem else None
        return File(path, printable(path), name, self._target, failed)


def printable(path: Path | str) -> str:
    """A path as text that is safe on a terminal and in JSON, whatever bytes its name holds."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


async def read(files: Sequence[File]) -> AsyncIterator[tuple[File, Item | Failed]]:
    """Check and hash in threads, given back in the order of the files."""
    pool = ThreadPoolExecutor(HASHERS, thread_name_prefix="hash")
    loop = asyncio.get_running_loop()
    try:
        for file, work in [(file, loop.run_in_executor(pool, _item, file)) for file in files]:
            yield file, await work
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _item(file: File) -> Item | Failed:
    if file.problem:
        return file.problem
    try:
        return _checked(file)
    except Failed as failed:
        return failed
    except OSError as error:
        return Failed("UNREADABLE", f"Cannot be read: {error.strerror or error}.")


def _checked(file: File) -> Item:
    size = file.path.stat().st_size
    if size == 0:
        raise Failed("EMPTY_FILE", "The file is empty.")
    mime_type = type_of(file.path)
    _check_limits(file.target, mime_type, size)
    with file.path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Item(file, size, sha256, mime_type)


def _check_limits(target: Target, mime_type: str, size: int) -> None:
    kind, kinds = kind_of(mime_type), accepted(target.entity_type, target.role or "primary")
    what = target.entity_type.replace("_", " ")
    if kind not in kinds:
        takes = " or ".join(sorted(kinds))
        raise Failed("UNSUPPORTED_MEDIA_TYPE", f"This is {mime_type}; the {what} takes {takes}.")
    limit = size_limit(kind, target.entity_type)
    if size > limit:
        raise Failed("FILE_TOO_LARGE", f"{size / 1e6:,.0f} MB is more than the {limit / 1e6:,.0f} MB that fit.")


def type_of(path: Path) -> str:
    """The MIME type that the name tells; where that is none we take, what the first bytes tell."""
    suffix = path.suffix.lower()
    named = TYPES.get(suffix) or mimetypes.guess_type(f"file{suffix}")[0] or "application/octet-stream"
    return named if kind_of(named) else _sniffed(path) or named


def _sniffed(path: Path) -> str | None:
    import filetype

    found: str | None = filetype.guess_mime(str(path))
    return found

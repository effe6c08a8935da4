"""What is to be sent: files found under the given paths, checked and hashed, always in the same order."""

import asyncio
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.entities import EntityType, FileRole
from models.media.formats import UNKNOWN, by_name, canonical
from models.media.limits import accepted, size_limit, too_large, unsupported
from models.media.types import kind_of
from models.media.wording import takes
from ops.client.errors import FileFailed
from ops.errors import CommandError
from ops.ingest import junk
from ops.ingest.junk import Junk

INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
UNFIT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of letters, ends of lines
TURNING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
LONGEST_BATCH_NAME: Final = 255
HASHERS: Final = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is for: an entity that is there, or, without ``entity_id``, one to be created (in ``show_id``)."""

    entity_type: EntityType
    entity_id: str | None = None
    role: FileRole | None = None
    show_id: str | None = None


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that was found. ``shown`` is its path as typed; ``name`` starts at the folder that was given."""

    path: Path
    shown: str
    name: str
    target: Target
    problem: FileFailed | None = None

    @property
    def group(self) -> str:
        """The folder it lies in, as typed."""
        return str(Path(self.shown).parent)


@dataclass(frozen=True, slots=True)
class Item:
    """A file that can be sent: ``size`` in bytes, ``sha256`` in hex, ``mime_type`` as declared to the server."""

    file: LocalFile
    size: int
    sha256: str
    mime_type: str

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def entity_type(self) -> EntityType:
        return self.file.target.entity_type


def find(paths: Iterable[Path], target: Target, skipped: Counter[Junk] | None = None) -> list[LocalFile]:
    """The files under the paths, sorted, each path once; links are followed.

    Junk is left out and counted in ``skipped``, unless it is named for an entity.

    Raises:
        CommandError: a path is not there.
    """
    walk = _Walk(target, Counter() if skipped is None else skipped)
    found = [file for path in paths for file in walk.under(path)]
    return list({file.path.absolute(): file for file in found}.values())


class _Walk:
    """Remembers the folders it has been in, so that links which lead back end it."""

    def __init__(self, target: Target, skipped: Counter[Junk]) -> None:
        self._target = target
        self._skipped = skipped
        self._been: set[tuple[int, int]] = set()

    def under(self, path: Path) -> Iterator[LocalFile]:
        if not path.exists():
            raise CommandError(f"No such file or folder: {printable(path)}")
        whole = path.resolve()
        if self._target.entity_id is None and not whole.name.startswith(".") and self._is_junk(whole):
            return iter(())
        return self._folder(path, named(whole.name)) if path.is_dir() else iter([self._file(path, named(whole.name))])

    def _folder(self, folder: Path, name: str) -> Iterator[LocalFile]:
        try:
            entries = self._entries(folder)
        except OSError as error:
            yield self._file(folder, name, error.strerror or str(error))
            return
        for entry in entries:
            if not entry.is_dir():
                yield from self._leaf(entry, f"{name}/{named(entry.name)}")
        for entry in entries:
            if entry.is_dir():
                yield from self._folder(entry, f"{name}/{named(entry.name)}")

    def _entries(self, folder: Path) -> list[Path]:
        found = folder.stat()
        if (found.st_dev, found.st_ino) in self._been:
            return []
        self._been.add((found.st_dev, found.st_ino))
        entries = sorted(folder.iterdir())
        for entry in entries:
            entry.is_dir()  # a folder that may be listed but not entered fails here
        return [entry for entry in entries if not self._is_junk(entry)]

    def _is_junk(self, path: Path) -> bool:
        kind = junk.of_folder(path) if path.is_dir() else junk.of_file(path)
        if kind:
            self._skipped[kind] += 1
        return kind is not None

    def _leaf(self, entry: Path, name: str) -> Iterator[LocalFile]:
        if entry.is_file():
            yield self._file(entry, name)
        elif not entry.exists():
            yield self._file(entry, name, "the link leads nowhere")

    def _file(self, path: Path, name: str, problem: str | None = None) -> LocalFile:
        failed = FileFailed("UNREADABLE", f"Cannot be read: {problem}.") if problem else None
        return LocalFile(path, printable(path), name, self._target, failed)


def named(path: Path | str) -> str:
    """A name as text that is one line, whatever bytes it holds: its spaces, joiners and emoji are its own."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(INSTEAD if unicodedata.category(letter) in UNFIT else letter for letter in text)


def batch_name(paths: Sequence[Path]) -> str:
    """What the batch of these paths is called, the same in each run: where they lie, cut where that is too long."""
    places = [printable(path.absolute()) for path in paths]
    home = printable(Path.home())
    name = ", ".join(f"~{place.removeprefix(home)}" if place.startswith(f"{home}/") else place for place in places)
    if len(name) <= LONGEST_BATCH_NAME:
        return name or "files"
    return f"{name[: LONGEST_BATCH_NAME - 10]}… {hashlib.sha256(name.encode()).hexdigest()[:8]}"


def printable(path: Path | str) -> str:
    """A path as text that is safe on a terminal, too: nothing in it turns the line around."""
    return "".join(INSTEAD if unicodedata.bidirectional(letter) in TURNING else letter for letter in named(path))


async def read(files: Sequence[LocalFile]) -> AsyncIterator[tuple[LocalFile, Item | FileFailed]]:
    """Check and hash in threads, given back in the order of the files."""
    pool = ThreadPoolExecutor(HASHERS, thread_name_prefix="hash")
    loop = asyncio.get_running_loop()
    try:
        for file, work in [(file, loop.run_in_executor(pool, _item, file)) for file in files]:
            yield file, await work
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _item(file: LocalFile) -> Item | FileFailed:
    if file.problem:
        return file.problem
    try:
        return _checked(file)
    except FileFailed as failed:
        return failed
    except OSError as error:
        return FileFailed("UNREADABLE", f"Cannot be read: {error.strerror or error}.")


def _checked(file: LocalFile) -> Item:
    size = file.path.stat().st_size
    if size == 0:
        raise FileFailed("EMPTY_FILE", "The file is empty.")
    mime_type = type_of(file.path)
    _check_limits(file, mime_type, size)
    with file.path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Item(file, size, sha256, mime_type)


def _check_limits(file: LocalFile, mime_type: str, size: int) -> None:
    entity_type, role = file.target.entity_type, file.target.role or "primary"
    kinds = accepted(entity_type, role)
    kind = takes(mime_type, kinds)
    if kind is None:
        message = unsupported(mime_type, entity_type, kinds, role=role, name=printable(file.path.name))
        raise FileFailed("UNSUPPORTED_MEDIA_TYPE", message)
    limit = size_limit(kind, entity_type)
    if size > limit:
        raise FileFailed("FILE_TOO_LARGE", too_large(size, limit, kind, entity_type, role))


def type_of(path: Path) -> str:
    """The MIME type that the name tells; where that is none we take, what the first bytes tell if we take that."""
    named = by_name(path.name)
    if named and kind_of(named):
        return named
    seen = canonical(_sniffed(path) or UNKNOWN)
    raw = seen == "image/tiff" and named is not None  # most raw camera files are TIFF inside
    return named if named and (raw or not kind_of(seen)) else seen


def _sniffed(path: Path) -> str | None:
    import filetype

    found: str | None = filetype.guess_mime(str(path))
    return found

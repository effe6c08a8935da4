"""A decoder's own folder, the only one that it reaches: ``in`` to read, ``out`` to write.

For the time of a task it holds that task's file and pictures; between two tasks it is empty. The file is a second name
of the one that the worker has, so nothing is copied, however large it is.
"""

import asyncio
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from pipeline.media.protocol import RenderedThumbnail


class Cell:
    """The folder of one decoder, as it and its worker see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entrance = folder / "in"
        self.exit = folder / "out"
        self._in, self._out = str(self.entrance), str(self.exit)  # joined as text: this is done for every file

    @classmethod
    def make(cls, scratch: Path | None = None) -> Self:
        """A new one in a folder, else where the system has its temporary files."""
        cell = cls(Path(tempfile.mkdtemp(prefix="decoder-", dir=scratch)))
        cell.entrance.mkdir()
        cell.exit.mkdir()
        return cell

    async def admit(self, source: str) -> str:
        """Let a file in and tell its path there, where nothing is if it is no file or cannot be had."""
        inside = f"{self._in}/{os.path.basename(source)}"  # noqa: PTH119
        try:
            if stat.S_ISREG(os.lstat(source).st_mode):
                os.link(source, inside)
                return inside
        except OSError:  # another device, or one that knows no second names
            pass
        await asyncio.to_thread(_copy, source, inside)
        return inside

    def bring_out(self, thumbnail: RenderedThumbnail, folder: str) -> RenderedThumbnail:
        """Move a picture to where it was wanted.

        Raises:
            ValueError: it is no file in ``out``.
            OSError: it could not be moved.
        """
        where, _, name = thumbnail.path.rpartition("/")
        if where != self._out or not stat.S_ISREG(_mode(thumbnail.path)):
            raise ValueError("no picture in the folder for pictures")
        target = f"{folder}/{name}"
        try:
            os.rename(thumbnail.path, target)  # noqa: PTH104
        except OSError:  # another device
            shutil.move(thumbnail.path, target)
        return msgspec.structs.replace(thumbnail, path=target)

    def clear(self) -> None:
        """Leave nothing of a task to the next one."""
        for part in (self._in, self._out):
            for name in os.listdir(part):  # noqa: PTH208
                _remove(f"{part}/{name}")

    def remove(self) -> None:
        """Take it away with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _copy(source: str, inside: str) -> None:
    """All of a file or none: half of one would be called damaged."""
    try:
        if os.path.isfile(source):  # noqa: PTH113
            shutil.copyfile(source, inside)
    except OSError:
        with suppress(OSError):
            os.unlink(inside)  # noqa: PTH108


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except IsADirectoryError:  # without a cage it can be made
        shutil.rmtree(path)

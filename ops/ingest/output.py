"""What a person at the terminal sees of an ingest: a line of progress per folder while it runs, a table at its end."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

import msgspec
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ops.ingest.plan import LocalFile
from ops.ingest.result import Result

WIDE: Final = 240  # columns where no terminal sets the width: nothing is cut from what goes into a file
SHOWN_FOLDERS: Final = 12  # lines of progress that fit; with more, folders that are done make room
COLOURS: Final = {"stored": "green", "duplicate": "yellow", "failed": "red", "cancelled": "red"}


def console() -> Console:
    """Standard output; without control codes where it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False)


def progress() -> Progress:
    """Lines of progress on standard error, silent where that is not a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


class Board(AbstractContextManager["Board"]):
    """Progress of one ingest: a line per folder, and a total."""

    def __init__(self, files: Sequence[LocalFile]) -> None:
        self._progress = progress()
        self._left = Counter(file.group for file in files)
        self._lines = {group: self._line(group, count) for group, count in self._left.items()}
        self._total = self._line("total", len(files))
        self._sent = 0

    def _line(self, name: str, count: int) -> TaskID:
        return self._progress.add_task(name, total=count, note="")

    def __enter__(self) -> "Board":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def sent(self, count: int) -> None:
        """Some bytes have left."""
        self._sent += count
        self._progress.update(self._total, note=f"{decimal(self._sent)} sent")

    def paused(self, lines: Sequence[str]) -> None:
        """What is held back has changed: said above the progress, also where that is silent."""
        for line in lines or ["nothing is paused any more"]:
            self._progress.console.print(line, markup=False, highlight=False)

    def done(self, file: LocalFile, _result: Result) -> None:
        """A file has come to its end."""
        self._left[file.group] -= 1
        crowded = len(self._lines) > SHOWN_FOLDERS and not self._left[file.group]
        self._progress.update(self._lines[file.group], advance=1, visible=not crowded)
        self._progress.advance(self._total)


def table(results: Sequence[Result]) -> Table:
    """One row per file: file, outcome, entity, seconds, and what to know of it."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("file", overflow="fold")
    made.add_column("outcome", no_wrap=True)
    made.add_column("entity", no_wrap=True)  # an id in two lines cannot be copied
    made.add_column("seconds", justify="right", no_wrap=True)
    made.add_column("", overflow="fold")
    for result in results:
        outcome = Text(result.outcome, style=COLOURS[result.outcome])
        made.add_row(Text(result.file), outcome, _entity(result), f"{result.seconds:.2f}", _note(result))
    return made


def _entity(result: Result) -> str:
    return f"{result.entity_type} {result.entity_id}" if result.entity_id else ""


def _note(result: Result) -> Text:
    if result.error:
        empty = f" (its {result.entity_type.replace('_', ' ')} is empty)" if result.empty else ""
        return Text(f"{result.error.code}: {result.error.message}{empty}")
    original = result.duplicate_of
    if original is None:
        return Text("")
    where = "" if original.entity_id == result.entity_id else f"of {original.entity_type} {original.entity_id} "
    return Text(f"{where}(in the trash)" if original.deleted else where.strip())


def summary(results: Sequence[Result], seconds: float) -> str:
    """The one line to read: how many files came to which end."""
    counts: Counter[str] = Counter(result.outcome for result in results)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in COLOURS if counts[outcome])
    files = "1 file" if len(results) == 1 else f"{len(results)} files"
    return f"{files} in {seconds:.1f} s: {told or 'nothing to do'}"


def empty(results: Sequence[Result]) -> str | None:
    """What to do about what was created for files that came to nothing."""
    number = sum(result.empty for result in results)
    if not number:
        return None
    what = "1 entity shows" if number == 1 else f"{number} entities show"
    return f"{what} nothing, because the file failed: run the job again (episodes jobs retry), or delete it"


def as_json(results: Sequence[Result]) -> str:
    """The same for machines: a list of objects, a field per column."""
    return dump([msgspec.to_builtins(result) for result in results])


def dump(value: Any) -> str:
    """JSON to be read by people, too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def rows(columns: Sequence[str], values: Sequence[Sequence[object]]) -> Table:
    """A plain table of texts."""
    made = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in values:
        made.add_row(*(Text("" if value is None else str(value)) for value in row))
    return made

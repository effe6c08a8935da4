"""Sample data, made as a user would: through the API, and its media through the real pipeline.

Run as ``python -m ops.seed``. What is there already is found again by its tag and title, so a seeding that was killed
goes on where it was, and one that was complete does nothing.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.progress import Progress, TaskID

from ops import sample_rows
from ops.client import Client, connected
from ops.errors import CommandError
from ops.ingest import Listener, Wish, ingest
from ops.outcome import Result
from ops.plan import File, Target
from ops.report import progress, summary
from ops.sample_rows import SERIES, TAG, Row
from ops.samples import pictures, videos

AT_ONCE: Final = 8  # rows created at a time
PATIENCE: Final = 30.0  # seconds that the server may be away
SEED: Final = 2025  # draws the same pictures every time
VIDEOS: Final = 6  # clips that move; the others are pictures
INTERRUPTED: Final = 130


async def seed() -> None:
    """Create the sample rows that are missing and ingest the media of those without.

    Raises:
        CommandError: the server cannot be reached, refuses, or a sample failed in the pipeline.
    """
    started = time.monotonic()
    async with connected("editor", patience=PATIENCE) as client:
        with progress() as bar:
            line = bar.add_task("sample data", total=None, note="rows")
            clips, outfits = await _clips(client), await _rows(client, "outfits", sample_rows.outfits())
            results = await _media(client, clips, outfits, bar, line)
    _tell(results, time.monotonic() - started)


async def _clips(client: Client) -> list[Row]:
    clips: list[Row] = []
    for series in SERIES:
        show = {"name": series.name, "description": series.description}
        shows = await _rows(client, "shows", [show], q=series.name, tag=None)
        episodes = await _rows(client, "episodes", sample_rows.episodes(series, shows[0]["show_id"]))
        clips += await _rows(client, "clips", sample_rows.clips(series, [row["episode_id"] for row in episodes]))
    return clips


async def _rows(client: Client, resource: str, wanted: Iterable[Row], **filters: str | None) -> list[Row]:
    """The wanted rows as they are stored, created where they are missing, a few at a time."""
    path, slots = f"/api/v1/{resource}", asyncio.Semaphore(AT_ONCE)
    pages = client.pages(path, list[Row], **{"limit": 100, "tag": TAG, **filters})
    found = {_title(row): row async for page in pages for row in page.data}

    async def one(row: Row) -> Row:
        async with slots:
            return found.get(_title(row)) or (await client.post(path, Row, row)).data

    return await asyncio.gather(*map(one, wanted))


def _title(row: Row) -> str:
    return str(row.get("title") or row.get("name"))


async def _media(client: Client, clips: list[Row], outfits: list[Row], bar: Progress, line: TaskID) -> list[Result]:
    if all(_has_file(row) for row in clips + outfits):
        return []
    bar.update(line, note="drawing")
    with tempfile.TemporaryDirectory(prefix="episodes-samples-") as folder:
        files = await asyncio.to_thread(_draw, Path(folder), clips, outfits)
        bar.update(line, total=len(files), note="pictures and clips")
        listener = Listener(sent=lambda _count: None, done=lambda _file, _result: bar.advance(line))
        return await ingest(client, files, Wish(), listener)


def _draw(folder: Path, clips: list[Row], outfits: list[Row]) -> list[File]:
    """Media for all rows, so that each has the same at every try; files only for the rows without."""
    still, moving = outfits + clips[:-VIDEOS], clips[-VIDEOS:]
    drawn = zip(still, pictures(folder / "pictures", len(still), SEED), strict=True)
    filmed = zip(moving, videos(folder / "videos", len(moving), SEED), strict=True)
    return [_file(row, path) for row, path in (*drawn, *filmed) if not _has_file(row)]


def _has_file(row: Row) -> bool:
    return bool(row.get("file_reference") or row.get("image_reference"))


def _file(row: Row, path: Path) -> File:
    target = Target("clip", row["clip_id"]) if "clip_id" in row else Target("outfit", row["outfit_id"])
    return File(path, path.name, path.name, target)


def _tell(results: list[Result], seconds: float) -> None:
    failed = [(result.file, result.error) for result in results if result.error]
    if failed:
        file, why = failed[0]
        raise CommandError(f"{len(failed)} of {len(results)} samples failed; {file}: {why.message} ({why.code})")
    print(f"Sample data: 2 shows, 12 episodes, 60 clips, 24 outfits. {summary(results, seconds)}")


def main() -> int:
    """Seed, and give the exit code."""
    try:
        asyncio.run(seed())
    except CommandError as error:
        print(f"episodes: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())

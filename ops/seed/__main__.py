"""Sample data, made as a user would: through the API, and its media through the real pipeline.

Run as ``python -m ops.seed``. What is there already is found again by its tag and title, so a seeding that was killed
goes on where it was, and one that was complete does nothing.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rich.progress import Progress, TaskID

from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.errors import CommandError
from ops.ingest.output import progress, summary
from ops.ingest.result import Result
from ops.ingest.run import RESOURCES, Choices, Listener, ingest
from ops.seed import scripts, things, trash
from ops.seed.links import Link, links
from ops.seed.media import Made, complete, draw
from ops.seed.outfits import outfits as outfit_rows
from ops.seed.series import SERIES, TAG, Row
from ops.seed.series import clips as clip_rows
from ops.seed.series import episodes as episode_rows
from ops.seed.trash import Dropped

AT_ONCE: Final = 8  # requests at a time
PATIENCE: Final = 30.0  # seconds that the server may be away
KEYS: Final = {path: key for path, _, key in RESOURCES.values()}
INTERRUPTED: Final = 130
T = TypeVar("T")


async def seed() -> None:
    """Create the sample rows that are missing and ingest the media of those without.

    Raises:
        CommandError: the server cannot be reached, refuses, or a sample failed in the pipeline.
    """
    started = time.monotonic()
    async with connected("admin", patience=PATIENCE) as client:
        with progress() as bar:
            line = bar.add_task("sample data", total=None, note="rows")
            results = await _media(client, await rows(client), bar, line)
    _tell(results, time.monotonic() - started)


async def rows(client: Client) -> Made:
    """Create what is missing of the samples, all but the media: rows, scripts, links, the trash."""
    made = await _rows_of_all(client)
    await _scripts(client, made)
    await _links(client, made)
    await _trash(client, made)
    return made


async def _rows_of_all(client: Client) -> Made:
    return Made(
        *await _series(client),
        await _rows(client, "outfits", outfit_rows()),
        await _rows(client, "guests", things.GUESTS),
        await _rows(client, "backgrounds", things.BACKGROUNDS),
        await _rows(client, "ui-elements", things.UI_ELEMENTS),
        await _rows(client, "components", things.COMPONENTS),
    )


async def _series(client: Client) -> tuple[Row, list[Row], list[Row]]:
    shows: list[Row] = []
    episodes: list[Row] = []
    clips: list[Row] = []
    for series in SERIES:
        show = {"name": series.name, "description": series.description}
        shows += await _rows(client, "shows", [show], q=series.name, tag=None)
        own = await _rows(client, "episodes", episode_rows(series, shows[-1]["show_id"]))
        clips += await _rows(client, "clips", clip_rows(series, [row["episode_id"] for row in own]))
        episodes += own
    return shows[0], episodes, clips


async def _rows(client: Client, resource: str, wanted: Iterable[Row], **filters: str | None) -> list[Row]:
    """The wanted rows as they are stored, created where they are missing."""
    path = f"/api/v1/{resource}"
    pages = client.pages(path, list[Row], **{"limit": 100, "tag": TAG, **filters})
    found = {_title(row): row async for page in pages for row in page.data}

    async def one(row: Row) -> Row:
        return found.get(_title(row)) or (await client.post(path, Row, row)).data

    return await _few_at_once(map(one, wanted))


async def _few_at_once(work: Iterable[Awaitable[T]]) -> list[T]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(task: Awaitable[T]) -> T:
        async with slots:
            return await task

    return await asyncio.gather(*map(one, work))


def _title(row: Row) -> str:
    return str(row.get("title") or row.get("name"))


def _planned() -> Iterator[tuple[int, int]]:
    """Number of the series and place in it, in the order in which the episodes are made."""
    return ((number, place) for number, series in enumerate(SERIES) for place in range(len(series.episodes)))


async def _scripts(client: Client, made: Made) -> None:
    versions = (scripts.versions(SERIES[number].episodes[place]) for number, place in _planned())
    await _few_at_once(_script(client, *one) for one in zip(made.episodes, versions, strict=True))


async def _script(client: Client, episode: Row, versions: Sequence[Row]) -> None:
    """The versions that are missing, in their order: each takes the next number."""
    path = f"/api/v1/episodes/{episode['episode_id']}/scripts"
    there = (await client.get(path, list[Row], limit=1)).page.total
    for version in versions[there:]:
        await client.post(path, Row, version)


async def _links(client: Client, made: Made) -> None:
    kinds = {
        "outfits": made.outfits,
        "guests": made.guests,
        "backgrounds": made.backgrounds,
        "ui-elements": made.ui_elements,
        "components": made.components,
    }
    keys = {(kind, _title(row)): str(row[KEYS[kind]]) for kind, rows in kinds.items() for row in rows}
    wanted = (list(links(number, place)) for number, place in _planned())
    await _few_at_once(_link(client, *one, keys) for one in zip(made.episodes, wanted, strict=True))


async def _link(client: Client, episode: Row, wanted: Sequence[Link], keys: dict[tuple[str, str], str]) -> None:
    """The links that are missing; those that are there stay as somebody may have changed them."""
    path = f"/api/v1/episodes/{episode['episode_id']}"
    for kind in sorted({link.kind for link in wanted}):
        there = {_title(row) for row in (await client.get(f"{path}/{kind}", list[Row])).data}
        for link in wanted:
            if link.kind == kind and link.name not in there:
                await client.put(f"{path}/{kind}/{keys[kind, link.name]}", Row, link.said)


async def _trash(client: Client, made: Made) -> None:
    """The rows that were made to be deleted, all of them made before the first is deleted."""
    idea = await _dropped(client, trash.IDEA, show_id=made.show["show_id"])
    take = await _dropped(client, trash.TAKE, episode_id=idea["episode_id"])
    look = await _dropped(client, trash.LOOK)
    if not idea["deleted_at"] and not look["deleted_at"]:
        await client.put(f"/api/v1/episodes/{idea['episode_id']}/outfits/{look['outfit_id']}", Row, {})
    single = [(dropped, await _dropped(client, dropped)) for dropped in trash.SINGLE]
    for dropped, row in ((trash.TAKE, take), (trash.LOOK, look), (trash.IDEA, idea), *single):
        await _drop(client, dropped, row)


async def _dropped(client: Client, dropped: Dropped, **more: str) -> Row:
    """The row, living or deleted, or a new one."""
    path, title = f"/api/v1/{dropped.resource}", _title(dropped.row)
    found = await client.get(path, list[Row], q=title, include_deleted="true")
    return found.data[0] if found.data else (await client.post(path, Row, dropped.row | more)).data


async def _drop(client: Client, dropped: Dropped, row: Row) -> None:
    """Delete it, unless it is, or somebody restored it."""
    if not row["deleted_at"] and not row["restored_at"]:
        await client.delete(f"/api/v1/{dropped.resource}/{row[KEYS[dropped.resource]]}", reason=dropped.reason)


async def _media(client: Client, made: Made, bar: Progress, line: TaskID) -> list[Result]:
    if complete(made):
        return []
    bar.update(line, note="drawing")
    with tempfile.TemporaryDirectory(prefix="episodes-samples-") as folder:
        files = await asyncio.to_thread(draw, Path(folder), made)
        bar.update(line, total=len(files), note="pictures and clips")
        listener = Listener(sent=lambda _count: None, done=lambda _file, _result: bar.advance(line))
        return await ingest(client, files, Choices(batch="sample media"), listener)


def _tell(results: list[Result], seconds: float) -> None:
    failed = [(result.file, result.error) for result in results if result.error]
    if failed:
        file, why = failed[0]
        raise CommandError(f"{len(failed)} of {len(results)} samples failed; {file}: {why.message} ({why.code})")
    told = "2 shows, 12 episodes with scripts, 60 clips, 24 outfits, and what else they show"
    print(f"Sample data: {told}. {summary(results, seconds)}")


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

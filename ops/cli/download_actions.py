"""What ``episodes download`` does: which files there are, where each goes, and what became of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final, get_args

from models.entities import EntityName, EpisodeRole
from ops.cli.sign_in import connected
from ops.client.download import API, Downloads
from ops.client.errors import ApiError, FileFailed
from ops.client.http import Client
from ops.ingest import output

Row = dict[str, Any]
Wanted = tuple[EntityName, str, EpisodeRole | None]
LINKED: Final[tuple[EntityName, ...]] = ("outfit", "ui_element", "background", "component", "guest")
NONE: Final = 404


async def download(named: Iterable[Wanted], episode: str | None, to: Path, *, as_json: bool) -> int:
    """Fetch what is named, and what an episode shows; 1 where something failed."""
    done: list[Row] = []
    async with connected("viewer") as client:
        downloads = Downloads(client, lambda _count: None)
        try:
            done += [await _one(downloads, one, to) for one in named]
            if episode:
                done += [one async for one in _of_episode(client, downloads, episode, to)]
        finally:
            await downloads.close()
    print(output.dump(done)) if as_json else output.console().print(_table(done))
    return int(any(one["error"] for one in done))


async def _of_episode(client: Client, downloads: Downloads, episode: str, to: Path) -> AsyncIterator[Row]:
    """Its own files, its clips and what is linked to it, each kind in a folder; what has no file is passed over."""
    for role in get_args(EpisodeRole):
        if found := await _if_any(downloads, ("episode", episode, role), to / "episode"):
            yield found
    async for one in _shown(client, episode):
        if found := await _if_any(downloads, one, to / _resource(one[0])):
            yield found


async def _shown(client: Client, episode: str) -> AsyncIterator[Wanted]:
    async for page in client.pages(f"{API}/clips", list[Row], episode_id=episode):
        for row in page.data:
            yield "clip", row["clip_id"], None
    for kind in LINKED:
        async for page in client.pages(f"{API}/episodes/{episode}/{_resource(kind)}", list[Row]):
            for row in page.data:
                yield kind, row[f"{kind}_id"], None


async def _if_any(downloads: Downloads, one: Wanted, folder: Path) -> Row | None:
    done = await _one(downloads, one, folder)
    return None if done["error"] and done["error"]["code"] == "NOT_FOUND" else done


async def _one(downloads: Downloads, one: Wanted, folder: Path) -> Row:
    entity_type, entity_id, role = one
    told: Row = {"entity_type": entity_type, "entity_id": entity_id, "role": role, "file": None, "error": None}
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        place = await downloads.fetch(_resource(entity_type), entity_id, folder, role)
    except FileFailed as error:
        return told | {"error": {"code": error.why.code, "message": error.why.message}}
    except ApiError as error:
        if error.status != NONE:
            raise
        return told | {"error": {"code": error.code, "message": error.message}}
    return told | {"file": str(place)}


def _resource(entity_type: EntityName) -> str:
    """The word in its path."""
    return f"{entity_type.replace('_', '-')}s"


def _table(done: list[Row]) -> Any:
    rows = [[one["entity_type"], one["entity_id"], one["file"] or one["error"]["message"]] for one in done]
    return output.rows(("of", "id", "file"), rows)

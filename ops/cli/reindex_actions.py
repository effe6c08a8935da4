"""Reindex jobs, begun at the terminal and waited for.

The server does the work and knows where it is. Whoever stops waiting stops nothing, and whoever asks again joins in.
"""

import asyncio
from typing import Final

from models.search.reindex import Purpose, ReindexJob
from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.errors import CommandError
from ops.ingest import output

LOOKS: Final = (0.1, 1.0)  # seconds between two looks: soon at first, later seldom
PATIENCE: Final = 30.0  # seconds that a server may be away meanwhile


async def reindex(purpose: Purpose, *, repair: bool, detach: bool, as_json: bool) -> int:
    """Have a reindex job done and print what it found; 1 where documents are wrong that were left so.

    Raises:
        CommandError: the server refuses, or cannot be reached.
    """
    async with connected("admin", patience=PATIENCE) as client:
        found = await _begun(client, purpose, repair=repair)
        if not detach:
            found = await _ended(client, found)
    _print(found, as_json=as_json)
    return int(_wrong(found) > 0 and not found.repairing)


async def _begun(client: Client, purpose: Purpose, *, repair: bool) -> ReindexJob:
    """The one that is under way where it does what is wanted, else a new one."""
    found = (await client.get(_path(purpose), ReindexJob | None)).data  # type: ignore[arg-type]  # a union is no class
    if found and found.finished_at is None and not found.gentle and found.repairing == repair:
        return found
    asked = _path(purpose) + ("?repair=true" if purpose == "check" and repair else "")
    return (await client.post(asked, ReindexJob)).data


def _path(purpose: Purpose) -> str:
    return f"/api/v1/search/{purpose}"


async def _ended(client: Client, begun: ReindexJob) -> ReindexJob:
    """Look until it ends, with a line of progress.

    Raises:
        CommandError: somebody else began it anew.
    """
    found, pause = begun, LOOKS[0]
    with output.progress() as progress:
        line = progress.add_task(begun.purpose, total=begun.total, note="")
        while found.finished_at is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOKS[1])
            found = (await client.get(_path(begun.purpose), ReindexJob)).data
            progress.update(line, completed=min(found.done, found.total), note=_told(found))
            if found.started_at != begun.started_at:
                raise CommandError("Somebody began this anew; run the same command again to join in.")
    return found


def _wrong(found: ReindexJob) -> int:
    return found.missing + found.orphaned + found.stale


def _told(found: ReindexJob) -> str:
    wrong = f"{found.missing} missing, {found.stale} stale, {found.orphaned} orphaned"
    return f"{wrong}; put right" if _wrong(found) and found.repairing else wrong


def _print(found: ReindexJob, *, as_json: bool) -> None:
    if as_json:
        print(output.dump(found))
    elif found.finished_at is None:
        print(f"about {found.total} documents; under way")
    else:
        seconds = (found.finished_at - found.started_at).total_seconds()
        print(f"{found.done} documents in {seconds:.1f} s: {_told(found)}")

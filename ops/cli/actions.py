"""What the commands do with the server, and how they show it."""

import asyncio
import html
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from ops.cli import pauses
from ops.cli.sign_in import connected
from ops.client.errors import Unreachable
from ops.client.http import Client
from ops.errors import CommandError
from ops.ingest import junk, output
from ops.ingest.batch import Batch
from ops.ingest.junk import Junk
from ops.ingest.plan import LocalFile, Target, find
from ops.ingest.result import Result
from ops.ingest.run import Choices, Listener, ingest

PATIENCE = 30.0  # seconds that a server may be away in the middle of an ingest
VERIFYING = 3600.0  # seconds that computing all seals again may take, at some 80,000 changes a second
LONGEST = 100  # characters of what a change says
BESIDE = ("deleted_at", "deleted_by", "restored_at", "restored_by")  # the time and the actor of a change
Row = dict[str, Any]


async def ingest_paths(paths: Sequence[Path], target: Target, wish: Choices, *, create: bool, as_json: bool) -> int:
    """Ingest files and folders, then report; 1 if any of them failed.

    Raises:
        CommandError: the call makes no sense, or the server cannot be reached.
    """
    _check_target(target, create=create)
    skipped: Counter[Junk] = Counter()
    files = _found(paths, target, skipped)
    started, beside = time.monotonic(), sys.stderr if as_json else sys.stdout
    async with connected("editor", patience=PATIENCE) as client:
        results, batch = await _ingest(client, files, wish, beside)
    if skipped:
        print(junk.told(skipped), file=beside)
    _report(results, time.monotonic() - started, batch, as_json=as_json)
    return int(any(result.outcome in ("failed", "cancelled") for result in results))


def _check_target(target: Target, *, create: bool) -> None:
    if create == (target.entity_id is not None):
        raise CommandError("Say what the files are for: either --create, or --entity-id with the entity of one file.")
    if (create and target.entity_type == "episode") != (target.show_id is not None):
        raise CommandError("An episode is created in a show, and nothing else is: --entity-type episode, --show-id.")


def _found(paths: Sequence[Path], target: Target, skipped: Counter[Junk]) -> list[LocalFile]:
    if not paths:
        raise CommandError("Say which files or folders to ingest.")
    files = find(paths, target, skipped)
    if target.entity_id and len(files) > 1:
        raise CommandError(f"--entity-id takes one file, and there are {len(files)}: use --create for many.")
    return files


async def _ingest(
    client: Client, files: Sequence[LocalFile], wish: Choices, beside: TextIO
) -> tuple[list[Result], list[Batch]]:
    opened: list[Batch] = []

    def tell(batch: Batch) -> None:
        opened.append(batch)
        print(_named(batch), file=beside, flush=True)

    try:
        with output.Board(files) as board:
            listener = Listener(sent=board.sent, done=board.done, opened=tell)
            async with pauses.watched(client, wish.priority, board.paused):
                return await ingest(client, files, wish, listener), opened
    except Unreachable as error:
        raise CommandError(f"{error}. Run the same command again to continue.") from error
    except asyncio.CancelledError:
        for batch in opened[-1:]:
            print(f"episodes: stop what is queued with: episodes batches cancel {batch.batch_id}", file=sys.stderr)
        raise


def _named(batch: Batch) -> str:
    goes_on = f", which has {batch.total} jobs already" if batch.total else ""
    return f"batch {batch.name} ({batch.batch_id}){goes_on}"


def _report(results: Sequence[Result], seconds: float, batches: Sequence[Batch], *, as_json: bool) -> None:
    if as_json:
        print(output.as_json(results))
        return
    if results:
        output.console().print(output.table(results))
    for batch in batches:
        output.console().print(_named(batch))
    if told := output.empty(results):
        output.console().print(told)
    output.console().print(output.summary(results, seconds))


async def first(client: Client, path: str, limit: int, filters: Mapping[str, str | None]) -> tuple[list[Row], int]:
    """The first rows of a list, and how many there are."""
    rows: list[Row] = []
    total = 0
    async for page in client.pages(path, list[Row], limit=min(limit, 100), **filters):
        rows, total = rows + page.data, page.page.total
        if len(rows) >= limit:
            break
    return rows[:limit], total


async def list_changes(filters: Mapping[str, str | None], limit: int, *, as_json: bool) -> None:
    """Print the newest changes that match."""
    async with connected("admin") as client:
        rows, total = await first(client, "/api/v1/audit", limit, filters)
    if as_json:
        print(output.dump(rows))
        return
    names = ("row", "at", "actor", "action", "what", "change")
    output.console().print(output.rows(names, [_change_row(row) for row in rows]))
    output.console().print(f"{len(rows)} of {total} changes")


def _change_row(change: Row) -> list[object]:
    what, told = f"{change['entity_type']} {change['entity_id']}", _told(change)
    short = told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"
    return [change["audit_id"], change["at"], change["actor"], change["action"], what, short]


def _told(change: Row) -> str:
    """What it was, and what it became, on one line; when and by whom it was deleted or restored is told beside it."""
    before, after = change["before"] or {}, change["after"] or {}
    names = [name for name in {**before, **after} if name not in BESIDE]
    told = (f"{name}: {_one(before.get(name), after.get(name))}" for name in names)
    return "; ".join(told).replace("\n", " ")


def _one(before: object, after: object) -> str:
    return str(after) if before is None else f"{before} → {'nothing' if after is None else after}"


async def verify_audit(seal: str | None, *, as_json: bool) -> int:
    """Print whether the record of changes holds; 1 if it does not."""
    async with connected("admin", answering=VERIFYING) as client:
        verdict = (await client.get("/api/v1/audit/verify", Row, seal=seal)).data
    print(output.dump(verdict) if as_json else _verdict(verdict))
    return 0 if verdict["intact"] else 1


def _verdict(verdict: Row) -> str:
    held = f"{verdict['rows']} changes in {verdict['seals']} seals hold"
    if verdict["intact"]:
        last = f"\nLast seal: {verdict['last_seal']}" if verdict["last_seal"] else ""
        redacted = f"; {verdict['redacted']} are redacted" if verdict["redacted"] else ""
        return f"{held}{redacted}; {verdict['unsealed']} are not sealed yet.{last}"
    broken = verdict["broken"]
    subject, _, was = broken["what"].partition(" ")
    what = f"Row {broken['audit_id']} was {was}, in seal" if subject == "row" else f"Somebody {was} seal"
    made = f" of {broken['sealed_at']}" if broken["sealed_at"] else ""
    return f"{what} {broken['seal_id']}{made}. {held} before it."


async def search(query: str, limit: int, *, as_json: bool) -> None:
    """Print what is found, the best first."""
    async with connected("viewer") as client:
        rows, total = await first(client, "/api/v1/search", limit, {"q": query})
    if as_json:
        print(output.dump(rows))
        return
    columns = ("entity_type", "title", "snippet", "entity_id")
    found = [[_plain(row.get(column)) for column in columns] for row in rows]
    output.console().print(output.rows(("type", "title", "snippet", "id"), found))
    output.console().print(f"{len(rows)} of {total} found")


def _plain(said: object) -> str:
    """Text without the marks and escapes of HTML that a snippet has."""
    return html.unescape(re.sub(r"</?mark>", "", str(said or "")))

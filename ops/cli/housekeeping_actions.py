"""What the commands ``episodes housekeeping …`` do with the server, and how they show it."""

import asyncio
from typing import Any, Final

from ops.cli.actions import first
from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.ingest import output

TASKS: Final = "/api/v1/housekeeping"
INTEGRITY: Final = "/api/v1/integrity"
PATIENCE: Final = 30.0  # seconds that a server may be away while a run is awaited
LOOKS: Final = 0.2  # seconds between two looks
FINDING: Final = ("kind", "entity_type", "entity_id", "file_reference", "found_at")
ORPHAN: Final = ("file_size", "ours", "modified_at", "found_at")
Row = dict[str, Any]


async def list_tasks(*, as_json: bool) -> None:
    """Print all tasks."""
    async with connected("admin") as client:
        found = (await client.get(TASKS, list[Row])).data
    if as_json:
        print(output.dump(found))
        return
    names = ("task", "next run", "last run", "ended", "result")
    output.console().print(output.rows(names, [_task_row(row) for row in found]))


def _task_row(task: Row) -> list[object]:
    last, paused = task["last_run"], task["paused"]
    following = f"paused until {paused['until']}" if paused else task["next_run_at"]
    if last is None:
        return [task["task"], following, "never", None, None]
    return [task["task"], following, last["status"], last["finished_at"], _told(last)]


def _told(run: Row) -> str:
    if run["error"]:
        return f"{run['error']['code']}: {run['error']['message']}"
    return ", ".join(f"{number} {name}" for name, number in run["result"].items())


async def run_task(task: str, *, detach: bool, as_json: bool) -> int:
    """Run a task, and unless told otherwise wait for it and print what it did; 1 where it failed."""
    async with connected("admin", patience=PATIENCE) as client:
        posted = (await client.post(f"{TASKS}/{task}/run", Row)).data
        run = posted if detach else await _ended(client, task, posted)
    if as_json:
        print(output.dump(run))
    else:
        print(f"{task}: {run['status']}" + (f", {_told(run)}" if _told(run) else ""))
    return int(run["status"] in ("failed", "cancelled"))


async def _ended(client: Client, task: str, run: Row) -> Row:
    """The run once it has ended."""
    while run["finished_at"] is None:
        await asyncio.sleep(LOOKS)
        last = (await client.get(f"{TASKS}/{task}", Row)).data["last_run"]
        if last["job_id"] != run["job_id"]:  # it ended, and left some of its work to this one
            return await _ended(client, task, last)
        run = last
    return run


async def pause(task: str, reason: str, until: str | None, *, as_json: bool) -> None:
    """Hold a task back."""
    async with connected("admin") as client:
        made = (await client.post(f"{TASKS}/{task}/pause", Row, {"reason": reason, "until": until})).data
    print(output.dump(made) if as_json else f"{task} is paused until {made['paused']['until']}")


async def resume(task: str, *, as_json: bool) -> None:
    """Let a task go on."""
    async with connected("admin") as client:
        made = (await client.post(f"{TASKS}/{task}/resume", Row)).data
    print(output.dump(made) if as_json else f"{task} goes on; its next run is at {made['next_run_at']}")


async def list_orphans(limit: int, *, as_json: bool) -> None:
    """Print objects that nothing refers to."""
    async with connected("admin") as client:
        found = (await client.get(f"{TASKS}/orphan-objects/found", list[Row], limit=min(limit, 1000))).data
    if as_json:
        print(output.dump(found))
        return
    rows = [[f"s3://{row['bucket']}/{row['key']}", *(row[name] for name in ORPHAN)] for row in found]
    output.console().print(output.rows(("object", "bytes", "ours", "modified", "found"), rows))


async def integrity(limit: int, *, as_json: bool) -> int:
    """Print how the stored files are; 1 where some are corrupt or missing."""
    async with connected("admin") as client:
        found = (await client.get(INTEGRITY, Row)).data
        findings, _ = await first(client, f"{INTEGRITY}/findings", limit, {})
    if as_json:
        print(output.dump(found | {"findings": findings}))
    else:
        _print(found, findings)
    return int(found["corrupt"] + found["missing"] > 0)


def _print(found: Row, findings: list[Row]) -> None:
    if findings:
        rows = [[row[name] for name in FINDING] for row in findings]
        output.console().print(output.rows(("", "entity", "id", "file", "found"), rows))
    wrong = f"{found['corrupt']} corrupt, {found['missing']} missing"
    print(f"{found['files']} files: {wrong}, {found['overdue']} not read in time")

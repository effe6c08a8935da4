"""What ``episodes status`` and ``episodes log-level`` do with the server, and how they show it."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from ops.cli import durations, pauses
from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.errors import CommandError
from ops.ingest import output

STATUS: Final = "/api/v1/status"
LOOKS: Final = 2.0  # seconds between two looks
Row = dict[str, Any]


async def status(*, watch: bool, as_json: bool) -> int:
    """Print how everything stands; 1 where something needs attention. Watched, again and again, until interrupted."""
    async with connected("viewer") as client:
        if watch:
            return await _watch(client, as_json=as_json)
        found = await _look(client)
    print(output.dump(found)) if as_json else output.console().print(view(found))
    return int(bool(found["problems"]))


async def _look(client: Client) -> Row:
    return (await client.get(STATUS, Row)).data


async def _watch(client: Client, *, as_json: bool) -> int:
    """On a terminal in one place; else one look after the other, and with ``--json`` each on a line."""
    with Live(console=output.console(), auto_refresh=False, screen=sys.stdout.isatty() and not as_json) as live:
        while True:
            try:
                found = await _look(client)
                shown = msgspec.json.encode(found).decode() if as_json else view(found)
            except CommandError as error:  # it may be back at the next look
                found, shown = {}, str(error)
            if sys.stdout.isatty() and not as_json:
                live.update(shown, refresh=True)
            else:
                print(shown, flush=True) if isinstance(shown, str) else output.console().print(shown)
            await asyncio.sleep(LOOKS)


def view(found: Row) -> RenderableType:
    """All of it as tables, what is wrong first."""
    return Group(*_parts(found))


def _parts(found: Row) -> Iterator[RenderableType]:
    wrong = found["problems"]
    yield Text("attention" if wrong else "healthy", style="bold red" if wrong else "bold green")
    yield from (Text(f"  {problem}", style="red") for problem in wrong)
    yield from (Text(pauses.line(pause), style="yellow") for pause in found["pauses"])
    yield output.rows(("service", "state", "ms"), [_service(*one) for one in found["services"].items()])
    yield output.rows(("program", "name", "version", "state", "since", "does"), list(_processes(found)))
    queues = ("priority", "waiting", "running", "oldest", "in/min", "out/min", "done in", "at most", "paused until")
    yield output.rows(queues, [_queue(one) for one in found["queues"]])
    if found["failures"]:
        failures = [[one["error_code"], one["jobs"]] for one in found["failures"]]
        yield output.rows(("failed within the hour", "jobs"), failures)
    yield output.rows(("housekeeping", "last success", "last run", "next run"), [*map(_task, found["housekeeping"])])
    yield Text(_upkeep(found))


def _service(name: str, one: Row) -> list[object]:
    return [name, one["state"], one["latency_ms"]]


def _processes(found: Row) -> Iterator[list[object]]:
    for program, kind in (("api", "apis"), ("dispatcher", "dispatchers"), ("worker", "workers")):
        for one in found[kind]:
            yield [program, one["name"], one["version"], one["state"], one["started_at"], _size(one)]
            for does, since in _doings(one):
                yield ["", "", "", "", since, does]


def _size(one: Row) -> str:
    threads, decoders = one.get("threads"), one.get("decoders")
    busy = f", {one['decoders_busy']} of {decoders} decoders busy" if decoders else ""
    working = f"{len(one['working_on'])} of {threads} threads at work" if "working_on" in one else ""
    return working + busy


def _doings(one: Row) -> Iterator[tuple[str, str]]:
    """What is at work, and what is hindered; loops of a dispatcher that go well are not worth a line."""
    for job in one.get("working_on", []):
        yield f"{job['stage']} of {job['entity_type']} {job['entity_id']}, job {job['job_id']}", job["since"]
    for loop in one.get("loops", []):
        if loop["error"]:
            yield f"{loop['name']} waits: {loop['error']}", loop["since"]


def _queue(one: Row) -> list[object]:
    estimate = one["estimate_seconds"]
    done_in = durations.shown(estimate) if estimate is not None else "unknown"
    rates = [f"{one['in_per_minute']:.1f}", f"{one['out_per_minute']:.1f}"]
    oldest = durations.shown(one["oldest_seconds"])
    counts = [one["priority"], one["waiting"], one["running"], oldest]
    return [*counts, *rates, done_in, one["concurrency"], one["paused_until"]]


def _task(one: Row) -> list[object]:
    paused = f"paused until {one['paused_until']}" if one["paused_until"] else one["next_run_at"]
    return [one["task"], one["last_success_at"] or "never", one["last_status"], paused]


def _upkeep(found: Row) -> str:
    seal, backup, level = found["last_seal"], found["backup"], found["log_level"]
    if found["search"] is None:
        return "the database does not answer: no more is known"
    lines = [
        f"search: {found['search']['pending']} changes wait",
        f"last seal of the audit log: {seal['sealed_at'] if seal else 'none'}",
        f"last backup: {backup['finished_at'] if backup else 'none is configured'}",
    ]
    if level["level"]:
        lines.append(f"log level: {level['level']} until {level['until']} by {level['set_by']}")
    return "\n".join(lines)


async def log_level(level: str | None, until: str | None, *, as_json: bool) -> None:
    """Set the log level of all programs, or let each go back to its own."""
    async with connected("admin") as client:
        made = (await client.put(f"{STATUS}/log-level", Row, {"level": level, "until": until})).data
    told = f"all programs log {level} until {made['until']}" if level else "each program logs at its own LOG_LEVEL"
    print(output.dump(made) if as_json else told)

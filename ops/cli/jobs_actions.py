"""What the commands ``episodes jobs …`` do with the server, and how they show it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

from models.jobs.types import Priority
from ops.cli import pauses
from ops.cli.actions import first
from ops.cli.sign_in import connected
from ops.client.http import Client
from ops.errors import CommandError
from ops.ingest import output

PRIORITIES: Final = get_args(Priority)
ATTEMPT: Final = ("stage", "attempt", "worker", "started_at", "finished_at", "result")
PAUSE: Final = ("reason", "paused_by", "paused_at", "until")
PRIORITY: Final = ("concurrency", "running", "waiting", "paused_until")
JOBS: Final = "/api/v1/ingest"
Row = dict[str, Any]
Filters = Mapping[str, str | None]


async def list_jobs(filters: Filters, limit: int, *, as_json: bool) -> None:
    """Print the newest jobs that match."""
    async with connected("viewer") as client:
        rows, total = await first(client, JOBS, limit, filters)
        held_back = [] if as_json else await pauses.lines(client)
    if as_json:
        print(output.dump(rows))
        return
    names = ("job", "file", "status", "stage", "entity", "error", "created")
    output.console().print(output.rows(names, [_job_row(row) for row in rows]))
    output.console().print(f"{len(rows)} of {total} jobs")
    _print_lines(held_back)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        output.console().print(line)


def _job_row(job: Row) -> list[object]:
    status = f"{job['status']}, {job['outcome']}" if job["outcome"] else job["status"]
    entity = f"{job['entity_type']} {job['entity_id']}"
    return [job["job_id"], job["file_name"], status, job["stage"], entity, _error(job["error"]), job["created_at"]]


def _error(error: Row | None) -> str | None:
    return f"{error['code']}: {error['message']}" if error else None


async def stats(filters: Filters, *, as_json: bool) -> None:
    """Print how many jobs there are, and how many failed in which way."""
    async with connected("viewer") as client:
        found = (await client.get(f"{JOBS}/stats", Row, **filters)).data
        held_back = [] if as_json else await pauses.lines(client)
    if as_json:
        print(output.dump(found))
        return
    for title, counts in found.items():
        if counts:
            name = title.removeprefix("failed_by_") if title != "statuses" else "status"
            failed = "failed" if title.startswith("failed") else "jobs"
            output.console().print(output.rows((name.replace("_", " "), failed), [[*_turned(row)] for row in counts]))
    _print_lines(held_back)


def _turned(count: Row) -> list[object]:
    (value,) = (value for name, value in count.items() if name != "jobs")
    return [value or "none", count["jobs"]]


async def show(job_id: str, *, as_json: bool) -> None:
    """Print one job with its stages and attempts."""
    async with connected("viewer") as client:
        job = (await client.get(f"{JOBS}/{job_id}", Row)).data
        attempts = (await client.get(f"{JOBS}/{job_id}/attempts", list[Row])).data
    if as_json:
        print(output.dump(job | {"attempts_made": attempts}))
        return
    _print_job(job)
    made = [[*(attempt[name] for name in ATTEMPT), _error(attempt["error"])] for attempt in attempts]
    output.console().print(output.rows((*ATTEMPT, "error"), made))


def _print_job(job: Row) -> None:
    original = job["duplicate_of"]
    told = {
        "error": _error(job["error"]),
        "duplicate_of": original and f"{original['entity_type']} {original['entity_id']}",
    }
    plain = [(name, value) for name, value in (job | told).items() if name != "stages"]
    output.console().print(output.rows(("job", ""), plain))
    columns = ("name", "status", "attempts", "started_at", "finished_at", "seconds")
    stages = [[stage.get(column) for column in columns] for stage in job.get("stages") or []]
    output.console().print(output.rows(("stage", *columns[1:]), stages))


async def change(verb: Literal["retry", "cancel"], job_id: str | None, filters: Filters, *, as_json: bool) -> None:
    """Retry or cancel a job and print it, or all jobs that match and print how many.

    Raises:
        CommandError: where neither or both are named.
    """
    wanted = {name: value for name, value in filters.items() if value is not None}
    if (job_id is None) == (not wanted):
        raise CommandError(f"Say which jobs to {verb}: either one JOB_ID, or a filter such as --error-code.")
    async with connected("editor" if job_id else "admin") as client:
        done = await (_one(client, verb, job_id) if job_id else _all(client, verb, wanted))
    if as_json:
        print(output.dump(done))
    elif job_id:
        _print_job(done)
    else:
        print(", ".join(f"{number} {name}" for name, number in done.items()))


async def _one(client: Client, verb: str, job_id: str) -> Row:
    return (await client.post(f"{JOBS}/{job_id}/{verb}", Row)).data


async def _all(client: Client, verb: str, wanted: dict[str, str]) -> Row:
    return (await client.post(f"{JOBS}/{verb}", Row, {"filter": wanted})).data


async def reprocess(filters: Filters, *, as_json: bool) -> None:
    """Ask for pictures to be made again, and print how many jobs that is."""
    wanted = {name: value for name, value in filters.items() if value is not None}
    async with connected("admin") as client:
        done = (await client.post(f"{JOBS}/reprocess", Row, {"filter": wanted})).data
    if as_json:
        print(output.dump(done))
        return
    print(f"{done['queued']} queued, {done['skipped']} waited or ran already")
    if done["queued"]:
        print(f"see how far it is: episodes batches show {done['batch_id']}")


async def pause(name: str, reason: str, until: str | None, *, as_json: bool) -> None:
    """Hold back a priority or a stage and print the pause."""
    body = {"priority" if name in PRIORITIES else "stage": name, "reason": reason, "until": until}
    async with connected("admin") as client:
        made = (await client.post(f"{JOBS}/pauses", Row, body)).data
    print(output.dump(made) if as_json else f"{name} is paused until {made['until']}")


async def resume(name: str, *, as_json: bool) -> None:
    """Let a priority or a stage go on."""
    async with connected("admin") as client:
        await client.delete(f"{JOBS}/pauses/{name}")
    print(output.dump({"resumed": name}) if as_json else f"{name} goes on")


async def list_pauses(*, as_json: bool) -> None:
    """Print what is held back."""
    async with connected("viewer") as client:
        found = (await client.get(pauses.PATH, list[Row])).data
    if as_json:
        print(output.dump(found))
        return
    rows = [[row["priority"] or row["stage"], *(row[name] for name in PAUSE)] for row in found]
    output.console().print(output.rows(("paused", "reason", "by", "since", "until"), rows))


async def list_priorities(*, as_json: bool) -> None:
    """Print the priorities and what they have under way."""
    async with connected("admin") as client:
        found = (await client.get(f"{JOBS}/priorities", list[Row])).data
        held_back = [] if as_json else await pauses.lines(client)
    if as_json:
        print(output.dump(found))
        return
    rows = [[row["priority"], *(row[name] for name in PRIORITY)] for row in found]
    output.console().print(output.rows(("priority", "at most", "running", "waiting", "paused until"), rows))
    _print_lines(held_back)


async def limit(priority: str, concurrency: int | None, *, as_json: bool) -> None:
    """Bound a priority, or free it."""
    async with connected("admin") as client:
        made = (await client.put(f"{JOBS}/priorities/{priority}", Row, {"concurrency": concurrency})).data
    most = "as many as the workers can" if concurrency is None else f"at most {concurrency}"
    print(output.dump(made) if as_json else f"{priority}: {most} at once")

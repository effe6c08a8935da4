"""The schedule of housekeeping: which task is due, which job does it, what came of it.

A run is a job on the ledger, with its claims, leases, retries and attempts. A task has one at a time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta, Struct, convert, json

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Conflict, Invalid, NotFound
from models.housekeeping import TaskName
from models.jobs.predicates import LEASED
from models.jobs.types import JobFailure, Status

# What each task does, for people. Their rows, with the seconds between two runs, are in the schedule.
TASKS: Final[Mapping[TaskName, str]] = {
    "expired-uploads": "Give up uploads in parts that nobody completed in time.",
    "orphan-objects": "List objects in the storage that nothing refers to; remove them after a grace time.",
    "trash": "Remove rows from the trash for good that have been there for longer than is kept.",
    "idempotency-keys": "Forget answers to Idempotency-Keys that are not promised any more.",
    "finished-jobs": "Forget jobs that ended well, or were cancelled, long ago, and deliveries of webhooks.",
    "search-check": "Compare every search document with what it should say, and put it right.",
    "integrity": "Read stored files again, and tell which are gone or not what they were.",
}


class NewTaskPause(Struct, forbid_unknown_fields=True):
    """Why a task is held back, and until when: an hour from now if nothing is said."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    until: datetime | None = None


class TaskPause(Struct):
    """Why a task is held back, by whom and until when."""

    reason: str
    paused_by: str
    until: datetime


class TaskRun(Struct):
    """A run of a task: a job, and what it has done so far, by name."""

    job_id: UUID
    status: Status
    attempts: int
    result: dict[str, int]
    error: JobFailure | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Task(Struct):
    """A task, when it runs next, and its last run; ``runs`` are those on the ledger, by their status."""

    task: str
    task_id: UUID
    description: str
    every_seconds: int
    next_run_at: datetime
    paused: TaskPause | None
    last_run: TaskRun | None
    runs: dict[str, int]


_RUN: Final = """
    jsonb_build_object('job_id', job_id, 'status', status, 'attempts', attempts, 'result', coalesce(result, '{}'),
        'error', case when error_code is not null
                     then jsonb_build_object('code', error_code, 'message', coalesce(error_message, '')) end,
        'created_by', created_by, 'created_at', created_at, 'started_at', started_at, 'finished_at', finished_at)
"""
_TASK: Final = f"""
    select jsonb_build_object('task', task, 'task_id', task_id, 'description', '', 'every_seconds', every_seconds,
        'next_run_at', next_run_at,
        'paused', case when paused_until > clock_timestamp() then jsonb_build_object(
            'reason', pause_reason, 'paused_by', paused_by, 'until', paused_until) end,
        'last_run', (select {_RUN} from ingest_jobs where entity_id = task_id order by job_id desc limit 1),
        'runs', (select coalesce(jsonb_object_agg(status, number), '{{}}') from
            (select status, count(*) as number from ingest_jobs where entity_id = task_id group by status) as counted))
    from housekeeping_tasks
"""


async def read_all(connection: Connection) -> list[Task]:
    """All tasks, the one that runs next first."""
    rows = await db.tuples(connection, f"{_TASK} order by next_run_at, task".encode())
    return [_task(row) for (row,) in rows]


async def read(connection: Connection, task: str) -> Task:
    """One task.

    Raises:
        NotFound: naming it.
    """
    found = await db.value(connection, f"{_TASK} where task = %s".encode(), [task])
    if found is None:
        raise NotFound(f"there is no housekeeping task '{task}'; there are {', '.join(TASKS)}", field="task")
    return _task(found)


def _task(row: dict[str, Any]) -> Task:
    return convert(row | {"description": TASKS.get(row["task"], "")}, Task)


_POST: Final = """
    insert into ingest_jobs (kind, entity_type, entity_id, role, source_reference, on_duplicate, priority, stage,
                             request_id, created_by)
    select 'housekeeping', 'housekeeping', task_id, 'primary', task, 'link', 'batch', 'housekeeping', {request_id},
           {created_by}
    from {tasks}
    on conflict (kind, entity_type, entity_id) where kind <> 'ingest' and status in ('queued', 'running') do nothing
    returning job_id, entity_id, source_reference
"""
# Of several dispatchers one locks the row that is due; whoever comes next sees it moved on. What was missed is made up
# for once. A task whose last run has not ended waits for its next turn.
_FIRE: Final = f"""
    with due as (
        select task, task_id from housekeeping_tasks
        where next_run_at <= clock_timestamp() and (paused_until is null or paused_until <= clock_timestamp())
        order by next_run_at for update skip locked
    ), moved as (
        update housekeeping_tasks as task set next_run_at = clock_timestamp() + make_interval(secs => every_seconds)
        from due where task.task = due.task
    ), made as (
        {_POST.format(request_id="uuidv7()::text", created_by="'housekeeping'", tasks="due")}
    ), woken as (
        select pg_notify('jobs', '') from (select from made limit 1) as any_made
    )
    select coalesce(array_agg(source_reference), '{{}}'), (select count(*) from woken) from made
"""


async def fire(connection: Connection) -> list[str]:
    """Post the jobs of tasks that are due, in one statement; the tasks' names."""
    fired: list[str] = await db.value(connection, _FIRE)
    return fired


_NAMED: Final = "housekeeping_tasks where task = %(task)s"
_NOW: Final = f"""
    with made as (
        {_POST.format(request_id="%(request_id)s", created_by="%(actor)s", tasks=_NAMED)}
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, after, request_id, job_id)
        select %(actor)s, 'run', 'housekeeping', entity_id, jsonb_build_object('task', source_reference),
               %(request_id)s, made.job_id
        from made
    )
    select pg_notify('jobs', '') from made
"""


async def run_now(connection: Connection, actor: Actor, task: str) -> TaskRun:
    """Post a job for a task beside its schedule; where one is queued or running, that one counts.

    Raises:
        NotFound: naming the task.
        Conflict: where it is paused.
    """
    known = await read(connection, task)
    if known.paused:
        raise Conflict(f"{task} is paused until {known.paused.until.isoformat()}: {known.paused.reason}")
    await db.execute(connection, _NOW.encode(), actor.params() | {"task": task})
    posted = (await read(connection, task)).last_run
    assert posted is not None  # noqa: S101  (it is on the ledger)
    return posted


async def pause(connection: Connection, actor: Actor, task: str, new: NewTaskPause) -> Task:
    """Begin no run of a task for a while; one that runs ends.

    Raises:
        NotFound: naming the task.
        Invalid: where the pause is over before it begins.
    """
    await read(connection, task)
    query = """
        with paused as (
            update housekeeping_tasks set paused_until = until, paused_by = %(actor)s, pause_reason = %(reason)s
            from (select coalesce(%(until)s::timestamptz, clock_timestamp() + interval '1 hour') as until) as wanted
            where task = %(task)s and until > clock_timestamp()
            returning task, task_id, paused_until
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
            select %(actor)s, 'pause', 'housekeeping', task_id,
                   jsonb_build_object('task', task, 'reason', %(reason)s::text, 'until', paused_until), %(request_id)s
            from paused
        )
        select task from paused
    """
    sent = actor.params() | {"task": task, "reason": new.reason, "until": new.until}
    if await db.value(connection, query, sent) is None:
        raise Invalid("this time is over already", field="until")
    return await read(connection, task)


async def resume(connection: Connection, actor: Actor, task: str) -> Task:
    """Let a task go on as it is scheduled.

    Raises:
        NotFound: where there is no such task, or it is not paused.
    """
    known = await read(connection, task)
    query = """
        with resumed as (
            update housekeeping_tasks set paused_until = null, paused_by = null, pause_reason = null
            where task = %(task)s and paused_until > clock_timestamp()
            returning task, task_id, old.paused_until, old.pause_reason
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, before, request_id)
            select %(actor)s, 'resume', 'housekeeping', task_id,
                   jsonb_build_object('task', task, 'reason', pause_reason, 'until', paused_until), %(request_id)s
            from resumed
        )
        select task from resumed
    """
    if await db.value(connection, query, actor.params() | {"task": task}) is None:
        raise NotFound(f"{known.task} is not paused", field="task")
    return await read(connection, task)


async def note(connection: Connection, job_id: UUID, result: Mapping[str, int]) -> None:
    """Write down what a run has done so far."""
    query = f"update ingest_jobs as job set result = %s::jsonb where job_id = %s and {LEASED}"
    await db.execute(connection, query.encode(), [json.encode(result).decode(), job_id])


async def position(connection: Connection, task: str) -> dict[str, str] | None:
    """Where a walk stands; None before its beginning."""
    query = "select position from housekeeping_tasks where task = %s"
    found: dict[str, str] | None = await db.value(connection, query, [task])
    return found


async def move(connection: Connection, task: str, place: dict[str, str] | None) -> None:
    """Let a walk stand there; None after its end."""
    text = json.encode(place).decode() if place else None
    await db.execute(connection, "update housekeeping_tasks set position = %s::jsonb where task = %s", [text, task])


async def again(connection: Connection, task: str) -> None:
    """There is more to do: the next run is due at once."""
    query = "update housekeeping_tasks set next_run_at = least(next_run_at, clock_timestamp()) where task = %s"
    await db.execute(connection, query, [task])


async def report(connection: Connection, actor: Actor, task_id: UUID, done: Mapping[str, int]) -> None:
    """Say in the audit log what a run changed."""
    query = """
        insert into audit_log (actor, action, entity_type, entity_id, after, request_id, job_id)
        values (%(actor)s, 'run', 'housekeeping', %(task_id)s, %(done)s::jsonb, %(request_id)s, %(job_id)s)
    """
    sent = actor.params() | {"task_id": task_id, "done": json.encode(done).decode()}
    await db.execute(connection, query, sent)

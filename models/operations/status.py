"""One look at everything that runs and waits."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct, convert

from models.db import connection as db
from models.db.connection import Connection
from models.errors import ErrorCode
from models.jobs import pauses, priorities
from models.jobs.pauses import Pause
from models.jobs.predicates import COUNTED_AS_LEASED
from models.jobs.types import Priority, Stage, Status, Subject
from models.operations import log_level, processes
from models.operations.log_level import LogLevel
from models.operations.processes import Loop, ProcessState, State

RATE_SECONDS: Final = 300  # over which rates are taken


class ApiState(Struct):
    """A process that answers clients; it is gone where its heart has not beaten for 12 seconds."""

    name: str
    host: str
    pid: int
    version: str
    commit: str | None
    state: State
    started_at: datetime
    beat_at: datetime


class DispatcherState(ApiState):
    """A dispatcher, and what each of its loops does since when; ``error`` is what keeps one from its work."""

    threads: int | None
    loops: list[Loop]


class WorkingOn(Struct):
    """What a thread of a worker does, and since when."""

    job_id: UUID
    stage: Stage
    attempt: int
    priority: Priority
    entity_type: Subject
    entity_id: UUID
    source_reference: str
    since: datetime


class WorkerState(ApiState):
    """A worker: its threads, its decoders and how many of them were busy at its last beat, what its threads do."""

    threads: int | None
    decoders: int | None
    decoders_busy: int | None
    working_on: list[WorkingOn]


class Queue(Struct):
    """A priority: what waits and runs, how much came and ended a minute, in the last five.

    ``estimate_seconds`` is when the queue is empty if it goes on like that and nothing comes; null where nothing ended.
    """

    priority: Priority
    waiting: int
    running: int
    oldest_seconds: float
    in_per_minute: float
    out_per_minute: float
    estimate_seconds: float | None
    concurrency: int | None
    limited_by: str | None
    limited_at: datetime | None
    paused_until: datetime | None


class Failures(Struct):
    """How many jobs failed in the last hour for this reason."""

    error_code: ErrorCode
    jobs: int


class Seal(Struct):
    """The last seal of the audit log."""

    seal_id: int
    sealed_at: datetime


class SearchState(Struct):
    """Changes that search has not seen, and the age of the oldest one."""

    pending: int
    lag_seconds: float


class TaskState(Struct):
    """A task of housekeeping: its last run that ended well, how the last one stands, when the next one is due."""

    task: str
    last_success_at: datetime | None
    last_status: Status | None
    next_run_at: datetime
    paused_until: datetime | None


class Backup(Struct):
    """The last copy that the database has put away (its archived write-ahead log)."""

    finished_at: datetime
    age_seconds: float


class Ledger(Struct):
    """All that the database knows of what runs and waits; empty, and null for search, where it does not answer."""

    apis: list[ApiState]
    dispatchers: list[DispatcherState]
    workers: list[WorkerState]
    queues: list[Queue]
    pauses: list[Pause]
    failures: list[Failures]
    search: SearchState | None
    last_seal: Seal | None
    housekeeping: list[TaskState]
    backup: Backup | None
    log_level: LogLevel


NOTHING_KNOWN: Final = Ledger([], [], [], [], [], [], None, None, [], None, LogLevel(None))


async def read(connection: Connection) -> Ledger:
    """A few small statements; many who ask share the answer (``models.throttled``)."""
    running = await processes.read_all(connection)
    search = await db.row(connection, SearchState, _SEARCH)
    assert search is not None  # noqa: S101
    return Ledger(
        apis=[ApiState(*_who(one)) for one in running if one.program == "api"],
        dispatchers=[_dispatcher(one) for one in running if one.program == "dispatcher"],
        workers=await _workers(connection, [one for one in running if one.program == "worker"]),
        queues=await _queues(connection),
        pauses=await pauses.read_all(connection),
        failures=await db.rows(connection, Failures, _FAILURES),
        search=search,
        last_seal=await db.row(connection, Seal, "select seal_id, sealed_at from audit_seals order by 1 desc limit 1"),
        housekeeping=await db.rows(connection, TaskState, _TASKS),
        backup=await db.row(connection, Backup, _BACKUP),
        log_level=await log_level.read(connection),
    )


_SEARCH: Final = """
    select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox
"""
_FAILURES: Final = """
    select error_code, count(*) from ingest_jobs
    where finished_at > (select clock_timestamp() - interval '1 hour') and status = 'failed' and error_code is not null
    group by error_code order by 2 desc, 1
"""
_TASKS: Final = """
    select task,
           (select max(finished_at) from ingest_jobs where entity_id = task_id and status = 'succeeded'),
           (select status from ingest_jobs where entity_id = task_id order by job_id desc limit 1),
           next_run_at, case when paused_until > clock_timestamp() then paused_until end
    from housekeeping_tasks order by task
"""
_BACKUP: Final = """
    select last_archived_time, extract(epoch from clock_timestamp() - last_archived_time)::float8
    from pg_stat_archiver where last_archived_time is not null
"""


def _dispatcher(one: ProcessState) -> DispatcherState:
    return DispatcherState(*_who(one), one.threads, convert(one.loops, list[Loop]))


def _who(one: ProcessState) -> tuple[str, str, int, str, str | None, State, datetime, datetime]:
    return one.name, one.host, one.pid, one.version, one.commit, one.state, one.started_at, one.beat_at


class _Held(WorkingOn):
    worker: str


_HELD: Final = f"""
    select job_id, job.stage, attempts, priority, entity_type, entity_id, source_reference, made.started_at, worker
    from ingest_jobs as job join ingest_attempts as made using (job_id, fence)
    where {COUNTED_AS_LEASED} order by made.started_at
""".encode()


async def _workers(connection: Connection, running: list[ProcessState]) -> list[WorkerState]:
    """What a worker does is what it holds by the ledger: also what a dead one holds, until its lease runs out."""
    held = await db.rows(connection, _Held, _HELD)
    return [_worker(one, [_plain(job) for job in held if job.worker == one.name]) for one in running]


def _worker(one: ProcessState, held: list[WorkingOn]) -> WorkerState:
    return WorkerState(*_who(one), one.threads, one.decoders, one.decoders_busy, held)


def _plain(job: _Held) -> WorkingOn:
    return WorkingOn(*(getattr(job, name) for name in WorkingOn.__struct_fields__))


class _Rate(Struct):
    priority: Priority
    oldest_seconds: float
    came: int
    ended: int


# Where the last minutes begin is found out once, not for each row, so that the indexes of ids and ends are used.
_RATES: Final = f"""
    select priority,
           (select coalesce(extract(epoch from clock_timestamp() - min(coalesce(retried_at, created_at))), 0)::float8
            from ingest_jobs as job where job.priority = ingest_priorities.priority and status = 'queued'),
           coalesce(came.jobs, 0), coalesce(ended.jobs, 0)
    from ingest_priorities
    left join (select priority, count(*) as jobs from ingest_jobs
               where job_id > (select uuidv7(interval '-{RATE_SECONDS} seconds'))
               group by priority) as came using (priority)
    left join (select priority, count(*) as jobs from ingest_jobs
               where finished_at > (select clock_timestamp() - interval '{RATE_SECONDS} seconds')
               group by priority) as ended using (priority)
""".encode()


async def _queues(connection: Connection) -> list[Queue]:
    rates = {rate.priority: rate for rate in await db.rows(connection, _Rate, _RATES)}
    return [_queue(one, rates[one.priority]) for one in await priorities.read_all(connection)]


def _queue(one: priorities.PriorityState, rate: _Rate) -> Queue:
    return Queue(
        priority=one.priority,
        waiting=one.waiting,
        running=one.running,
        oldest_seconds=round(rate.oldest_seconds, 1),
        in_per_minute=rate.came * 60 / RATE_SECONDS,
        out_per_minute=rate.ended * 60 / RATE_SECONDS,
        estimate_seconds=_estimate(one.waiting + one.running, rate.ended / RATE_SECONDS),
        concurrency=one.concurrency,
        limited_by=one.updated_by,
        limited_at=one.updated_at,
        paused_until=one.paused_until,
    )


def _estimate(jobs: int, a_second: float) -> float | None:
    """Seconds until so many jobs have ended."""
    if jobs == 0:
        return 0.0
    return round(jobs / a_second, 1) if a_second else None

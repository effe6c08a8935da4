"""The table of what may happen to a job, held against what its functions do in each state."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test as run_machine

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Fault, Rejected
from models.housekeeping import schedule, trash
from models.jobs import (
    TRANSITIONS,
    claims,
    dispatch,
    expired_leases,
    pauses,
    priorities,
    reprocessing,
    retention,
    transitions,
)
from models.jobs.claims import CLAIMED_COLUMNS, Claimed, Holder
from models.jobs.endings import Advanced, Ending, Failed, Postponed, Probed, Succeeded, end
from models.jobs.pauses import NewPause
from models.jobs.priorities import ConcurrencyLimit
from models.jobs.reprocessing import ReprocessFilter
from models.jobs.types import NewJob, Status
from models.media import files
from models.media.types import Media
from models.settings import load
from tests.models.jobs.test_state_machine import JobMachine
from tests.stack import own_database

Act = Callable[[Connection, Claimed], Awaitable[object]]
WHO: Final = Actor("tester", "request")
HOLDER: Final = Holder("worker", 30.0)
NEW: Final = NewJob("clip", uuid4(), "s3://episodes-media/clip/a.jpg")
PROBED: Final = Probed("0" * 64, 1, Media(mime_type="image/jpeg", kind="image"), "etag")
ENDINGS: Final[dict[Status, Ending]] = {
    "succeeded": Succeeded(),
    "failed": Failed(Rejected("CORRUPT_FILE", "it is torn")),
}
ROW: Final = "select to_jsonb(job) from ingest_jobs as job where job_id = %s"
AS_CLAIMED: Final = f"select {CLAIMED_COLUMNS} from ingest_jobs where job_id = %s".encode()  # by a worker, once
STATES: Final[tuple[Status, ...]] = get_args(Status)
TOMORROW: Final = datetime.now(UTC) + timedelta(days=1)


# A job in each state --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def pool(services: dict[str, str]) -> AsyncIterator[db.Pool]:
    """Connections to a database of its own; what is done there is undone."""
    async with db.pool(load(services | {"DATABASE_URL": own_database(services)}), size=1) as opened:
        yield opened


async def job_in(to: Connection, state: Status) -> UUID:
    """A job in a state."""
    (job_id,) = await transitions.enqueue(to, WHO, [NEW])
    if state == "cancelled":
        await transitions.cancel_all(to, WHO, [job_id])
    elif state != "queued":
        await dispatch.due(to)
        (claimed,) = await claims.claim(to, {job_id: "ingest"}, HOLDER)
        if state != "running":
            await end(to, claimed, ENDINGS[state], HOLDER)
    return job_id


# What happens to it ---------------------------------------------------------------------------------------------------


def ending(how: Ending) -> Act:
    return lambda to, job: end(to, job, how, HOLDER)


def paused(act: Act, **held: Any) -> Act:
    async def acted(to: Connection, job: Claimed) -> None:
        await pauses.pause(to, WHO, NewPause("for a while", **held))
        await act(to, job)

    return acted


def after_a_death(act: Act) -> Act:
    """A worker died with the job before."""
    lost = """
        insert into ingest_attempts (job_id, fence, stage, attempt, worker, finished_at, result)
        values (%s, 1000, 'ingest', 2, 'worker', now(), 'lost')
    """

    async def acted(to: Connection, job: Claimed) -> None:
        await db.execute(to, lost, [job.job_id])
        await act(to, job)

    return acted


async def content_released(to: Connection, _: Claimed) -> None:
    """Another job gives up the content that this one waits for."""
    other = files.Owner(uuid4(), "clip", uuid4(), "primary")
    await files.claim_content(to, PROBED.sha256, "s3://episodes-media/clip/b.jpg", 1, other)
    await files.release(to, other.job_id)


async def purged(to: Connection, job: Claimed) -> None:
    deleted = """
        insert into clips (clip_id, title, created_by, updated_by, deleted_at)
        values (%s, 'of a job', 'tester', 'tester', now() - interval '1 day')
    """
    await db.execute(to, deleted, [job.entity_id])
    await trash.purge(to, WHO, "clip", datetime.now(UTC))


DISPATCHED: Final = "dispatched_at = '-infinity'"
FOR_CONTENT: Final = f"stage = 'deduplicate', sha256 = '{PROBED.sha256}', run_at = now() + interval '1 hour'"
LATE: Final = "lease_expires_at = lease_expires_at - interval '1 day'"
# An event, what the job's row says before it, what is done.
ACTS: Final[tuple[tuple[str, str, Act], ...]] = (
    ("dispatched", "dispatched_at = null", lambda to, _: dispatch.due(to)),
    ("message lost", DISPATCHED, lambda to, _: dispatch.release_lost_messages(to, 10)),
    ("resumed", DISPATCHED, paused(lambda to, _: pauses.resume(to, WHO, "ingest"), stage="ingest")),
    ("limited", DISPATCHED, lambda to, _: priorities.limit(to, WHO, "interactive", ConcurrencyLimit(1))),
    ("passed on", DISPATCHED, lambda to, job: claims.pass_on(to, job.job_id)),
    (
        "reserved",
        f"{DISPATCHED}, attempts = 2",
        after_a_death(lambda to, job: claims.reserve(to, job.job_id, job.stage)),
    ),
    ("kept", "dispatched_at = 'infinity'", lambda to, job: claims.keep_reserved(to, job.job_id)),
    ("woken", FOR_CONTENT, lambda to, job: files.settle(to, PROBED.sha256, job.job_id, [])),
    ("woken", FOR_CONTENT, content_released),
    ("claimed", DISPATCHED, lambda to, job: claims.claim(to, {job.job_id: job.stage}, HOLDER)),
    ("renewed", LATE, lambda to, job: claims.renew(to, job, HOLDER)),
    ("noted", "result = null", lambda to, job: schedule.note(to, job.job_id, {"found": 1})),
    ("advanced", "stage = 'ingest'", ending(Advanced(PROBED))),
    ("advanced", "stage = 'ingest'", paused(ending(Advanced()), stage="deduplicate")),
    ("succeeded", "stage = 'index'", ending(Succeeded())),
    ("put off", "stage = 'ingest'", ending(Failed(Fault("TIMEOUT", "it took too long"), 1.0))),
    ("postponed", "stage = 'ingest'", ending(Postponed(0))),
    ("failed", "stage = 'ingest'", ending(Failed(Rejected("CORRUPT_FILE", "it is torn")))),
    ("lost", LATE, lambda to, _: expired_leases.give_back(to)),
    ("lost", f"{LATE}, attempts = 3", after_a_death(lambda to, _: expired_leases.give_back(to))),
    ("cancelled", "stage = 'ingest'", lambda to, job: transitions.cancel_all(to, WHO, [job.job_id])),
    ("retried", "stage = 'ingest'", lambda to, job: transitions.retry_all(to, WHO, [job.job_id])),
    ("expired", "stage = 'ingest'", lambda to, _: retention.expire_jobs(to, TOMORROW)),
    ("purged", "stage = 'ingest'", purged),
)


async def left_in(to: Connection, state: Status, sets: str, act: Act) -> tuple[str, ...] | None:
    """In which state an act leaves a job, nothing where there is none any more; None where nothing happens to it."""
    job_id = await job_in(to, state)
    await db.execute(to, f"update ingest_jobs set {sets} where job_id = %s".encode(), [job_id])
    claimed, before = await db.row(to, Claimed, AS_CLAIMED, [job_id]), await db.value(to, ROW, [job_id])
    assert claimed
    await act(to, claimed)
    after = await db.value(to, ROW, [job_id])
    if after == before:
        return None
    return (after["status"],) if after else ()


@pytest.mark.parametrize("event", [*dict.fromkeys(event for event, _, _ in ACTS)])
async def test_an_event_finds_a_job_in_these_states_and_leaves_it_in_those(event: str, pool: db.Pool) -> None:
    (line,) = {(line.before, line.after) for line in TRANSITIONS if line.event == event}
    left: set[tuple[str, ...]] = set()
    for sets, act in ((sets, act) for name, sets, act in ACTS if name == event):
        for state in STATES:
            async with db.borrow(pool) as to, to.transaction(force_rollback=True):
                how = await left_in(to, state, sets, act)
            assert (how is not None) is (state in line[0]), state
            left |= {how} if how is not None else set()
    assert left == ({(state,) for state in line[1]} if line[1] else {()})


# What makes a job -----------------------------------------------------------------------------------------------------


async def asked_for_again(to: Connection) -> None:
    stored = """
        insert into files (sha256, file_reference, file_size, entity_type, entity_id, role, job_id, stored_at,
                           thumbnails)
        values (%s, 's3://episodes-media/clip/a.jpg', 1, 'clip', uuidv7(), 'primary', uuidv7(), now(), '[{}]')
    """
    await db.execute(to, stored, [PROBED.sha256])
    await reprocessing.reprocess(to, WHO, ReprocessFilter())


async def put_right(to: Connection) -> None:
    """A job ends whose pictures may lie in the places of an entity that shows another content."""
    job_id = await job_in(to, "failed")
    await db.execute(to, "update ingest_jobs set stage = 'index', sha256 = %s", [PROBED.sha256])
    shown = """
        insert into thumbnails (entity_type, entity_id, sha256, size_variant, file_reference, width, height, file_size)
        select entity_type, entity_id, repeat('f', 64), 'small', 's3://episodes-thumbnails/a.jpg', 1, 1, 1
        from ingest_jobs where job_id = %s
    """
    await db.execute(to, shown, [job_id])
    await files.release(to, job_id)


async def scheduled(to: Connection) -> None:
    await db.execute(to, "update housekeeping_tasks set next_run_at = now() where task = 'trash'")
    await schedule.fire(to)


MAKERS: Final[dict[str, Callable[[Connection], Awaitable[object]]]] = {
    "posted": lambda to: transitions.enqueue(to, WHO, [NEW]),
    "reprocessed": asked_for_again,
    "scheduled": scheduled,
    "run now": lambda to: schedule.run_now(to, WHO, "trash"),
    "put right": put_right,
}


@pytest.mark.parametrize("event", MAKERS)
async def test_what_makes_a_job_makes_one_that_is_queued(event: str, pool: db.Pool) -> None:
    (line,) = (line for line in TRANSITIONS if line.event == event)
    async with db.borrow(pool) as to, to.transaction(force_rollback=True):
        await MAKERS[event](to)
        newest = "select status from ingest_jobs order by job_id desc limit 1"
        assert (line.before, line.after) == ((), (await db.value(to, newest),))


def test_every_event_of_the_table_is_held_here() -> None:
    assert {line.event for line in TRANSITIONS} == MAKERS.keys() | {event for event, _, _ in ACTS}


# What workers, operators and chance make of it ------------------------------------------------------------------------


def refuse_other_steps(url: str) -> None:
    steps = {f"{before}>{after}" for line in TRANSITIONS for before in line.before for after in line.after}
    known = ", ".join(f"'{step}'" for step in sorted(steps))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"""
            create function refuse_step() returns trigger language plpgsql as $$
            begin raise 'a job went from % to %', old.status, new.status; end $$;
            create trigger refuse_step before update on ingest_jobs for each row
            when (old.status || '>' || new.status not in ({known})) execute function refuse_step()
        """.encode()
        )


def test_whatever_happens_in_whatever_order_a_job_goes_by_the_table(services: dict[str, str]) -> None:
    url = own_database(services)
    refuse_other_steps(url)
    with asyncio.Runner() as loop:

        @seed(int(os.environ["TEST_SEED"]))
        class Machine(JobMachine):
            def __init__(self) -> None:
                super().__init__(loop, url)

        how = settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_machine(Machine, settings=how)

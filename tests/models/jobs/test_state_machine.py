"""The state machine of a job, driven at random against PostgreSQL by workers of which some come too late."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Fault, Rejected
from models.jobs import claims, dispatch, expired_leases, pauses, transitions
from models.jobs.claims import Claimed, Holder
from models.jobs.endings import Advanced, Failed, Postponed, Probed, Succeeded, end
from models.jobs.pauses import NewPause
from models.jobs.predicates import MAX_ATTEMPTS
from models.jobs.types import STAGES, NewJob, Stage
from models.media.types import Media
from tests.stack import own_database

T = TypeVar("T")
U = TypeVar("U")
WHO: Final = Actor("tester", "request")
WORKERS: Final = [Holder(f"worker-{number}", 30.0) for number in range(3)]
FOUND: Final = Probed("0" * 64, 1, Media(mime_type="image/jpeg", kind="image"), "etag")
LATER: Final = st.sampled_from([0, 0, 3600])  # seconds
NAMES: Final = ["interactive", "batch", "backfill", *STAGES]  # what can be paused
ENDS: Final = {"succeeded", "failed", "cancelled"}
JOBS: Final = "select to_jsonb(job) from ingest_jobs as job order by job_id"
ATTEMPTS: Final = "select to_jsonb(made) from ingest_attempts as made order by job_id, fence"
Row = dict[str, Any]


class JobMachine(RuleBasedStateMachine):
    """Up to three jobs, three workers, a dispatcher, an operator; whatever a worker once held, it may try to use.

    Two connections take turns, so that nothing rests on what one of them remembers; some rules use both at once.
    """

    held: Bundle[Claimed] = Bundle("held")

    def __init__(self, loop: asyncio.Runner, url: str) -> None:
        super().__init__()
        self._loop = loop
        self._connections: list[Connection] = [loop.run(Connection.connect(url, autocommit=True)) for _ in range(2)]
        self._do(lambda to: db.execute(to, "delete from ingest_jobs"))
        self._do(lambda to: db.execute(to, "delete from ingest_pauses"))
        self._jobs: dict[str, Row] = {}
        self._paused: set[str] = set()
        self._restarted: set[str] = set()

    def teardown(self) -> None:
        for connection in self._connections:
            self._loop.run(connection.close())

    # What happens ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self._jobs) < 3)
    @rule(priority=st.sampled_from(["interactive", "batch", "backfill"]))
    def posted(self, priority: Any) -> None:
        new = NewJob("clip", uuid4(), "s3://episodes-media/clip/a.jpg", priority=priority)
        self._do(lambda to: transitions.enqueue(to, WHO, [new]))

    @rule()
    def dispatched(self) -> None:
        for message in self._do(dispatch.due).messages:
            job = self._jobs[str(message.job_id)]
            assert self._is_due(job)
            assert message.stage == job["stage"]

    @precondition(lambda self: len(self._paused) < len(NAMES))
    @rule(data=st.data())
    def paused(self, data: st.DataObject) -> None:
        name: Any = data.draw(st.sampled_from([name for name in NAMES if name not in self._paused]), "name")
        new = NewPause("for a while", stage=name) if name in STAGES else NewPause("for a while", priority=name)
        self._do(lambda to: pauses.pause(to, WHO, new))
        self._paused.add(name)

    @precondition(lambda self: self._paused)
    @rule(data=st.data())
    def resumed(self, data: st.DataObject) -> None:
        name: Any = data.draw(st.sampled_from(sorted(self._paused)), "name")
        self._do(lambda to: pauses.resume(to, WHO, name))
        self._paused.remove(name)

    @rule()
    def time_went_by(self) -> None:
        late = """
            update ingest_jobs set run_at = clock_timestamp() where run_at > clock_timestamp() and finished_at is null
        """
        self._do(lambda to: db.execute(to, late))

    @precondition(lambda self: self._jobs)
    @rule(
        target=held, data=st.data(), stage=st.sampled_from(STAGES), worker=st.sampled_from(WORKERS), alone=st.booleans()
    )
    def claimed(self, data: st.DataObject, stage: Stage, worker: Holder, alone: bool) -> Any:
        job = self._any(data)
        wanted = data.draw(st.sampled_from([job["stage"], job["stage"], stage]), "stage")
        free = """
            update ingest_jobs set dispatched_at = '-infinity'
            where job_id = %s and dispatched_at is not null and finished_at is null
        """
        self._do(lambda to: db.execute(to, free, [job["job_id"]]))
        suspect = self._do(lambda to: claims.reserve(to, UUID(job["job_id"]), wanted))
        assert not self._do(lambda to: claims.reserve(to, UUID(job["job_id"]), wanted))  # one waits for it
        got = self._do(lambda to: claims.claim(to, {UUID(job["job_id"]): wanted}, worker, alone=alone))
        due = self._is_due(job) and job["stage"] == wanted
        assert bool(got) is (due and job["dispatched_at"] is not None and (alone or not suspect))
        return multiple(*got)

    @precondition(lambda self: self._jobs)
    @rule(target=held, data=st.data())
    def claimed_by_two_at_once(self, data: st.DataObject) -> Any:
        job = self._any(data)
        one, other = (
            lambda to, worker=worker: claims.claim(to, {UUID(job["job_id"]): job["stage"]}, worker, alone=True)
            for worker in WORKERS[:2]
        )
        got = [claimed for found in self._at_once(one, other) for claimed in found]
        assert len(got) == (self._is_due(job) and job["dispatched_at"] is not None)
        return multiple(*got)

    @rule(ours=held)
    def failed_while_it_was_cancelled(self, ours: Claimed) -> None:
        before = next(row for row in self._rows(JOBS) if row["job_id"] == str(ours.job_id))
        failed, cancelled = self._at_once(
            lambda to: end(to, ours, Failed(Rejected("CORRUPT_FILE", "it is torn")), WORKERS[0]),
            lambda to: transitions.cancel_all(to, WHO, [ours.job_id]),
        )
        assert not (failed and cancelled)
        assert not failed or self._is_own(ours, before)

    @rule(target=held, ours=held, worker=st.sampled_from(WORKERS))
    def ended_well(self, ours: Claimed, worker: Holder) -> Any:
        place = STAGES.index(ours.stage) + 1
        if place == len(STAGES):
            self._counts(ours, lambda to: end(to, ours, Succeeded(), worker))
            return multiple()
        learnt = FOUND if ours.stage == "ingest" else None
        waits = bool({STAGES[place], ours.priority} & self._paused)
        ended = self._counts(ours, lambda to: end(to, ours, Advanced(learnt), worker))
        assert ended is None or (ended.following is None) is waits
        return multiple() if ended is None or ended.following is None else ended.following

    @rule(ours=held)
    def refused_the_file(self, ours: Claimed) -> None:
        self._counts(ours, lambda to: end(to, ours, Failed(Rejected("CORRUPT_FILE", "it is torn")), WORKERS[0]))

    @rule(ours=held, later=LATER)
    def failed_at_it(self, ours: Claimed, later: int) -> None:
        error = Fault("TIMEOUT", "it took too long")
        if ours.attempts >= MAX_ATTEMPTS:
            self._counts(ours, lambda to: end(to, ours, Failed(error), WORKERS[0]))
        else:
            self._counts(ours, lambda to: end(to, ours, Failed(error, later), WORKERS[0]))

    @rule(ours=held, later=LATER)
    def put_off(self, ours: Claimed, later: int) -> None:
        self._counts(ours, lambda to: end(to, ours, Postponed(later), WORKERS[0]))

    @rule(ours=held, worker=st.sampled_from(WORKERS))
    def renewed(self, ours: Claimed, worker: Holder) -> None:
        self._counts(ours, lambda to: claims.renew(to, ours, worker))

    @precondition(lambda self: self._jobs)
    @rule(data=st.data())
    def died(self, data: st.DataObject) -> None:
        job = self._any(data)
        expire = (
            "update ingest_jobs set lease_expires_at = '-infinity' where job_id = %s and lease_expires_at is not null"
        )
        self._do(lambda to: db.execute(to, expire, [job["job_id"]]))
        self._do(expired_leases.give_back)

    @rule()
    def reminded(self) -> None:
        self._do(
            lambda to: db.execute(
                to,
                "update ingest_jobs set dispatched_at = '-infinity'"
                " where dispatched_at is not null and finished_at is null",
            )
        )
        self._do(lambda to: dispatch.release_lost_messages(to, 10))

    @precondition(lambda self: self._jobs)
    @rule(data=st.data())
    def cancelled(self, data: st.DataObject) -> None:
        job = self._any(data)
        done = self._do(lambda to: transitions.cancel_all(to, WHO, [UUID(job["job_id"])]))
        begun = job["stage"] == "index" and (job["lease_expires_at"] is not None or job["attempts"] > 0)
        assert bool(done) is (job["status"] not in ENDS and begun is False)

    @precondition(lambda self: self._jobs)
    @rule(data=st.data())
    def retried(self, data: st.DataObject) -> None:
        job = self._any(data)
        done = self._do(lambda to: transitions.retry_all(to, WHO, [UUID(job["job_id"])]))
        assert bool(done) is (job["status"] in {"failed", "cancelled"})
        if done:
            self._restarted.add(job["job_id"])

    # What holds ------------------------------------------------------------------------------------------------------

    @invariant()
    def fences_grow_attempts_are_bounded_ends_are_final_stages_follow_each_other(self) -> None:
        made = self._rows(ATTEMPTS)
        for job in self._rows(JOBS):
            self._check_history(job)
            check_state(job)
            check_attempts(job, [one for one in made if one["job_id"] == job["job_id"]])
            self._jobs[job["job_id"]] = job
        self._restarted.clear()

    def _check_history(self, job: Row) -> None:
        before = self._jobs.get(job["job_id"], job)
        assert job["fence"] >= before["fence"]
        if before["status"] in ENDS and job["job_id"] not in self._restarted:
            assert job == before
        if job["stage"] != before["stage"] and job["job_id"] not in self._restarted:
            assert STAGES.index(job["stage"]) == STAGES.index(before["stage"]) + 1

    # How -------------------------------------------------------------------------------------------------------------

    def _do(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        """In a transaction of its own, as all of these are, on the connection whose turn it is."""
        self._connections.reverse()
        return self._loop.run(_transaction(self._connections[0], act))

    def _at_once(
        self, one: Callable[[Connection], Awaitable[T]], other: Callable[[Connection], Awaitable[U]]
    ) -> tuple[T, U]:
        """Two transactions that begin at the same time."""

        async def run() -> tuple[T, U]:
            first, second = self._connections
            return await asyncio.gather(_transaction(first, one), _transaction(second, other))

        return self._loop.run(run())

    def _counts(self, ours: Claimed, act: Callable[[Connection], Awaitable[T]]) -> T:
        """What a worker does with a stage counts exactly if it is still its own; else nothing changes at all."""
        before = self._rows(JOBS), self._rows(ATTEMPTS)
        own = self._is_own(ours, next(row for row in before[0] if row["job_id"] == str(ours.job_id)))
        done = self._do(act)
        assert (done is not None and done is not False) is own
        assert ((self._rows(JOBS), self._rows(ATTEMPTS)) != before) is own
        return done

    def _is_own(self, ours: Claimed, job: Row) -> bool:
        return (job["status"], job["fence"]) == ("running", ours.fence) and job["lease_expires_at"] is not None

    def _is_due(self, job: Row) -> bool:
        waits = job["status"] in {"queued", "running"} and job["lease_expires_at"] is None
        held_back = {job["priority"], job["stage"]} & self._paused
        return waits and not held_back and datetime.fromisoformat(job["run_at"]) <= datetime.now(UTC)

    def _rows(self, query: str) -> list[Row]:
        return [row for (row,) in self._loop.run(db.tuples(self._connections[0], query.encode()))]

    def _any(self, data: st.DataObject) -> Row:
        place = data.draw(st.integers(0, len(self._jobs) - 1), "job")
        return self._jobs[sorted(self._jobs)[place]]


async def _transaction(connection: Connection, act: Callable[[Connection], Awaitable[T]]) -> T:
    async with connection.transaction():
        return await act(connection)


def check_state(job: Row) -> None:
    """What a row says of itself fits together."""
    assert 0 <= job["attempts"] <= MAX_ATTEMPTS
    assert (job["finished_at"] is not None) is (job["status"] in ENDS)
    assert job["lease_expires_at"] is None or job["status"] == "running"
    assert job["status"] != "failed" or job["error_code"]
    assert job["status"] != "succeeded" or job["stage"] == STAGES[-1]


def check_attempts(job: Row, made: list[Row]) -> None:
    """Each start has a row; one is open exactly while a worker holds the job; a stage follows one that succeeded."""
    opened = [one for one in made if one["finished_at"] is None]
    assert [(one["fence"], one["stage"]) for one in opened] == (
        [(job["fence"], job["stage"])] if job["lease_expires_at"] is not None else []
    )
    now = [one for one in made if one["fence"] > job["retried_fence"]]
    passed = STAGES.index(job["stage"]) + (job["status"] == "succeeded")
    assert [one["stage"] for one in now if one["result"] == "succeeded"] == list(STAGES[:passed])
    for stage in STAGES:  # one more is made alone, where the last was lost beside others
        starts = [one for one in now if one["stage"] == stage]
        assert len(starts) <= MAX_ATTEMPTS + any(one["result"] == "lost" for one in starts)


@pytest.mark.parametrize("steps", [15, 60])
def test_whatever_happens_in_whatever_order_a_job_stays_sound(services: dict[str, str], steps: int) -> None:
    url = own_database(services)
    examples = {15: 40, 60: 8}[steps]
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    with asyncio.Runner() as loop:

        @seed(int(os.environ["TEST_SEED"]))
        class Machine(JobMachine):
            def __init__(self) -> None:
                super().__init__(loop, url)

        run_machine(Machine, settings=how)

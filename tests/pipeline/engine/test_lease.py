"""What ends a stage's work: its lease, its limit, the process; and which of them it is told by."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Final

import pytest

from models.db import connection as db
from models.errors import Fault
from models.jobs.claims import Claimed, Holder
from models.settings import load
from pipeline.engine import lease
from pipeline.engine.claim_batcher import Claimer
from pipeline.engine.lease import LostLease, leased
from tests.pipeline.engine.test_claim_batcher import due, rows
from tests.stack import own_database

HOLDER: Final = Holder("tester", 0.3)  # seconds
LEASE: Final = "select lease_expires_at from ingest_jobs"
TAKE: Final = "update ingest_jobs set fence = fence + 1"


@pytest.fixture
async def context(services: dict[str, str]) -> AsyncIterator[Any]:
    """What a lease needs of a worker."""
    async with db.pool(load(services | {"DATABASE_URL": own_database(services)}), size=4) as pool:
        yield SimpleNamespace(pool=pool, holder=HOLDER)


@pytest.fixture
async def claimed(context: Any) -> Claimed:
    """A stage that is ours."""
    (job_id,) = await due(context.pool, 1)
    found = await Claimer(context.pool, HOLDER).claim(job_id, "ingest")
    assert found is not None
    return found


async def renewed(context: Any, times: int) -> str:
    """Work until the lease was renewed so often."""
    seen: set[object] = set()
    while len(seen) <= times:
        seen.add((await rows(context.pool, LEASE))[0][0])
        await asyncio.sleep(0.01)
    return "done"


async def stolen(context: Any, forever: asyncio.Event) -> None:
    """Work that somebody else takes the job from."""
    await rows(context.pool, TAKE)
    await forever.wait()


async def test_a_lease_is_renewed_for_as_long_as_the_work_lasts(context: Any, claimed: Claimed) -> None:
    async with asyncio.timeout(10):
        assert await leased(context, claimed, renewed(context, times=4)) == "done"


async def test_work_whose_lease_is_lost_ends(context: Any, claimed: Claimed) -> None:
    with pytest.raises(LostLease):
        async with asyncio.timeout(10):
            await leased(context, claimed, stolen(context, asyncio.Event()))


async def test_work_goes_on_while_the_database_is_away_and_ends_when_the_lease_does(
    context: Any, claimed: Claimed
) -> None:
    nobody = load({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"})
    context.pool = db.pool(nobody)  # never opened
    began = asyncio.get_running_loop().time()
    with pytest.raises(LostLease):
        async with asyncio.timeout(20):
            await leased(context, claimed, asyncio.Event().wait())
    assert asyncio.get_running_loop().time() - began >= HOLDER.lease_seconds


async def test_work_that_takes_too_long_is_told_so(
    context: Any, claimed: Claimed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LIMIT_SECONDS", 0.5)
    with pytest.raises(Fault, match="took longer than") as error:
        await leased(context, claimed, asyncio.Event().wait())
    assert error.value.code == "TIMEOUT"


async def test_a_timeout_within_the_work_is_not_taken_for_its_limit(context: Any, claimed: Claimed) -> None:
    async def waits() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await leased(context, claimed, waits())


@pytest.mark.parametrize("makes_of_it", ["nothing", "an error", "a result"])
async def test_a_process_that_stops_gives_back_whatever_the_work_makes_of_that(
    context: Any, claimed: Claimed, makes_of_it: str
) -> None:
    begun = asyncio.Event()

    async def work() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if makes_of_it == "an error":
                raise OSError("the disk is full") from None
            if makes_of_it == "nothing":
                raise
        return "done"

    working = asyncio.create_task(leased(context, claimed, work()))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

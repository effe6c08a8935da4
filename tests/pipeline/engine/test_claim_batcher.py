"""Stages that one process asks for at the same time: each asker is told of its own, and nothing is begun for nobody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
import pytest

from models.db import connection as db
from models.db.connection import Pool
from models.jobs.claims import Holder
from models.settings import load
from pipeline.engine.claim_batcher import Claimer
from tests.stack import own_database

HOLDER: Final = Holder("tester", 30.0)


@pytest.fixture
async def pool(services: dict[str, str]) -> AsyncIterator[Pool]:
    """Connections to a database of its own."""
    async with db.pool(load(services | {"DATABASE_URL": own_database(services)}), size=4) as opened:
        yield opened


@pytest.fixture
def claimer(pool: Pool) -> Claimer:
    """Claims there."""
    return Claimer(pool, HOLDER)


async def rows(pool: Pool, query: str, *params: Any) -> list[tuple[Any, ...]]:
    """What a query returns."""
    async with pool.connection() as connection:
        cursor = await connection.execute(query.encode(), params)
        return await cursor.fetchall() if cursor.description else []


async def due(pool: Pool, number: int) -> list[UUID]:
    """So many jobs that are dispatched."""
    made = """
        insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority, request_id,
                                 created_by, dispatched_at)
        select 'clip', uuidv7(), 'primary', 's3://episodes-media/clip/none.jpg', 'link', 'batch', 'request', 'tester',
               now()
        from generate_series(1, %s) returning job_id
    """
    return [job_id for (job_id,) in await rows(pool, made, number)]


async def until(pool: Pool, query: str, *params: Any) -> None:
    """Wait for a query to find something."""
    for _ in range(1000):
        if await rows(pool, query, *params):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nothing was found by {query}")


async def begun(pool: Pool) -> list[tuple[Any, ...]]:
    """The transactions that began attempts, and how many each."""
    return await rows(pool, "select xmin::text, count(*) from ingest_attempts group by 1 order by 2")


async def test_stages_asked_for_together_are_begun_by_one_statement_and_each_by_who_asked(
    pool: Pool, claimer: Claimer
) -> None:
    jobs = await due(pool, 6)
    claimed = await asyncio.gather(*(claimer.claim(job_id, "ingest") for job_id in [*jobs, uuid4()]))
    assert [found and found.job_id for found in claimed] == [*jobs, None]
    assert [number for _, number in await begun(pool)] == [6]


async def test_of_two_who_ask_for_one_stage_at_once_one_is_given_it(pool: Pool, claimer: Claimer) -> None:
    (job_id,) = await due(pool, 1)
    claimed = await asyncio.gather(*(claimer.claim(job_id, "ingest") for _ in range(2)))
    assert sum(found is not None for found in claimed) == 1


async def test_a_stale_message_beside_the_true_one_of_the_same_job_takes_nothing_from_it(
    pool: Pool, claimer: Claimer
) -> None:
    (job_id,) = await due(pool, 1)
    asked = [claimer.claim(job_id, "thumbnail"), claimer.claim(job_id, "ingest"), claimer.claim(job_id, "index")]
    found = await asyncio.gather(*asked)
    assert [claimed and claimed.stage for claimed in found] == [None, "ingest", None]


async def test_a_stage_whose_asker_has_gone_is_given_back_uncounted(pool: Pool, claimer: Claimer) -> None:
    gone, stays = await due(pool, 2)
    async with pool.connection() as blocking, blocking.transaction():
        await blocking.execute("lock ingest_attempts in exclusive mode")  # claims wait
        asked = [asyncio.create_task(claimer.claim(job_id, "ingest")) for job_id in (gone, stays)]
        await until(pool, "select 1 from pg_locks where not granted")
        asked[0].cancel()
    claimed = await asked[1]
    assert claimed is not None
    free = "status = 'queued' and attempts = 0 and lease_expires_at is null"
    await until(pool, f"select 1 from ingest_jobs where job_id = %s and {free}", gone)
    assert await rows(pool, "select job_id from ingest_attempts") == [(stays,)]


async def test_what_the_database_cannot_answer_is_told_to_all_who_asked(pool: Pool, claimer: Claimer) -> None:
    jobs = await due(pool, 2)
    await rows(pool, "alter table ingest_attempts rename to elsewhere")
    told = await asyncio.gather(*(claimer.claim(job_id, "ingest") for job_id in jobs), return_exceptions=True)
    assert [type(error) for error in told] == [psycopg.errors.UndefinedTable] * 2
    await rows(pool, "alter table elsewhere rename to ingest_attempts")
    assert await claimer.claim(jobs[0], "ingest")  # and who asks then is answered


async def test_a_statement_that_hangs_holds_up_who_asks_later_for_a_second_and_no_longer(
    pool: Pool, claimer: Claimer
) -> None:
    stuck, later = await due(pool, 2)
    async with pool.connection() as blocking, blocking.transaction():
        await blocking.execute(
            "insert into ingest_attempts (job_id, fence, stage, attempt, worker) values (%s, 1, 'ingest', 1, '')",
            [stuck],
        )  # who claims this one waits for us to end
        hanging = asyncio.create_task(claimer.claim(stuck, "ingest"))
        await until(pool, "select 1 from pg_locks where not granted")
        async with asyncio.timeout(5):
            assert await claimer.claim(later, "ingest")
        assert not hanging.done()
        await blocking.execute("delete from ingest_attempts where job_id = %s", [stuck])
    assert await hanging

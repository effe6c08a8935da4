"""What the dispatcher does first, what it does beside, and what cannot hold it up."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import redis

from models.db.connection import Connection
from models.search.documents import index
from ops.stack import ports
from tests import media
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, SHOW, create
from tests.stack import Stack, own_database
from tests.work import ended, post, unique, upload

SOON = 2.0  # seconds; what the API promises of the search
WAITING = "select priority, count(*) from ingest_jobs where dispatched_at is not null group by priority"


@pytest.fixture
def quiet(new_stack: Callable[..., Stack]) -> Stack:
    """A stack of which nothing runs."""
    return new_stack()


@pytest.fixture
def stack(quiet: Stack) -> Stack:
    """A stack whose API runs alone."""
    quiet.api.start()
    return quiet


def found(client: httpx2.Client, q: str) -> list[str]:
    """The ids of what is found."""
    answer = client.get("/api/v1/search", params={"q": q})
    assert answer.status_code == 200, answer.text
    return [hit["entity_id"] for hit in answer.json()["data"]]


def waiting(stack: Stack) -> dict[str, int]:
    """How many messages of each priority nobody has taken."""
    return dict(stack.sql(WAITING))


def many(stack: Stack, count: int, priority: str) -> None:
    """So many jobs of files that are not there."""
    stack.sql(
        "insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority,"
        " request_id, created_by) select 'clip', uuidv7(), 'primary', 's3://episodes-media/clip/none.jpg', 'link', %s,"
        " 'request', 'tester' from generate_series(1, %s)",
        priority,
        count,
    )


def test_a_job_somebody_waits_for_starts_before_most_of_a_backfill(stack: Stack) -> None:
    with stack.client() as client:
        clip = create(client, CLIP)["clip_id"]
        picture = media.jpeg((1280, 720))
        references = [upload(client, unique(picture)) for _ in range(60)]
        for reference in references:
            post(client, reference, clip, priority="backfill", on_duplicate="keep")
        stack.dispatcher.spawn()
        assert eventually(lambda: sum(waiting(stack).values()) >= 16 and waiting(stack), within=60) == {"backfill": 16}
        asked = post(client, upload(client, unique(picture)))
        stack.worker.spawn()
        assert ended(client, asked)["status"] == "succeeded"
    before = (
        "select count(*) from ingest_jobs where started_at < (select started_at from ingest_jobs where job_id = %s)"
    )
    assert stack.sql(before, asked["job_id"])[0][0] <= 20


def test_each_priority_leaves_room_for_those_above_it(quiet: Stack) -> None:
    for priority in ("backfill", "batch", "interactive"):
        many(quiet, 100, priority)
    quiet.sql("update ingest_jobs set run_at = now() + interval '1 day' where priority <> 'backfill'")
    quiet.dispatcher.spawn()
    assert eventually(lambda: sum(waiting(quiet).values()) >= 16 and waiting(quiet), within=60) == {"backfill": 16}
    quiet.sql("update ingest_jobs set run_at = now() where priority = 'batch'")
    expected = {"backfill": 16, "batch": 8}
    assert eventually(lambda: sum(waiting(quiet).values()) >= 24 and waiting(quiet)) == expected
    quiet.sql("update ingest_jobs set run_at = now() where priority = 'interactive'")
    expected |= {"interactive": 8}
    assert eventually(lambda: sum(waiting(quiet).values()) >= 32 and waiting(quiet)) == expected


def test_the_later_priorities_get_their_turn_where_the_first_never_empties(quiet: Stack) -> None:
    for priority in ("interactive", "batch", "backfill"):
        many(quiet, 100, priority)
    quiet.dispatcher.spawn()
    expected = {"interactive": 28, "batch": 3, "backfill": 1}
    assert eventually(lambda: sum(waiting(quiet).values()) >= 32 and waiting(quiet), within=60) == expected


@pytest.mark.chaos
def test_messages_that_the_broker_forgot_are_all_sent_again_within_ten_seconds(quiet: Stack) -> None:
    many(quiet, 40, "backfill")
    quiet.dispatcher.spawn()
    with redis.Redis.from_url(quiet.environ["REDIS_URL"]) as broker:
        eventually(lambda: broker.llen("episodes:pipeline") == 16, within=60)
        broker.flushdb()
        eventually(lambda: broker.llen("episodes:pipeline") == 16, within=10)


@pytest.mark.chaos
def test_messages_do_not_pile_up_while_no_worker_runs(quiet: Stack) -> None:
    many(quiet, 40, "interactive")
    quiet.dispatcher.spawn()
    with redis.Redis.from_url(quiet.environ["REDIS_URL"]) as broker:
        eventually(lambda: broker.llen("episodes:pipeline") == 84, within=30)  # each was sent thrice
        old = "select 1 from ingest_jobs where dispatched_at < now() - interval '8 seconds'"
        eventually(lambda: quiet.sql(old), within=60)  # and not once more
        assert broker.llen("episodes:pipeline") == 84


def test_a_reindex_does_not_keep_new_things_from_being_found(stack: Stack) -> None:
    stack.sql(
        "insert into clips (title, created_by, updated_by) select 'Filling', 'x', 'x' from generate_series(1, 9999)"
    )
    stack.dispatcher.spawn()
    with stack.client("admin") as client:
        started = time.monotonic()
        assert client.post("/api/v1/search/reindex").json()["data"]["total"] == 9999
        assert time.monotonic() - started < 1
        eventually(lambda: found(client, "filling"), within=5)
        mark = f"q{uuid4().hex}"
        show = create(client, SHOW, name=mark)["show_id"]
        eventually(lambda: found(client, mark) == [show], within=SOON)
        assert stack.sql("select 1 from search_reindex_jobs where purpose = 'reindex' and finished_at is null")
        eventually(
            lambda: (
                not stack.sql("select 1 from search_reindex_jobs where purpose = 'reindex' and finished_at is null")
            ),
            within=60,
        )
    assert stack.sql("select count(*) from search_documents where title = 'Filling'") == [(9999,)]


def test_a_reindex_goes_on_where_a_killed_dispatcher_was(stack: Stack) -> None:
    stack.sql(
        "insert into clips (title, created_by, updated_by) select 'Filling', 'x', 'x' from generate_series(1, 5000)"
    )
    done = "select done from search_reindex_jobs where purpose = 'reindex' and finished_at is null and done > 0"
    ended = "select done from search_reindex_jobs where purpose = 'reindex' and finished_at is not null"
    with stack.client("admin") as client:
        assert client.get("/api/v1/search/reindex").json()["data"] is None
        assert client.post("/api/v1/search/reindex").status_code == 202
        stack.dispatcher.spawn()
        eventually(lambda: stack.sql(done), within=60)
        os.kill(stack.dispatcher.pid or 0, signal.SIGKILL)
        stack.dispatcher.await_end()
        (first,) = stack.sql(done)
        stack.dispatcher.spawn()
        assert eventually(lambda: stack.sql(ended), within=60) == [(5000,)]  # each was counted once
    assert 0 < first[0] < 5000
    assert stack.sql("select count(*) from search_documents") == [(5000,)]


def test_what_cannot_be_indexed_hides_nothing_else(stack: Stack) -> None:
    stack.sql("alter table search_documents add constraint refused check (title not like 'Refused%')")
    mark = f"q{uuid4().hex}"
    with stack.client() as client:
        made = [
            create(client, SHOW, name=f"{kind} {mark} {n}")["show_id"] for n in range(3) for kind in ("Refused", "")
        ]
        stack.dispatcher.spawn()
        eventually(lambda: sorted(found(client, mark)) == sorted(made[1::2]), within=10)
    assert stack.sql("select 1 from outbox") == []
    for refused in made[0::2]:
        assert refused in stack.log("dispatcher")


def unreadable(rng: random.Random) -> str:
    """A hundred thousand characters in pairs of words that no other has, four bytes each letter."""
    words = ["".join(chr(0x20000 + rng.randrange(42_000)) for _ in range(4)) for _ in range(20_000)]
    return " ".join(f"{first}-{second}" for first, second in zip(words[::2], words[1::2], strict=True))


def test_a_text_larger_than_the_index_can_hold_is_found_and_holds_up_nothing(stack: Stack, rng: random.Random) -> None:
    mark, other = f"q{uuid4().hex}", f"q{uuid4().hex}"
    stack.dispatcher.spawn()
    with stack.client() as client:
        text = {"script_text": unreadable(rng)}
        large = create(client, EPISODE, title=mark, **text)["episode_id"]
        small = create(client, SHOW, name=other)["show_id"]
        eventually(lambda: found(client, other) == [small], within=10)
        eventually(lambda: found(client, mark) == [large], within=SOON)
        assert found(client, text["script_text"].split()[0]) == [large]
    assert "not indexed" not in stack.log("dispatcher")


@pytest.fixture
async def connect(services: dict[str, str]) -> AsyncIterator[Callable[[], Any]]:
    """Makes connections to one database."""
    url = own_database(services)
    async with AsyncExitStack() as opened:

        async def make() -> Connection:
            return await opened.enter_async_context(await Connection.connect(url, autocommit=True))

        yield make


async def blocked(watcher: Connection, count: int) -> bool:
    """Whether so many wait for a lock."""
    found = await watcher.execute(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    row = await found.fetchone()
    return bool(row and row[0] >= count)


async def test_what_is_restored_while_it_is_taken_out_of_the_index_stays_in(connect: Callable[[], Any]) -> None:
    watcher, holder, slow, quick = [await connect() for _ in range(4)]
    made = await watcher.execute(
        "insert into clips (title, created_by, updated_by, deleted_at)"
        " values ('Gone', 'x', 'x', now()), ('Busy', 'x', 'x', null) returning clip_id"
    )
    gone, busy = sorted(row[0] for row in await made.fetchall())

    async def take_out() -> None:
        async with slow.transaction():
            await index(slow, "clip", [gone, busy])

    async def restore() -> None:
        await quick.execute("update clips set deleted_at = null where clip_id = %s", [gone])
        await index(quick, "clip", [gone])

    async with holder.transaction():
        await holder.execute("select from clips where clip_id = %s for update", [busy])
        taking = asyncio.create_task(take_out())
        while not await blocked(watcher, 1):
            pass
        restoring = asyncio.create_task(restore())
        while not restoring.done() and not await blocked(watcher, 2):
            pass
    await asyncio.gather(taking, restoring)
    documents = await watcher.execute("select entity_id from search_documents order by 1")
    assert [UUID(str(row[0])) for row in await documents.fetchall()] == [gone, busy]


def test_a_broker_that_does_not_answer_ends_no_dispatcher(new_stack: Callable[..., Stack]) -> None:
    expired = "update ingest_jobs set status = 'running', lease_expires_at = '-infinity'"
    with socket.create_server((ports.HOST, 0)) as silent:
        port = silent.getsockname()[1]
        stack = new_stack(BROKER_URL=f"amqp://guest:guest@{ports.HOST}:{port}/?stack_timeout=0.5")
        stack.dispatcher.spawn()
        eventually(lambda: stack.log("dispatcher").count("dispatcher waits") >= 2, within=60)
        many(stack, 1, "batch")
        stack.sql(expired)
        eventually(lambda: stack.sql("select 1 from ingest_jobs where status = 'queued'"), within=20)
        assert stack.dispatcher.alive

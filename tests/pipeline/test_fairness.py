"""Whoever sends in much or slow content waits for it; others do not."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.fair_semaphore import CALLER, FairSemaphore
from tests.eventually import eventually
from tests.stack import Stack


def many(stack: Stack, caller: str, count: int, priority: str = "batch") -> None:
    """So many jobs of one caller, of files that are not there."""
    stack.sql(
        "insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority,"
        " request_id, created_by) select 'clip', uuidv7(), 'primary', 's3://episodes-media/clip/none.jpg', 'link', %s,"
        " 'request', %s from generate_series(1, %s)",
        priority,
        caller,
        count,
    )


def dispatched(stack: Stack) -> Counter[str]:
    """How many messages of each caller are out."""
    query = "select created_by, count(*) from ingest_jobs where dispatched_at is not null group by created_by"
    return Counter(dict(stack.sql(query)))


def test_who_has_less_under_way_is_dispatched_first(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    many(stack, "mallory", 100)
    many(stack, "alice", 100)
    many(stack, "bob", 3)
    stack.dispatcher.spawn()
    assert eventually(lambda: dispatched(stack).total() >= 24 and dispatched(stack), within=60) == Counter(
        {"mallory": 11, "alice": 10, "bob": 3}
    )


def test_who_has_nothing_under_way_does_not_wait_for_the_window(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    many(stack, "mallory", 100)
    stack.dispatcher.spawn()
    assert eventually(lambda: dispatched(stack).total() >= 24 and dispatched(stack), within=60) == Counter(
        {"mallory": 24}
    )
    for number in range(20):
        many(stack, f"caller {number}", 2)
    expected = Counter({"mallory": 24}) + Counter(f"caller {number}" for number in range(16))
    assert eventually(lambda: dispatched(stack).total() >= 40 and dispatched(stack)) == expected


def test_each_of_300_callers_has_a_turn(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    for number in range(300):
        many(stack, f"caller {number:03}", 1, "interactive")
    stack.dispatcher.spawn()
    seen: set[str] = set()

    def all_seen() -> bool:
        taken = "update ingest_jobs set status = 'succeeded', dispatched_at = null where dispatched_at is not null"
        seen.update(name for (name,) in stack.sql(f"{taken} returning created_by"))
        return len(seen) == 300

    eventually(all_seen, within=60)


CALLERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@settings(deadline=None)
@given(CALLERS, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2**32))
def test_places_are_shared_and_none_is_lost(callers: list[str], places: int, spare: int, seed: int) -> None:
    asyncio.run(_share(callers, places, spare, random.Random(seed)))


async def _share(callers: list[str], places: int, spare: int, rng: random.Random) -> None:
    shared = FairSemaphore(places, spare)
    held: Counter[str] = Counter()

    async def work(caller: str) -> None:
        CALLER.set(caller)
        async with shared.place():
            assert held.total() < places or (held.total() < places + spare and not held[caller])
            held[caller] += 1
            try:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                held[caller] -= 1

    tasks = [asyncio.create_task(work(caller)) for caller in callers]
    for task in tasks:
        if rng.random() < 0.2:
            await asyncio.sleep(0)
            task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in done)
    assert not +held
    await asyncio.wait_for(work("last"), 10)


async def test_a_caller_alone_has_every_place_and_another_need_not_wait() -> None:
    shared, inside, go = FairSemaphore(2, 1), Counter[str](), asyncio.Event()

    async def work(caller: str) -> None:
        CALLER.set(caller)
        async with shared.place():
            inside[caller] += 1
            await go.wait()

    tasks = [asyncio.create_task(work("mallory")) for _ in range(12)]
    await asyncio.sleep(0.01)
    assert inside == Counter({"mallory": 2})
    tasks.append(asyncio.create_task(work("alice")))
    await asyncio.sleep(0.01)
    assert inside == Counter({"mallory": 2, "alice": 1})
    go.set()
    await asyncio.gather(*tasks)
    assert inside.total() == 13

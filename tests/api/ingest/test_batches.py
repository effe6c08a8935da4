"""Batches: posted at once or bit by bit, counted, watched, closed, cancelled and started again."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from api.ingest.batch_events import Reader
from models.db import connection as db
from models.jobs import batch_changes, batches
from models.settings import load
from tests import media, work
from tests.api.ingest.test_jobs import errors, events, missing, new
from tests.eventually import eventually
from tests.resources import CLIP, create
from tests.stack import Stack

INGEST = "/api/v1/ingest"
PATH = f"{INGEST}/batches"
FIELDS = {
    "batch_id",
    "name",
    "created_by",
    "total",
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "stored",
    "duplicate",
    "bytes",
    "created_at",
    "finished_at",
}
MORE = {"jobs_per_minute", "estimated_at", "closed_at", "cancelled_at", "version"}


@pytest.fixture
def other(quiet: Stack) -> Iterator[httpx2.Client]:
    """An editor who has opened none of these batches."""
    with quiet.client("editor", "somebody else") as client:
        yield client


@pytest.fixture
def chief(quiet: Stack) -> Iterator[httpx2.Client]:
    with quiet.client("admin", "chief") as client:
        yield client


def posted(client: httpx2.Client, *jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A batch of these jobs, as the answer to its post has it."""
    answer = client.post(f"{INGEST}/batch", json={"jobs": list(jobs), **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{PATH}/{answer.json()['data']['batch_id']}"
    batch: dict[str, Any] = answer.json()["data"]
    return batch


def opened(client: httpx2.Client, name: str, **more: Any) -> str:
    answer = client.post(PATH, json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{PATH}/{answer.json()['data']['batch_id']}"
    return str(answer.json()["data"]["batch_id"])


def state(client: httpx2.Client, batch_id: str) -> dict[str, Any]:
    answer = client.get(f"{PATH}/{batch_id}")
    assert answer.status_code == 200, answer.text
    batch: dict[str, Any] = answer.json()["data"]
    return batch


def counts(batch: dict[str, Any]) -> dict[str, int]:
    """What is not zero."""
    names = ("total", "queued", "running", "succeeded", "failed", "cancelled", "stored", "duplicate")
    return {name: batch[name] for name in names if batch[name]}


def test_a_batch_has_the_promised_fields_and_counts_what_came_of_it(server: Stack, editor: httpx2.Client) -> None:
    data = work.unique(media.jpeg())
    reference = work.upload(editor, data, name="Été 01.jpg")
    first = posted(editor, new(editor, source_reference=reference), new(editor), name="day 1")
    work.ended(editor, first["results"][0]["job"])
    again = new(editor, source_reference=reference, file_name="again.jpg")
    posted(editor, again, batch_id=first["batch_id"])
    batch = eventually(lambda: (now := state(editor, first["batch_id"]))["finished_at"] and now)
    assert set(batch) == FIELDS | MORE
    assert (batch["name"], batch["created_by"], batch["bytes"]) == ("day 1", "tester", 2 * len(data))
    assert counts(batch) == {"total": 3, "succeeded": 2, "failed": 1, "stored": 1, "duplicate": 1}
    assert batch["jobs_per_minute"] > 0
    jobs = editor.get(INGEST, params={"batch_id": batch["batch_id"]}).json()["data"]
    assert batch["finished_at"] == max(job["finished_at"] for job in jobs)
    assert [job["priority"] for job in jobs] == ["batch"] * 3
    names = [job["file_name"] for job in jobs]
    assert (names[0], names[2]) == ("again.jpg", "Été 01.jpg")
    assert names[1].endswith("missing.jpg")
    written = "select finished_at is not null from batches where batch_id = %s"
    eventually(lambda: server.sql(written, batch["batch_id"]) == [(True,)])


def test_jobs_are_found_by_a_part_of_their_files_name(waiting: httpx2.Client, chief: httpx2.Client) -> None:
    mark = uuid4().hex
    declared = new(waiting, file_name=f"Look 100% {mark}_A.JPG")
    keyed = new(waiting, source_reference=f"s3://episodes-media/clip/{uuid4()}-look-{mark}_b.jpg")
    batch = posted(waiting, declared, keyed)["batch_id"]
    for part, number in ((mark, 2), (f"% {mark.upper()}_a", 1), (f"look-{mark}", 1), (f"{mark}__", 0)):
        found = waiting.get(INGEST, params={"file_name": part}).json()["data"]
        assert (part, len(found)) == (part, number)
    done = chief.post(f"{INGEST}/cancel", json={"filter": {"file_name": f"{mark}_b"}}).json()["data"]
    assert done == {"cancelled": 1, "skipped": 0}
    assert counts(state(waiting, batch)) == {"total": 2, "queued": 1, "cancelled": 1}
    assert errors(waiting.get(INGEST, params={"file_name": ""})) == [("VALIDATION_ERROR", "file_name")]
    assert errors(waiting.post(INGEST, json=declared | {"file_name": "a\x00b"}))[0][1] == "file_name"


def test_a_batch_grows_and_ends_each_time_nothing_of_it_is_left(quiet: Stack, waiting: httpx2.Client) -> None:
    batch = opened(waiting, "bit by bit")
    assert (counts(state(waiting, batch)), state(waiting, batch)["finished_at"]) == ({}, None)
    first = posted(waiting, new(waiting), batch_id=batch)["results"][0]["job"]
    assert first["batch_id"] == batch
    waiting.post(f"{INGEST}/{first['job_id']}/cancel")
    over = state(waiting, batch)
    assert over["finished_at"] is not None
    assert finished(quiet) >= {UUID(batch)}
    posted(waiting, new(waiting), new(waiting, priority="backfill"), batch_id=batch)
    now = state(waiting, batch)
    assert (counts(now), now["finished_at"]) == ({"total": 3, "queued": 2, "cancelled": 1}, None)
    assert now["version"] > over["version"]
    assert quiet.sql("select finished_at from batches where batch_id = %s", batch) == [(None,)]


def finished(stack: Stack) -> set[UUID]:
    """What a dispatcher writes down as over."""

    async def finish() -> list[UUID]:
        async with db.pool(load(stack.environ), size=1) as pool, db.borrow(pool) as connection:
            return await batch_changes.finish(connection)

    return set(asyncio.run(finish()))


def test_a_batch_brings_a_file_for_an_entity_once_however_often_and_by_whom_it_is_posted(
    waiting: httpx2.Client,
) -> None:
    batch = posted(waiting, new(waiting, sha256="1" * 64))
    jobs = [new(waiting, sha256=f"{number}" * 64) for number in range(2, 6)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: posted(waiting, *jobs, batch_id=batch["batch_id"]), range(3)))
    (ids,) = {tuple(result["job"]["job_id"] for result in answer["results"]) for answer in answers}
    assert len(set(ids)) == 4
    other = jobs[0] | {"sha256": "f" * 64}
    again = posted(waiting, jobs[1], other, jobs[0], batch_id=batch["batch_id"])
    assert [result["job"]["job_id"] for result in again["results"]][::2] == [ids[1], ids[0]]
    assert waiting.get(f"{PATH}/{batch['batch_id']}").json()["data"]["total"] == 6


def test_a_batch_that_is_kept_open_ends_when_it_is_closed_and_takes_nothing_then(
    quiet: Stack, waiting: httpx2.Client, other: httpx2.Client
) -> None:
    name = f"card {uuid4()}"
    batch = opened(waiting, name, keep_open=True)
    assert opened(waiting, name, keep_open=True) == batch
    assert opened(other, name, keep_open=True) != batch
    job = posted(waiting, new(waiting), batch_id=batch)["results"][0]["job"]
    waiting.post(f"{INGEST}/{job['job_id']}/cancel")
    assert state(waiting, batch)["finished_at"] is None
    assert UUID(batch) not in finished(quiet)
    closed = waiting.post(f"{PATH}/{batch}/close").json()["data"]
    assert closed["finished_at"] == closed["closed_at"] is not None
    assert UUID(batch) in finished(quiet)
    late = waiting.post(f"{INGEST}/batch", json={"jobs": [new(waiting)], "batch_id": batch})
    assert (late.status_code, errors(late)) == (409, [("CONFLICT", "batch_id")])
    assert waiting.post(f"{PATH}/{batch}/close").status_code == 409
    assert opened(waiting, name, keep_open=True) != batch


def test_what_is_posted_while_a_batch_is_closed_is_in_it_or_refused(quiet: Stack, waiting: httpx2.Client) -> None:
    batch, item = opened(waiting, "a race", keep_open=True), new(waiting)

    def post(_: int) -> int:
        with quiet.client("editor") as client:
            return client.post(f"{INGEST}/batch", json={"jobs": [item] * 3, "batch_id": batch}).status_code

    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(post, number) for number in range(8)]
        answer = waiting.post(f"{PATH}/{batch}/cancel")
        statuses = [one.result() for one in posts]
    assert answer.status_code == 200
    assert set(statuses) <= {202, 409}
    taken = 3 * statuses.count(202)
    now = state(waiting, batch)
    assert counts(now) == ({"total": taken, "cancelled": taken} if taken else {})
    assert now["finished_at"] is not None


def test_a_batch_is_cancelled_and_started_again_by_who_opened_it_or_an_admin(
    waiting: httpx2.Client, other: httpx2.Client, chief: httpx2.Client
) -> None:
    batch = posted(waiting, *(new(waiting) for _ in range(3)))["batch_id"]
    for verb in ("cancel", "retry", "close"):
        assert other.post(f"{PATH}/{batch}/{verb}").status_code == 403
    assert other.post(f"{INGEST}/batch", json={"jobs": [new(other)], "batch_id": batch}).status_code == 403
    assert waiting.post(f"{PATH}/{batch}/retry").status_code == 409
    cancelled = waiting.post(f"{PATH}/{batch}/cancel").json()["data"]
    assert counts(cancelled) == {"total": 3, "cancelled": 3}
    assert cancelled["finished_at"] is not None
    assert waiting.post(f"{PATH}/{batch}/cancel").status_code == 409
    again = chief.post(f"{PATH}/{batch}/retry").json()["data"]
    assert (counts(again), again["finished_at"]) == ({"total": 3, "queued": 3}, None)
    assert counts(chief.post(f"{PATH}/{batch}/cancel").json()["data"]) == {"total": 3, "cancelled": 3}


def test_a_retry_starts_what_failed_and_leaves_what_was_cancelled_alone(quiet: Stack, waiting: httpx2.Client) -> None:
    results = posted(waiting, new(waiting), new(waiting))["results"]
    failed, alone = (result["job"]["job_id"] for result in results)
    batch = results[0]["job"]["batch_id"]
    waiting.post(f"{INGEST}/{alone}/cancel")
    failing = "update ingest_jobs set status = 'failed', error_code = 'INTERNAL', finished_at = now() where job_id = %s"
    quiet.sql(failing, failed)
    assert counts(state(waiting, batch)) == {"total": 2, "failed": 1, "cancelled": 1}
    assert counts(waiting.post(f"{PATH}/{batch}/retry").json()["data"]) == {"total": 2, "queued": 1, "cancelled": 1}


def test_what_is_no_batch_is_named(waiting: httpx2.Client) -> None:
    nowhere = str(uuid4())
    for answer in (
        waiting.get(f"{PATH}/{nowhere}"),
        waiting.get(f"{PATH}/{nowhere}/events"),
        waiting.post(f"{PATH}/{nowhere}/cancel"),
        waiting.post(f"{PATH}/{nowhere}/retry"),
    ):
        assert (answer.status_code, errors(answer)) == (404, [("NOT_FOUND", None)])
    answer = waiting.post(f"{INGEST}/batch", json={"jobs": [new(waiting)], "batch_id": nowhere})
    assert (answer.status_code, errors(answer)) == (400, [("VALIDATION_ERROR", "batch_id")])
    assert errors(waiting.post(PATH, json={"name": " "})) == [("VALIDATION_ERROR", "name")]
    assert errors(waiting.post(PATH, json={})) == [("VALIDATION_ERROR", "name")]


def test_batches_are_listed_by_name_owner_and_end(waiting: httpx2.Client, other: httpx2.Client, quiet: Stack) -> None:
    mark = uuid4().hex
    mine = [opened(waiting, f"{mark} {number}") for number in range(3)]
    theirs = opened(other, f"{mark} theirs")
    waiting.post(f"{PATH}/{mine[1]}/close")
    finished(quiet)

    def listed(**params: Any) -> list[str]:
        rows = waiting.get(PATH, params={"name": mark.upper(), **params}).json()["data"]
        return [row["batch_id"] for row in rows]

    assert listed() == [theirs, *reversed(mine)]
    assert listed(created_by="tester") == list(reversed(mine))
    assert listed(finished=True) == [mine[1]]
    assert listed(created_by="tester", finished=False) == [mine[2], mine[0]]
    first = waiting.get(PATH, params={"name": mark, "limit": 3}).json()["metadata"]["pagination"]
    assert (first["total"], listed(cursor=first["nextCursor"])) == (4, [mine[0]])


def test_a_batch_is_watched_to_its_end_and_a_watcher_that_comes_back_goes_on(
    quiet: Stack, waiting: httpx2.Client
) -> None:
    results = posted(waiting, new(waiting), new(waiting))["results"]
    batch = results[0]["job"]["batch_id"]
    with waiting.stream("GET", f"{PATH}/{batch}/events", timeout=10) as answer:
        stream = events(answer)
        first = next(stream)
        assert (first["event"], counts(first["data"])) == ("running", {"total": 2, "queued": 2})
        waiting.post(f"{INGEST}/{results[0]['job']['job_id']}/cancel")
        second = next(stream)
        assert counts(second["data"]) == {"total": 2, "queued": 1, "cancelled": 1}
        assert int(second["id"]) > int(first["id"])
    waiting.post(f"{INGEST}/{results[1]['job']['job_id']}/cancel")
    headers = {"Last-Event-ID": second["id"]}
    with waiting.stream("GET", f"{PATH}/{batch}/events", headers=headers, timeout=10) as answer:
        (last,) = events(answer)
    assert (last["event"], last["data"]["cancelled"]) == ("finished", 2)
    seen = waiting.get(f"{PATH}/{batch}/events", headers={"Last-Event-ID": last["id"]}, timeout=1)
    assert seen.status_code == 204


def test_a_hundred_watchers_cost_one_query_a_look(
    quiet: Stack, waiting: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = UUID(posted(waiting, new(waiting))["batch_id"])
    monkeypatch.setattr("api.ingest.batch_events.LOOK_SECONDS", 0.1)
    read, asked = batches.read_all, list[int]()

    async def counted(connection: db.Connection, ids: list[UUID]) -> Any:
        asked.append(len(ids))
        return await read(connection, ids)

    monkeypatch.setattr("models.jobs.batches.read_all", counted)

    async def watch(reader: Reader) -> int:
        async for now in reader.states(batch):
            assert now is not None
            return now.total
        raise AssertionError

    async def watch_all() -> list[int]:
        async with db.pool(load(quiet.environ), size=1) as pool:
            reader = Reader(pool)
            return await asyncio.gather(*(watch(reader) for _ in range(100)))

    assert asyncio.run(watch_all()) == [1] * 100
    assert asked == [1]


def test_a_thousand_jobs_of_one_batch_are_cancelled_at_once(waiting: httpx2.Client) -> None:
    clip = create(waiting, CLIP)["clip_id"]
    item = {"entity_type": "clip", "entity_id": clip, "source_reference": missing()}
    batch = posted(waiting, *[item] * 1000)["batch_id"]
    assert counts(waiting.post(f"{PATH}/{batch}/cancel").json()["data"]) == {"total": 1000, "cancelled": 1000}

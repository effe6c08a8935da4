"""The main job's API: what is taken, how a job looks, how jobs are listed, watched, cancelled and tried again."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from api.ingest.events import events as events_of
from models.db import connection as db
from models.db.paging import COUNT_LIMIT
from models.settings import load
from tests import media, work
from tests.eventually import eventually
from tests.resources import CLIP, EPISODE, OUTFIT, create
from tests.stack import PLAIN, Stack

PATH = "/api/v1/ingest"
FIELDS = {
    "job_id",
    "batch_id",
    "entity_type",
    "entity_id",
    "role",
    "source_reference",
    "file_name",
    "priority",
    "on_duplicate",
    "status",
    "stage",
    "outcome",
    "duplicate_of",
    "sha256",
    "file_size",
    "mime_type",
    "attempts",
    "error",
    "stages",
    "request_id",
    "created_by",
    "created_at",
    "started_at",
    "finished_at",
}
STAGE_FIELDS = {"name", "status", "attempts", "started_at", "finished_at", "seconds"}
STAGES = ["ingest", "deduplicate", "thumbnail", "index"]


def missing() -> str:
    """A reference in our bucket to nothing."""
    return f"s3://episodes-media/clip/{uuid4()}-missing.jpg"


def new(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """What a job for a new clip needs."""
    if "entity_id" not in fields:
        fields["entity_id"] = create(client, CLIP)["clip_id"]
    return {"entity_type": "clip", "source_reference": missing()} | fields


def posted(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """A job."""
    answer = client.post(PATH, json=new(client, **fields))
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()["data"]
    return job


def errors(answer: httpx2.Response) -> list[tuple[str, str | None]]:
    """Code and field of each error."""
    return [(error["code"], error.get("field")) for error in answer.json()["errors"]]


def listed(client: httpx2.Client, **params: Any) -> list[str]:
    """The ids of the jobs that match."""
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return [job["job_id"] for job in answer.json()["data"]]


def test_a_job_is_accepted_with_its_location_and_exactly_the_promised_fields(waiting: httpx2.Client) -> None:
    clip = create(waiting, CLIP)["clip_id"]
    reference = missing()
    body = {"entity_type": "clip", "entity_id": clip, "source_reference": reference}
    answer = waiting.post(PATH, json=body, headers={"X-Request-ID": "call-7"})
    job = answer.json()["data"]
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{PATH}/{job['job_id']}"
    assert set(job) - {"version"} == FIELDS
    assert {name: job[name] for name in body} == body
    assert (job["role"], job["on_duplicate"], job["priority"]) == ("primary", "link", "interactive")
    assert (job["status"], job["stage"], job["outcome"], job["error"], job["attempts"]) == (
        "queued",
        "ingest",
        None,
        None,
        0,
    )
    assert (job["request_id"], job["created_by"], job["batch_id"]) == ("call-7", "tester", None)
    assert [stage["name"] for stage in job["stages"]] == STAGES
    assert {frozenset(stage) for stage in job["stages"]} == {frozenset(STAGE_FIELDS)}
    assert waiting.get(answer.headers["Location"]).json()["data"] == job


def test_a_job_says_all_it_was_told(waiting: httpx2.Client) -> None:
    said = {"sha256": "a" * 64, "on_duplicate": "keep", "priority": "backfill"}
    job = posted(waiting, **said)
    assert {name: job[name] for name in said} == said


def test_a_role_has_a_default_for_each_entity(waiting: httpx2.Client) -> None:
    episode, outfit = create(waiting, EPISODE)["episode_id"], create(waiting, OUTFIT)["outfit_id"]
    assert posted(waiting, entity_type="episode", entity_id=episode)["role"] == "thumbnail"
    for role in ("thumbnail", "trailer", "script"):
        assert posted(waiting, entity_type="episode", entity_id=episode, role=role)["role"] == role
    assert posted(waiting, entity_type="outfit", entity_id=outfit)["role"] == "primary"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"source_reference": "s3://somebody-elses/clip/x.jpg"}, "source_reference"),
        ({"source_reference": "s3://episodes-media"}, "source_reference"),
        ({"source_reference": "s3://episodes-media/"}, "source_reference"),
        ({"source_reference": "s3:///x.jpg"}, "source_reference"),
        ({"source_reference": "s3://episodes-media/../secrets"}, "source_reference"),
        ({"source_reference": "s3://episodes-media/a//b.jpg"}, "source_reference"),
        ({"source_reference": "https://episodes-media/x.jpg"}, "source_reference"),
        ({"source_reference": "file:///etc/passwd"}, "source_reference"),
        ({"source_reference": "/etc/passwd"}, "source_reference"),
        ({"source_reference": ""}, "source_reference"),
        ({"source_reference": "s3://episodes-media/" + "x" * 1024}, "source_reference"),
        ({"source_reference": "s3://episodes-media/a\x00b"}, "source_reference"),
        ({"source_reference": None}, "source_reference"),
        ({"entity_id": str(uuid4())}, "entity_id"),
        ({"entity_id": "clip-1"}, "entity_id"),
        ({"entity_type": "show"}, "entity_type"),
        ({"entity_type": "clips"}, "entity_type"),
        ({"role": "trailer"}, "role"),
        ({"role": "poster"}, "role"),
        ({"on_duplicate": "merge"}, "on_duplicate"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": 1}, "priority"),
        ({"sha256": "nope"}, "sha256"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"sha256": "a" * 64 + "\n"}, "sha256"),
        ({"status": "succeeded"}, "status"),
    ],
)
def test_what_cannot_be_is_a_400_at_once_that_names_it(
    waiting: httpx2.Client, fields: dict[str, Any], field: str
) -> None:
    answer = waiting.post(PATH, json=new(waiting, **fields))
    assert answer.status_code == 400
    assert errors(answer) == [("VALIDATION_ERROR", field)]


@pytest.mark.parametrize("reference", ["s3://episodes-media/", "s3://episodes-thumbnails/"])
def test_both_our_buckets_are_ours(waiting: httpx2.Client, reference: str) -> None:
    assert posted(waiting, source_reference=f"{reference}clip/a b+é?.jpg")["status"] == "queued"


def test_a_deleted_entity_takes_no_file(waiting: httpx2.Client) -> None:
    clip = create(waiting, CLIP)["clip_id"]
    waiting.delete(f"{CLIP.path}/{clip}")
    assert errors(waiting.post(PATH, json=new(waiting, entity_id=clip))) == [("VALIDATION_ERROR", "entity_id")]


def test_an_id_of_another_kind_of_entity_is_none(waiting: httpx2.Client) -> None:
    clip = create(waiting, CLIP)["clip_id"]
    answer = waiting.post(PATH, json=new(waiting, entity_type="outfit", entity_id=clip))
    assert errors(answer) == [("VALIDATION_ERROR", "entity_id")]


def test_each_wrong_field_of_a_job_has_one_entry(waiting: httpx2.Client) -> None:
    answer = waiting.post(PATH, json={"entity_type": "x", "priority": "y", "surprise": 1})
    fields = sorted(str(field) for _, field in errors(answer))
    assert fields == ["entity_id", "entity_type", "priority", "source_reference", "surprise"]


def test_a_batch_answers_each_item_in_order_and_keeps_the_good_ones(waiting: httpx2.Client) -> None:
    good = [new(waiting), new(waiting, priority="batch")]
    items: list[dict[str, Any]] = [
        good[0],
        new(waiting, entity_id=str(uuid4())),
        {},
        good[1],
        new(waiting, source_reference="s3://other/x.jpg"),
        new(waiting, role="trailer"),
        new(waiting, sha256=5),
        new(waiting) | {"surprise": 1},
    ]
    answer = waiting.post(f"{PATH}/batch", json={"jobs": items})
    batch = answer.json()["data"]
    assert answer.status_code == 202
    assert [result["index"] for result in batch["results"]] == list(range(len(items)))
    fields = [result["error"] and result["error"]["field"] for result in batch["results"]]
    assert fields[:2] == [None, "entity_id"]
    assert fields[2] in {"entity_type", "entity_id", "source_reference"}
    assert fields[3:] == [None, "source_reference", "role", "sha256", "surprise"]
    made = [result["job"] for result in batch["results"] if result["job"]]
    assert [job["entity_id"] for job in made] == [item["entity_id"] for item in good]
    assert {job["batch_id"] for job in made} == {batch["batch_id"]}
    assert set(made[0]) - {"version"} == FIELDS
    assert listed(waiting, batch_id=batch["batch_id"]) == [made[1]["job_id"], made[0]["job_id"]]


def batch_ids(client: httpx2.Client) -> list[str]:
    return [batch["batch_id"] for batch in client.get(f"{PATH}/batches").json()["data"]]


def test_a_batch_of_bad_items_only_makes_no_job(waiting: httpx2.Client) -> None:
    before = batch_ids(waiting)
    answer = waiting.post(f"{PATH}/batch", json={"jobs": [{}, {"entity_type": "clip"}, new(waiting, role="script")]})
    batch = answer.json()["data"]
    assert answer.status_code == 400
    assert [result["job"] for result in batch["results"]] == [None, None, None]
    assert [field for _, field in errors(answer)] == ["jobs[0].entity_type", "jobs[1].entity_id", "jobs[2].role"]
    assert batch_ids(waiting) == before


def test_a_batch_takes_a_thousand_and_no_more(waiting: httpx2.Client) -> None:
    item = new(waiting)
    answer = waiting.post(f"{PATH}/batch", json={"jobs": [item] * 1000})
    batch = answer.json()["data"]
    assert answer.status_code == 202
    assert len({result["job"]["job_id"] for result in batch["results"]}) == 1000
    page = waiting.get(PATH, params={"batch_id": batch["batch_id"], "limit": 1}).json()
    assert page["metadata"]["pagination"]["total"] == 1000
    too_many = waiting.post(f"{PATH}/batch", json={"jobs": [item] * 1001})
    assert errors(too_many) == [("VALIDATION_ERROR", "jobs")]


@pytest.mark.parametrize("jobs", [[], None, {}, "all", [1], [None]])
def test_a_batch_is_a_list_of_jobs(waiting: httpx2.Client, jobs: Any) -> None:
    answer = waiting.post(f"{PATH}/batch", json={"jobs": jobs})
    assert answer.status_code == 400
    assert [(code, (field or "").partition("[")[0]) for code, field in errors(answer)] == [("VALIDATION_ERROR", "jobs")]


def test_a_list_is_narrowed_by_each_filter(quiet: Stack, waiting: httpx2.Client) -> None:
    clip, outfit = create(waiting, CLIP)["clip_id"], create(waiting, OUTFIT)["outfit_id"]
    first = posted(waiting, entity_id=clip)["job_id"]
    second = posted(waiting, entity_id=clip)["job_id"]
    third = posted(waiting, entity_type="outfit", entity_id=outfit)["job_id"]
    quiet.sql(
        "update ingest_jobs set status = 'failed', error_code = 'CORRUPT_FILE', error_message = 'x',"
        " finished_at = now() where job_id = %s",
        first,
    )
    quiet.sql("update ingest_jobs set status = 'running', stage = 'thumbnail' where job_id = %s", second)
    assert listed(waiting, entity_id=clip) == [second, first]
    assert listed(waiting, entity_id=clip, status="failed") == [first]
    assert listed(waiting, entity_id=clip, error_code="CORRUPT_FILE") == [first]
    assert listed(waiting, entity_id=clip, error_code="TIMEOUT") == []
    assert listed(waiting, entity_id=clip, stage="thumbnail") == [second]
    assert listed(waiting, entity_id=clip, stage="thumbnail", status="queued") == []
    assert listed(waiting, entity_type="outfit", entity_id=outfit) == [third]
    assert listed(waiting, entity_type="clip", entity_id=outfit) == []
    job = waiting.get(f"{PATH}/{first}").json()["data"]
    assert job["error"] == {"code": "CORRUPT_FILE", "message": "x"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("stage=fetch", "stage"),
        ("error_code=OOPS", "error_code"),
        ("entity_type=show", "entity_type"),
        ("entity_id=1", "entity_id"),
        ("batch_id=1", "batch_id"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=abc", "cursor"),
        ("sort=status", "sort"),
        ("priority=batch", "priority"),
    ],
)
def test_a_wrong_filter_is_named(waiting: httpx2.Client, query: str, field: str) -> None:
    answer = waiting.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert errors(answer) == [("VALIDATION_ERROR", field)]


def test_a_list_walks_by_cursor_while_jobs_are_added(waiting: httpx2.Client) -> None:
    clip = create(waiting, CLIP)["clip_id"]
    made = [posted(waiting, entity_id=clip)["job_id"] for _ in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"entity_id": clip, "limit": 2}
    while True:
        body = waiting.get(PATH, params=params).json()
        seen += [job["job_id"] for job in body["data"]]
        posted(waiting, entity_id=clip)
        params["cursor"] = body["metadata"]["pagination"]["nextCursor"]
        if params["cursor"] is None:
            break
    assert seen == list(reversed(made))


def test_more_jobs_than_are_counted_are_said_to_be_more(quiet: Stack, waiting: httpx2.Client) -> None:
    batch, name = str(uuid4()), posted(waiting)["job_id"]
    quiet.sql(
        "insert into ingest_jobs (batch_id, entity_type, entity_id, role, source_reference, on_duplicate, priority,"
        " created_by, request_id)"
        " select %s, entity_type, entity_id, role, source_reference, on_duplicate, priority, created_by, request_id"
        " from ingest_jobs, generate_series(1, %s) where job_id = %s",
        *(batch, COUNT_LIMIT + 1, name),
    )
    page = {"total": COUNT_LIMIT, "totalCapped": True}
    assert waiting.get(PATH, params={"batch_id": batch}).json()["metadata"]["pagination"].items() >= page.items()
    quiet.sql("delete from ingest_jobs where batch_id = %s", batch)
    assert "totalCapped" not in waiting.get(PATH).json()["metadata"]["pagination"]


def test_a_job_that_never_was_is_not_found(waiting: httpx2.Client) -> None:
    path = f"{PATH}/{uuid4()}"
    for answer in (
        waiting.get(path),
        waiting.get(f"{path}/events"),
        waiting.post(f"{path}/retry"),
        waiting.post(f"{path}/cancel"),
    ):
        assert answer.status_code == 404
        assert errors(answer) == [("NOT_FOUND", None)]
    assert errors(waiting.get(f"{PATH}/one")) == [("VALIDATION_ERROR", "job_id")]


def test_a_waiting_job_is_cancelled_once_and_tried_again(waiting: httpx2.Client) -> None:
    path = f"{PATH}/{posted(waiting)['job_id']}"
    assert errors(waiting.post(f"{path}/retry")) == [("CONFLICT", None)]
    cancelled = waiting.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (200, "cancelled")
    assert cancelled.json()["data"]["finished_at"] is not None
    assert waiting.post(f"{path}/cancel").status_code == 409
    again = waiting.post(f"{path}/retry")
    assert (again.status_code, again.json()["data"]["status"]) == (200, "queued")
    assert again.json()["data"]["finished_at"] is None
    assert waiting.post(f"{path}/retry").status_code == 409


def test_a_job_that_succeeded_is_neither_cancelled_nor_tried_again(quiet: Stack, waiting: httpx2.Client) -> None:
    job = posted(waiting)["job_id"]
    quiet.sql(
        "update ingest_jobs set status = 'succeeded', stage = 'index', outcome = 'stored', finished_at = now()"
        " where job_id = %s",
        job,
    )
    for verb in ("cancel", "retry"):
        answer = waiting.post(f"{PATH}/{job}/{verb}")
        assert (answer.status_code, errors(answer)) == (409, [("CONFLICT", None)])


def test_a_failed_job_stays_listed_until_it_is_tried_again(editor: httpx2.Client) -> None:
    job = work.ended(editor, posted(editor))
    assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", "SOURCE_MISSING", 1)
    assert job["job_id"] in listed(editor, status="failed", error_code="SOURCE_MISSING", entity_id=job["entity_id"])
    assert editor.post(f"{PATH}/{job['job_id']}/cancel").status_code == 409
    again = editor.post(f"{PATH}/{job['job_id']}/retry").json()["data"]
    assert (again["status"], again["error"], again["attempts"]) == ("queued", None, 0)
    assert work.ended(editor, again)["error"]["code"] == "SOURCE_MISSING"


# Watching -----------------------------------------------------------------------------------------------------------


@contextmanager
def watching(client: httpx2.Client, job: str, last: str | None = None) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a job as they come: {id, event, data}."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", f"{PATH}/{job}/events", headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield events(answer)


def events(answer: httpx2.Response) -> Iterator[dict[str, Any]]:
    """Server-sent events, parsed."""
    event: dict[str, Any] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            event[name] = json.loads(value) if name == "data" else value
        elif "data" in event:
            yield event
            event = {}


def test_a_job_is_watched_until_it_ends(editor: httpx2.Client) -> None:
    reference = work.upload(editor, work.unique(media.jpeg()))
    job = work.post(editor, reference)
    with watching(editor, job["job_id"]) as stream:
        seen = list(stream)
    assert seen[-1]["event"] == "succeeded"
    assert seen[-1]["data"] == editor.get(f"{PATH}/{job['job_id']}").json()["data"]
    assert all(event["event"] == event["data"]["status"] for event in seen)
    numbers = [int(event["id"]) for event in seen]
    assert numbers == sorted(set(numbers))


def test_a_watcher_that_comes_back_goes_on_where_it_was(quiet: Stack, waiting: httpx2.Client) -> None:
    job = posted(waiting)["job_id"]
    with watching(waiting, job) as stream:
        first = next(stream)
    assert (first["event"], first["data"]["job_id"]) == ("queued", job)
    quiet.sql("update ingest_jobs set status = 'running' where job_id = %s", job)
    with watching(waiting, job, first["id"]) as stream:
        second = next(stream)
        assert second["event"] == "running"
        assert int(second["id"]) > int(first["id"])
        waiting.post(f"{PATH}/{job}/cancel")
        rest = list(stream)
    assert [event["event"] for event in rest] == ["cancelled"]
    with watching(waiting, job) as stream:
        assert [event["event"] for event in stream] == ["cancelled"]


@pytest.mark.parametrize("last", ["", "x", "-1", "0", "9" * 5000])
def test_an_event_id_that_is_none_of_ours_begins_anew(waiting: httpx2.Client, last: str) -> None:
    job = posted(waiting)["job_id"]
    waiting.post(f"{PATH}/{job}/cancel")
    with watching(waiting, job, last) as stream:
        assert [event["event"] for event in stream] == ["cancelled"]


@pytest.mark.parametrize("ahead", [0, 1000])
def test_a_watcher_that_has_seen_the_end_is_let_go(waiting: httpx2.Client, ahead: int) -> None:
    job = posted(waiting)["job_id"]
    waiting.post(f"{PATH}/{job}/cancel")
    with watching(waiting, job) as stream:
        (end,) = stream
    headers = {"Last-Event-ID": str(int(end["id"]) + ahead)}
    answer = waiting.get(f"{PATH}/{job}/events", headers=headers, timeout=1)
    assert answer.status_code == 204  # what tells a browser's EventSource not to come back


def test_a_watcher_needs_a_token(quiet: Stack) -> None:
    assert httpx2.get(f"{quiet.url}{PATH}/{uuid4()}/events", **PLAIN).status_code == 401


def test_many_watchers_do_not_use_up_the_database(quiet: Stack, waiting: httpx2.Client) -> None:
    job = posted(waiting)["job_id"]
    with ExitStack() as watchers, quiet.client("viewer") as viewer:
        streams = [viewer.stream("GET", f"{PATH}/{job}/events", timeout=10) for _ in range(25)]
        answers = [watchers.enter_context(stream) for stream in streams]
        assert {answer.status_code for answer in answers} == {200}
        assert {waiting.get(PATH, params={"limit": 1}).status_code for _ in range(10)} == {200}


def test_an_event_id_beyond_the_newest_goes_on_from_the_newest(waiting: httpx2.Client) -> None:
    job = posted(waiting)["job_id"]
    with watching(waiting, job, "9" * 18) as stream:
        waiting.post(f"{PATH}/{job}/cancel")
        assert [event["event"] for event in stream] == ["cancelled"]


def test_a_watched_api_stops_soon_and_ends_the_stream_in_good_order(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    with stack.client() as client, watching(client, posted(client)["job_id"]) as stream:
        assert next(stream)["event"] == "queued"
        stack.api.ask_to_stop()
        assert list(stream) == []
        eventually(lambda: not stack.api.alive, within=4)


def test_a_stream_without_news_says_so(quiet: Stack, waiting: httpx2.Client) -> None:
    job = UUID(posted(waiting)["job_id"])

    async def second_message() -> bytes:
        async with db.pool(load(quiet.environ), size=1) as pool:
            messages = events_of(pool, job, 0, quiet_seconds=0.1)
            assert (await anext(messages)).event == "queued"
            return (await anext(messages)).encode()

    assert asyncio.run(second_message()).startswith(b": ")

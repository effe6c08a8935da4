"""The failed-job desk: what is told of failures, what is done to many jobs at once, what is held back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests import media
from tests.eventually import eventually
from tests.resources import CLIP, create
from tests.stack import Stack, running, serving
from tests.work import ended, post, unique, upload

PATH = "/api/v1/ingest"
PAUSES = f"{PATH}/pauses"
PRIORITIES = f"{PATH}/priorities"
MISSING = "s3://episodes-media/clip/missing.jpg"
LEDGER = "select job_id, status, stage, attempts, fence, version from ingest_jobs order by job_id"
FAILED = """
    update ingest_jobs set status = 'failed', error_code = %s, error_message = 'x', finished_at = clock_timestamp()
    where job_id = %s
"""


@pytest.fixture(scope="module")
def quiet(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API whose jobs wait, because nobody works."""
    with serving(services, tmp_path_factory.mktemp("desk")) as stack:
        yield stack


@pytest.fixture(scope="module")
def chief(quiet: Stack) -> Iterator[httpx2.Client]:
    """An admin of that API."""
    with quiet.client("admin", "chief") as client:
        yield client


def batch(client: httpx2.Client, count: int, clip: str | None = None) -> tuple[str, list[str]]:
    """The ids of a batch and of its jobs."""
    item = {"entity_type": "clip", "entity_id": clip or create(client, CLIP)["clip_id"], "source_reference": MISSING}
    item["priority"] = "interactive"
    made = client.post(f"{PATH}/batch", json={"jobs": [item] * count}).json()["data"]
    return made["batch_id"], [result["job"]["job_id"] for result in made["results"]]


def failed(stack: Stack, client: httpx2.Client, count: int, code: str = "TIMEOUT") -> tuple[str, list[str]]:
    """A batch whose jobs have failed."""
    batch_id, jobs = batch(client, count)
    for job in jobs:
        stack.sql(FAILED, code, job)
    return batch_id, jobs


def statuses(client: httpx2.Client, batch_id: str) -> list[str]:
    """How the jobs of a batch stand, the oldest first."""
    return [job["status"] for job in client.get(PATH, params={"batch_id": batch_id}).json()["data"]][::-1]


def errors(answer: httpx2.Response) -> list[tuple[str, str | None]]:
    """Code and field of each error."""
    return [(error["code"], error.get("field")) for error in answer.json()["errors"]]


def all_of(client: httpx2.Client, verb: str, **wanted: Any) -> dict[str, int]:
    """What became of all jobs that match."""
    answer = client.post(f"{PATH}/{verb}", json={"filter": wanted})
    assert answer.status_code == 200, answer.text
    done: dict[str, int] = answer.json()["data"]
    return done


def audited(client: httpx2.Client, entity_id: str) -> list[tuple[str, str]]:
    """Who did what to a job or a pause, the oldest first."""
    rows = client.get("/api/v1/audit", params={"entity_id": entity_id}).json()["data"]
    return [(row["actor"], row["action"]) for row in rows[::-1]]


# Many jobs at once --------------------------------------------------------------------------------------------------


def test_all_failed_jobs_that_match_start_again_and_no_others(quiet: Stack, chief: httpx2.Client) -> None:
    ours, jobs = failed(quiet, chief, 3)
    theirs, _ = failed(quiet, chief, 2)
    quiet.sql("update ingest_jobs set error_code = 'CORRUPT_FILE' where job_id = %s", jobs[1])
    assert all_of(chief, "retry", batch_id=ours, error_code="TIMEOUT") == {"retried": 2, "skipped": 0}
    assert statuses(chief, ours) == ["queued", "failed", "queued"]
    assert statuses(chief, theirs) == ["failed", "failed"]
    job = chief.get(f"{PATH}/{jobs[0]}").json()["data"]
    assert (job["stage"], job["attempts"], job["error"], job["finished_at"]) == ("ingest", 0, None, None)


def test_more_jobs_than_a_slice_start_again(quiet: Stack, chief: httpx2.Client) -> None:
    ours, jobs = batch(chief, 1000)
    quiet.sql(
        "insert into ingest_jobs (batch_id, entity_type, entity_id, role, source_reference, on_duplicate, priority,"
        " request_id, created_by) select batch_id, entity_type, entity_id, role, source_reference, on_duplicate,"
        " priority, request_id, created_by from ingest_jobs, generate_series(1, 1500) where job_id = %s",
        jobs[0],
    )
    assert all_of(chief, "cancel", batch_id=ours) == {"cancelled": 2500, "skipped": 0}
    assert all_of(chief, "retry", batch_id=ours) == {"retried": 0, "skipped": 0}
    assert all_of(chief, "retry", batch_id=ours, status="cancelled") == {"retried": 2500, "skipped": 0}
    rows = "select action, count(*) from audit_log join ingest_jobs using (job_id) where batch_id = %s group by action"
    assert dict(quiet.sql(rows, ours)) == {"cancel": 2500, "retry": 2500}
    all_of(chief, "cancel", batch_id=ours)


def test_a_filter_has_the_fields_of_the_list(quiet: Stack, chief: httpx2.Client) -> None:
    clip = create(chief, CLIP)["clip_id"]
    ours, (early, late) = batch(chief, 2, clip)
    for job, hour in ((early, "2020-01-01T10:00:00Z"), (late, "2020-01-01T11:00:00Z")):
        quiet.sql(FAILED, "TIMEOUT", job)
        quiet.sql("update ingest_jobs set created_at = %s, finished_at = %s where job_id = %s", hour, hour, job)
    window = {"finished_after": "2020-01-01T10:00:00Z", "finished_before": "2020-01-01T11:00:00Z"}
    params = {"entity_id": clip, **window}
    assert [job["job_id"] for job in chief.get(PATH, params=params).json()["data"]] == [early]
    later = {"entity_id": clip, "created_after": "2020-01-01T10:30:00Z", "created_before": "2020-01-02T00:00:00Z"}
    assert [job["job_id"] for job in chief.get(PATH, params=later).json()["data"]] == [late]
    wanted = {**window, "entity_type": "clip", "entity_id": clip, "stage": "ingest", "status": "failed"}
    assert all_of(chief, "retry", **wanted) == {"retried": 1, "skipped": 0}
    assert statuses(chief, ours) == ["queued", "failed"]


def test_jobs_of_a_deleted_entity_do_not_start_again_and_are_counted(quiet: Stack, chief: httpx2.Client) -> None:
    gone, here = create(chief, CLIP)["clip_id"], create(chief, CLIP)["clip_id"]
    jobs = [*batch(chief, 2, gone)[1], *batch(chief, 1, here)[1]]
    mark = str(uuid4())
    for job in jobs:
        quiet.sql(FAILED, "INTERNAL", job)
        quiet.sql("update ingest_jobs set batch_id = %s where job_id = %s", mark, job)
    chief.delete(f"{CLIP.path}/{gone}")
    assert all_of(chief, "retry", batch_id=mark) == {"retried": 1, "skipped": 2}
    assert statuses(chief, mark) == ["failed", "failed", "queued"]


def test_one_job_of_a_deleted_entity_does_not_start_again(quiet: Stack, chief: httpx2.Client) -> None:
    clip = create(chief, CLIP)["clip_id"]
    _, (job,) = batch(chief, 1, clip)
    quiet.sql(FAILED, "INTERNAL", job)
    chief.delete(f"{CLIP.path}/{clip}")
    before = quiet.sql(LEDGER), quiet.sql("select count(*) from audit_log")
    answer = chief.post(f"{PATH}/{job}/retry")
    assert (answer.status_code, errors(answer)) == (409, [("CONFLICT", None)])
    assert answer.json()["errors"][0]["message"] == f"clip {clip}, which this job is for, is deleted: restore it before"
    assert (quiet.sql(LEDGER), quiet.sql("select count(*) from audit_log")) == before
    chief.post(f"{CLIP.path}/{clip}/restore").raise_for_status()
    assert chief.post(f"{PATH}/{job}/retry").json()["data"]["status"] == "queued"


def test_a_job_that_is_put_in_place_is_not_cancelled_and_is_counted(quiet: Stack, chief: httpx2.Client) -> None:
    ours, jobs = batch(chief, 3)
    quiet.sql("update ingest_jobs set status = 'running', stage = 'index', attempts = 1 where job_id = %s", jobs[0])
    quiet.sql("update ingest_jobs set status = 'running' where job_id = %s", jobs[1])
    assert all_of(chief, "cancel", batch_id=ours, status="running") == {"cancelled": 1, "skipped": 1}
    assert statuses(chief, ours) == ["running", "cancelled", "queued"]
    assert all_of(chief, "cancel", batch_id=ours) == {"cancelled": 1, "skipped": 1}


@pytest.mark.parametrize("verb", ["retry", "cancel"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"status": None}}, "filter"),
        ({"filter": None}, "filter"),
        ({"filter": "all"}, "filter"),
        ({"filter": {"colour": "red"}}, "filter.colour"),
        ({"filter": {"status": "succeeded"}}, "filter.status"),
        ({"filter": {"error_code": "OOPS"}}, "filter.error_code"),
        ({"filter": {"stage": "fetch"}}, "filter.stage"),
        ({"filter": {"entity_id": "1"}}, "filter.entity_id"),
        ({"filter": {"created_after": "yesterday"}}, "filter.created_after"),
        ({"filter": {"stage": "ingest"}, "force": True}, "force"),
    ],
)
def test_a_filter_that_says_nothing_or_nonsense_is_a_400_and_changes_nothing(
    quiet: Stack, chief: httpx2.Client, verb: str, body: dict[str, Any], field: str
) -> None:
    failed(quiet, chief, 1)
    before = quiet.sql(LEDGER)
    answer = chief.post(f"{PATH}/{verb}", json=body)
    assert (answer.status_code, errors(answer)) == (400, [("VALIDATION_ERROR", field)])
    assert quiet.sql(LEDGER) == before


def test_a_time_at_the_edge_of_the_calendar_is_a_filter_like_any_other(chief: httpx2.Client) -> None:
    wanted = {"created_before": "0001-01-01T00:00:00+14:00"}
    assert all_of(chief, "retry", **wanted) == {"retried": 0, "skipped": 0}
    assert chief.get(f"{PATH}/stats", params=wanted).json()["data"]["statuses"] == []


def test_what_matches_nothing_is_an_honest_zero_and_changes_nothing(quiet: Stack, chief: httpx2.Client) -> None:
    failed(quiet, chief, 1)
    before = quiet.sql(LEDGER), quiet.sql("select count(*) from audit_log")
    assert all_of(chief, "retry", batch_id=str(uuid4())) == {"retried": 0, "skipped": 0}
    assert all_of(chief, "cancel", batch_id=str(uuid4())) == {"cancelled": 0, "skipped": 0}
    assert (quiet.sql(LEDGER), quiet.sql("select count(*) from audit_log")) == before


@pytest.mark.parametrize(
    ("status", "verb"),
    [("running", "retry"), ("queued", "retry"), ("succeeded", "retry"), ("succeeded", "cancel"), ("failed", "cancel")],
)
def test_what_cannot_be_done_to_one_job_is_a_409_and_changes_nothing(
    quiet: Stack, chief: httpx2.Client, status: str, verb: str
) -> None:
    _, (job,) = batch(chief, 1)
    finished = "now()" if status in {"succeeded", "failed"} else "null"
    quiet.sql(f"update ingest_jobs set status = %s, finished_at = {finished} where job_id = %s", status, job)
    before = quiet.sql(LEDGER)
    answer = chief.post(f"{PATH}/{job}/{verb}")
    assert (answer.status_code, errors(answer)) == (409, [("CONFLICT", None)])
    assert quiet.sql(LEDGER) == before
    assert audited(chief, job) == []


def test_only_admins_touch_many_jobs_or_a_priority(quiet: Stack) -> None:
    with quiet.client("editor") as editor:
        for verb in ("retry", "cancel"):
            assert editor.post(f"{PATH}/{verb}", json={"filter": {"stage": "ingest"}}).status_code == 403
        assert editor.post(PAUSES, json={"priority": "batch", "reason": "x"}).status_code == 403
        assert editor.delete(f"{PAUSES}/batch").status_code == 403
        assert editor.get(PAUSES).status_code == 403


def test_each_change_of_a_job_is_traced_to_its_author(quiet: Stack, chief: httpx2.Client) -> None:
    ours, (job,) = failed(quiet, chief, 1)
    all_of(chief, "retry", batch_id=ours)
    chief.post(f"{PATH}/{job}/cancel", headers={"X-Request-ID": "desk-1"})
    assert audited(chief, job) == [("chief", "retry"), ("chief", "cancel")]
    cancelled, retried = chief.get("/api/v1/audit", params={"entity_type": "job", "entity_id": job}).json()["data"]
    assert retried["before"] == {"status": "failed", "stage": "ingest", "error_code": "TIMEOUT"}
    assert retried["after"] == {"status": "queued"}
    assert (cancelled["after"], cancelled["job_id"], cancelled["request_id"]) == (
        {"status": "cancelled"},
        job,
        "desk-1",
    )


def test_a_repeated_key_starts_jobs_again_once(quiet: Stack, chief: httpx2.Client) -> None:
    ours, _ = failed(quiet, chief, 2)
    body, headers = {"filter": {"batch_id": ours}}, {"Idempotency-Key": str(uuid4())}
    first, second = (chief.post(f"{PATH}/retry", json=body, headers=headers) for _ in range(2))
    assert first.json()["data"] == second.json()["data"] == {"retried": 2, "skipped": 0}
    assert second.headers["Idempotency-Replayed"] == "true"


# What is told -------------------------------------------------------------------------------------------------------


def test_failures_are_counted_in_five_ways(quiet: Stack, chief: httpx2.Client) -> None:
    ours, jobs = failed(quiet, chief, 4)
    quiet.sql("update ingest_jobs set error_code = 'CORRUPT_FILE' where job_id = %s", jobs[0])
    quiet.sql("update ingest_jobs set stage = 'thumbnail' where job_id = %s", jobs[1])
    quiet.sql("update ingest_jobs set finished_at = '2026-03-01T09:59:59Z' where job_id = %s", jobs[2])
    quiet.sql("update ingest_jobs set status = 'queued', error_code = null where job_id = %s", jobs[3])
    found = chief.get(f"{PATH}/stats", params={"batch_id": ours}).json()["data"]
    hours = [row.pop("hour") for row in found["failed_by_hour"]]
    assert hours[1] == "2026-03-01T09:00:00Z"
    assert found == {
        "statuses": [{"status": "failed", "jobs": 3}, {"status": "queued", "jobs": 1}],
        "failed_by_code": [{"error_code": "TIMEOUT", "jobs": 2}, {"error_code": "CORRUPT_FILE", "jobs": 1}],
        "failed_by_stage": [{"stage": "ingest", "jobs": 2}, {"stage": "thumbnail", "jobs": 1}],
        "failed_by_entity_type": [{"entity_type": "clip", "jobs": 3}],
        "failed_by_batch": [{"batch_id": ours, "jobs": 3}],
        "failed_by_hour": [{"jobs": 2}, {"jobs": 1}],
    }


def test_where_nothing_matches_nothing_is_counted(chief: httpx2.Client) -> None:
    found = chief.get(f"{PATH}/stats", params={"batch_id": str(uuid4())}).json()["data"]
    assert set(found) == {
        "statuses",
        *(f"failed_by_{way}" for way in ("code", "stage", "entity_type", "batch", "hour")),
    }
    assert not any(found.values())


@pytest.mark.parametrize("query", ["status=done", "entity_id=1", "created_after=soon", "limit=5", "group=stage"])
def test_a_wrong_filter_of_the_counts_is_named(chief: httpx2.Client, query: str) -> None:
    answer = chief.get(f"{PATH}/stats?{query}")
    assert (answer.status_code, errors(answer)) == (400, [("VALIDATION_ERROR", query.partition("=")[0])])


def test_the_attempts_of_a_job_are_told_those_before_a_retry_too(editor: httpx2.Client) -> None:
    job = ended(editor, post(editor, MISSING))
    editor.post(f"{PATH}/{job['job_id']}/retry")
    ended(editor, job)
    first, second = editor.get(f"{PATH}/{job['job_id']}/attempts").json()["data"]
    assert set(first) == {"stage", "attempt", "worker", "started_at", "finished_at", "result", "error"}
    assert (first["stage"], first["attempt"], first["result"]) == ("ingest", 1, "failed")
    assert first["error"]["code"] == "SOURCE_MISSING"
    assert first["worker"]
    assert first["started_at"] < first["finished_at"] < second["started_at"] < second["finished_at"]


def test_a_job_that_has_not_begun_has_no_attempts_and_no_job_none(chief: httpx2.Client) -> None:
    _, (job,) = batch(chief, 1)
    assert chief.get(f"{PATH}/{job}/attempts").json()["data"] == []
    assert errors(chief.get(f"{PATH}/{uuid4()}/attempts")) == [("NOT_FOUND", None)]
    assert errors(chief.get(f"{PATH}/one/attempts")) == [("VALIDATION_ERROR", "job_id")]


# Pauses -------------------------------------------------------------------------------------------------------------


def soon(seconds: float) -> str:
    """So many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def paused(client: httpx2.Client, **what: Any) -> dict[str, Any]:
    """A pause."""
    answer = client.post(PAUSES, json={"reason": "the storage moves", **what})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def test_a_pause_says_who_why_and_until_when(chief: httpx2.Client) -> None:
    until = soon(60)
    made = paused(chief, priority="backfill", until=until)
    assert (made["priority"], made["stage"], made["reason"]) == ("backfill", None, "the storage moves")
    assert (made["paused_by"], datetime.fromisoformat(made["until"])) == ("chief", datetime.fromisoformat(until))
    again = paused(chief, priority="backfill", reason="longer")
    assert again["reason"] == "longer"
    hour = datetime.fromisoformat(again["until"]) - datetime.fromisoformat(again["paused_at"])
    assert abs(hour - timedelta(hours=1)) < timedelta(seconds=1)
    assert chief.get(PAUSES).json()["data"] == [again]
    assert chief.delete(f"{PAUSES}/backfill").status_code == 204
    assert chief.get(PAUSES).json()["data"] == []
    assert errors(chief.delete(f"{PAUSES}/backfill")) == [("NOT_FOUND", None)]
    assert audited(chief, again["pause_id"]) == [("chief", "pause"), ("chief", "resume")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": "express", "reason": "x"}, "priority"),
        ({"priority": "ingest", "reason": "x"}, "priority"),
        ({"stage": "backfill", "reason": "x"}, "stage"),
        ({"reason": "x"}, "priority"),
        ({"priority": "batch", "stage": "index", "reason": "x"}, "priority"),
        ({"priority": "batch"}, "reason"),
        ({"priority": "batch", "reason": ""}, "reason"),
        ({"priority": "batch", "reason": "x" * 1001}, "reason"),
        ({"priority": "batch", "reason": "\x00"}, "reason"),
        ({"priority": "batch", "reason": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"priority": "batch", "reason": "x", "until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"priority": "batch", "reason": "x", "until": "later"}, "until"),
        ({"priority": "batch", "reason": "x", "by": "me"}, "by"),
    ],
)
def test_a_pause_that_cannot_be_is_a_400_that_names_why(chief: httpx2.Client, body: dict[str, Any], field: str) -> None:
    answer = chief.post(PAUSES, json=body)
    assert (answer.status_code, errors(answer)) == (400, [("VALIDATION_ERROR", field)])
    assert chief.get(PAUSES).json()["data"] == []


def test_nothing_but_a_priority_or_a_stage_is_resumed(chief: httpx2.Client) -> None:
    assert chief.delete(f"{PAUSES}/express").status_code == 400


@pytest.fixture(scope="module")
def stack(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs, for tests that leave no pause behind."""
    with running(services, tmp_path_factory.mktemp("paused")) as made:
        yield made


def stands(client: httpx2.Client, job: dict[str, Any]) -> tuple[str, str]:
    """Status and stage of a job."""
    now = client.get(f"{PATH}/{job['job_id']}").json()["data"]
    return now["status"], now["stage"]


def test_a_paused_priority_waits_while_the_others_go_on(stack: Stack) -> None:
    with stack.client("admin") as client:
        paused(client, priority="batch")
        held = post(client, MISSING, priority="batch")
        assert ended(client, post(client, MISSING, priority="backfill"))["status"] == "failed"
        assert stands(client, held) == ("queued", "ingest")
        assert client.get(f"{PATH}/{held['job_id']}/attempts").json()["data"] == []
        client.delete(f"{PAUSES}/batch")
        assert ended(client, held, within=5)["error"]["code"] == "SOURCE_MISSING"


def test_under_a_paused_stage_a_job_waits_where_it_is_and_goes_on_from_there(stack: Stack) -> None:
    with stack.client("admin") as client:
        paused(client, stage="thumbnail")
        job = post(client, upload(client, unique(media.jpeg((320, 180)))))
        eventually(lambda: stands(client, job) == ("queued", "thumbnail"))
        assert ended(client, post(client, MISSING))["status"] == "failed"
        waiting = client.get(f"{PATH}/{job['job_id']}").json()["data"]
        assert [stage["status"] for stage in waiting["stages"]] == ["succeeded", "succeeded", "queued", "pending"]
        client.delete(f"{PAUSES}/thumbnail")
        done = ended(client, job, within=5)
        assert (done["status"], [stage["attempts"] for stage in done["stages"]]) == ("succeeded", [1, 1, 1, 1])


def test_a_pause_ends_by_itself(stack: Stack) -> None:
    with stack.client("admin") as client:
        made = paused(client, stage="ingest", until=soon(2))
        job = ended(client, post(client, MISSING), within=15)
        assert job["status"] == "failed"
        assert datetime.fromisoformat(job["started_at"]) >= datetime.fromisoformat(made["until"])
        assert client.get(PAUSES).json()["data"] == []


def test_a_message_that_was_sent_before_a_pause_starts_nothing(stack: Stack) -> None:
    with stack.client("admin") as client:
        stack.worker.stop()
        job = post(client, MISSING)
        dispatched = "select dispatched_at is not null from ingest_jobs where job_id = %s"
        eventually(lambda: stack.sql(dispatched, job["job_id"]) == [(True,)])
        paused(client, priority="interactive")
        stack.worker.spawn()
        assert ended(client, post(client, MISSING, priority="backfill"))["status"] == "failed"
        assert stands(client, job) == ("queued", "ingest")
        client.delete(f"{PAUSES}/interactive")
        assert ended(client, job, within=5)["status"] == "failed"


def test_a_job_cancelled_under_a_pause_stays_cancelled(stack: Stack) -> None:
    with stack.client("admin") as client:
        paused(client, stage="deduplicate")
        job = post(client, upload(client, unique(media.jpeg((320, 180)))))
        eventually(lambda: stands(client, job) == ("queued", "deduplicate"))
        assert all_of(client, "cancel", entity_id=job["entity_id"]) == {"cancelled": 1, "skipped": 0}
        client.delete(f"{PAUSES}/deduplicate")
        assert ended(client, post(client, MISSING))["status"] == "failed"
        assert stands(client, job) == ("cancelled", "deduplicate")


# Priorities ---------------------------------------------------------------------------------------------------------


def bound(client: httpx2.Client, priority: str, concurrency: int | None) -> dict[str, Any]:
    """A priority with this bound."""
    answer = client.put(f"{PRIORITIES}/{priority}", json={"concurrency": concurrency})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def test_a_priority_says_its_limit_what_waits_and_until_when_it_is_paused(quiet: Stack, chief: httpx2.Client) -> None:
    before = {priority["priority"]: priority for priority in chief.get(PRIORITIES).json()["data"]}
    assert list(before) == ["interactive", "batch", "backfill"]
    batch(chief, 3)
    made = bound(chief, "backfill", 2)
    assert (made["concurrency"], made["running"], made["updated_by"]) == (2, 0, "chief")
    until = paused(chief, priority="interactive")["until"]
    now = {priority["priority"]: priority for priority in chief.get(PRIORITIES).json()["data"]}
    assert now["interactive"]["waiting"] == before["interactive"]["waiting"] + 3
    assert (now["interactive"]["paused_until"], now["backfill"]["concurrency"]) == (until, 2)
    assert chief.delete(f"{PAUSES}/interactive").status_code == 204
    assert bound(chief, "backfill", None)["concurrency"] is None
    ((priority_id,),) = quiet.sql("select priority_id from ingest_priorities where priority = 'backfill'")
    assert audited(chief, priority_id) == [("chief", "update"), ("chief", "update")]


@pytest.mark.parametrize(
    ("priority", "body", "field"),
    [
        ("express", {"concurrency": 1}, "priority"),
        ("batch", {}, "concurrency"),
        ("batch", {"concurrency": 0}, "concurrency"),
        ("batch", {"concurrency": 1001}, "concurrency"),
        ("batch", {"concurrency": "2"}, "concurrency"),
        ("batch", {"concurrency": 1, "for": "ever"}, "for"),
    ],
)
def test_a_bound_that_cannot_be_is_a_400_that_names_why(
    chief: httpx2.Client, priority: str, body: dict[str, Any], field: str
) -> None:
    before = chief.get(PRIORITIES).json()["data"]
    answer = chief.put(f"{PRIORITIES}/{priority}", json=body)
    assert (answer.status_code, errors(answer)) == (400, [("VALIDATION_ERROR", field)])
    assert chief.get(PRIORITIES).json()["data"] == before


OVERLAPS = """
    select count(*) from ingest_jobs as one join ingest_jobs as other on one.job_id < other.job_id
    where one.batch_id = %s and other.batch_id = %s
      and one.started_at < other.finished_at and other.started_at < one.finished_at
"""


def test_a_bounded_priority_runs_no_more_at_once_until_it_is_freed(stack: Stack) -> None:
    picture = media.jpeg((1280, 720))
    with stack.client("admin") as client:
        for concurrency in (1, None):
            bound(client, "batch", concurrency)
            jobs = [_job(client, upload(client, unique(picture))) for _ in range(6)]
            made = client.post(f"{PATH}/batch", json={"jobs": jobs}).json()["data"]
            for result in made["results"]:
                assert ended(client, result["job"])["status"] == "succeeded"
            together = stack.sql(OVERLAPS, made["batch_id"], made["batch_id"])[0][0]
            assert (together == 0) is (concurrency == 1)


def test_a_limit_holds_for_what_was_dispatched_before_it(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    stack.dispatcher.spawn()
    with stack.client("admin") as client:
        jobs = [_job(client, upload(client, unique(media.jpeg()))) for _ in range(6)]
        made = client.post(f"{PATH}/batch", json={"jobs": jobs}).json()["data"]
        eventually(lambda: stack.sql("select count(*) from ingest_jobs where dispatched_at is not null") == [(6,)])
        bound(client, "batch", 1)
        stack.worker.spawn()
        for result in made["results"]:
            assert ended(client, result["job"])["status"] == "succeeded"
    assert stack.sql(OVERLAPS, made["batch_id"], made["batch_id"]) == [(0,)]


def _job(client: httpx2.Client, reference: str) -> dict[str, Any]:
    clip = create(client, CLIP)["clip_id"]
    return {"entity_type": "clip", "entity_id": clip, "source_reference": reference, "priority": "batch"}


# Shares -------------------------------------------------------------------------------------------------------------


def test_a_caller_over_its_share_waits_and_nobody_else_does(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(MAX_OPEN_JOBS_PER_CALLER="3")
    stack.api.start()
    with stack.client("editor", "eager") as eager, stack.client("editor", "other") as other:
        item = {**_job(eager, MISSING)}
        job = eager.post(PATH, json=item).json()["data"]
        refused = eager.post(f"{PATH}/batch", json={"jobs": [item] * 3})
        assert (refused.status_code, errors(refused)) == (429, [("RATE_LIMIT_EXCEEDED", None)])
        assert int(refused.headers["Retry-After"]) > 0
        assert "1 of your jobs" in refused.json()["errors"][0]["message"]
        assert eager.post(f"{PATH}/batch", json={"jobs": [item] * 2}).status_code == 202
        assert eager.post(PATH, json=item).status_code == 429
        assert other.post(PATH, json=item).status_code == 202
        assert eager.post(f"{PATH}/{job['job_id']}/cancel").status_code == 200
        assert eager.post(PATH, json=item).status_code == 202
        assert stack.sql("select count(*) from ingest_jobs where created_by = 'eager'") == [(4,)]


def test_a_batch_that_no_share_could_hold_is_told_so_instead_of_to_wait(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(MAX_OPEN_JOBS_PER_CALLER="3")
    stack.api.start()
    with stack.client("editor") as client:
        item = _job(client, MISSING)
        refused = client.post(f"{PATH}/batch", json={"jobs": [item] * 4})
        assert (refused.status_code, errors(refused)) == (400, [("VALIDATION_ERROR", "jobs")])
        assert "Retry-After" not in refused.headers
        assert "at most 3 of your jobs" in refused.json()["errors"][0]["message"]
        assert stack.sql("select count(*) from ingest_jobs") == [(0,)]
        assert client.post(f"{PATH}/batch", json={"jobs": [item] * 3}).status_code == 202

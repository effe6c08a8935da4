"""One look at everything that runs and waits."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from models.housekeeping.schedule import TASKS
from tests import media, work
from tests.eventually import eventually
from tests.stack import Stack

STATUS = "/api/v1/status"
A_DEAD_ONE = """
    insert into processes (process_id, program, name, host, pid, version, threads, started_at, beat_at)
    values (%s, 'worker', %s, 'elsewhere', 77, '1.0', 4, now() - interval '1 day', now() - %s::interval)
"""


def status(client: httpx2.Client) -> dict[str, Any]:
    answer = client.get(STATUS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def running(client: httpx2.Client) -> dict[str, Any]:
    """The status once all three programs have shown themselves."""

    def all_there() -> dict[str, Any] | None:
        found = status(client)
        return found if all(found[kind] for kind in ("apis", "dispatchers", "workers")) else None

    return eventually(all_there)


def test_a_viewer_sees_the_processes_by_host_version_and_threads(server: Stack, viewer: httpx2.Client) -> None:
    found = running(viewer)
    version = viewer.get("/health").json()["data"]["version"]
    for kind in ("apis", "dispatchers", "workers"):
        (alive,) = [one for one in found[kind] if one["state"] == "alive"]
        assert alive["version"] == version
        assert alive["host"]
        assert datetime.fromisoformat(alive["started_at"]) <= datetime.fromisoformat(alive["beat_at"])
    (dispatcher,) = found["dispatchers"]
    loops = {loop["name"] for loop in dispatcher["loops"]}
    assert loops == {"listen", "dispatch", "recover", "index", "walk", "seal", "finish", "schedule", "deliver"}
    assert {loop["error"] for loop in dispatcher["loops"]} == {None}
    (worker,) = [one for one in found["workers"] if one["state"] == "alive"]
    assert worker["pid"] == server.worker.pid
    assert worker["threads"] >= worker["decoders"] >= 1


def test_it_names_each_service_with_its_latency_and_all_that_is_kept_in_order(viewer: httpx2.Client) -> None:
    found = running(viewer)
    assert set(found["services"]) == {"database", "schema", "broker", "storage"}
    assert all(one["state"] == "up" and one["latency_ms"] > 0 for one in found["services"].values())
    assert {task["task"] for task in found["housekeeping"]} == set(TASKS)
    assert found["backup"] is None
    assert found["log_level"]["level"] is None
    assert set(found["search"]) == {"pending", "lag_seconds"}
    assert datetime.fromisoformat(found["at"]) <= datetime.now(UTC)


def test_the_queues_tell_rates_and_an_estimate(editor: httpx2.Client) -> None:
    work.ingested(editor, work.unique(media.jpeg()))

    def counted() -> bool:
        queue = queue_of(editor, "interactive")
        return bool(queue["in_per_minute"] >= 0.2 and queue["out_per_minute"] >= 0.2)

    eventually(counted, within=5)
    assert [queue["priority"] for queue in status(editor)["queues"]] == ["interactive", "batch", "backfill"]


def queue_of(client: httpx2.Client, priority: str) -> dict[str, Any]:
    (found,) = [queue for queue in status(client)["queues"] if queue["priority"] == priority]
    return dict(found)


def test_a_held_back_priority_is_shown_with_what_waits_for_it_who_why_and_until_when(
    admin: httpx2.Client, editor: httpx2.Client
) -> None:
    pause = admin.post("/api/v1/ingest/pauses", json={"priority": "backfill", "reason": "the disk is moved"}).json()
    try:
        job = work.post(editor, work.upload(editor, work.unique(media.jpeg())), priority="backfill")
        eventually(lambda: queue_of(editor, "backfill")["waiting"] == 1, within=5)
        queue = queue_of(editor, "backfill")
        assert queue["paused_until"] == pause["data"]["until"]
        assert queue["oldest_seconds"] >= 0
        (shown,) = status(editor)["pauses"]
        assert (shown["reason"], shown["paused_by"]) == ("the disk is moved", "tester")
    finally:
        admin.delete("/api/v1/ingest/pauses/backfill")
    work.ended(editor, job)


def test_a_limit_is_shown_with_who_set_it(admin: httpx2.Client) -> None:
    admin.put("/api/v1/ingest/priorities/backfill", json={"concurrency": 2})
    try:
        eventually(lambda: queue_of(admin, "backfill")["concurrency"] == 2, within=5)
        assert queue_of(admin, "backfill")["limited_by"] == "tester"
    finally:
        admin.put("/api/v1/ingest/priorities/backfill", json={"concurrency": None})


def test_failures_of_the_last_hour_are_counted_by_reason(editor: httpx2.Client) -> None:
    failed = work.ended(editor, work.post(editor, f"s3://episodes-media/clip/{uuid4()}-missing.jpg"))
    assert failed["error"]["code"] == "SOURCE_MISSING"

    def told() -> bool:
        return any(one["error_code"] == "SOURCE_MISSING" and one["jobs"] >= 1 for one in status(editor)["failures"])

    eventually(told, within=5)


def test_a_process_that_died_without_a_word_is_gone_and_later_forgotten(server: Stack, viewer: httpx2.Client) -> None:
    dead, long_dead = uuid4(), uuid4()
    server.sql(A_DEAD_ONE, dead, "elsewhere:77", "1 minute")
    server.sql(A_DEAD_ONE, long_dead, "elsewhere:78", "2 hours")

    def told() -> bool:
        found = status(viewer)
        states = {worker["name"]: worker["state"] for worker in found["workers"]}
        wrong = any("elsewhere:77 ended without a word" in problem for problem in found["problems"])
        return states.get("elsewhere:77") == "gone" and wrong and "elsewhere:78" not in states

    try:
        eventually(told, within=10)
        assert status(viewer)["status"] == "attention"
    finally:
        server.sql("delete from processes where process_id = any(%s)", [dead, long_dead])


def test_what_a_worker_does_is_what_it_holds_by_the_ledger(server: Stack, viewer: httpx2.Client) -> None:
    """A job that a dead worker still holds is shown at that worker."""
    clip, dead = uuid4(), uuid4()
    server.sql(A_DEAD_ONE, dead, "elsewhere:79", "1 minute")
    ((job,),) = server.sql(
        """
        with held as (
            insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority, stage,
                request_id, created_by, status, fence, attempts, lease_expires_at, started_at, dispatched_at)
            values ('clip', %s, 'primary', 's3://episodes-media/clip/held.jpg', 'link', 'batch', 'thumbnail', 'r',
                'tester', 'running', 1, 1, now() + interval '1 hour', now(), now()) returning job_id
        ), begun as (
            insert into ingest_attempts (job_id, fence, stage, attempt, worker)
            select job_id, 1, 'thumbnail', 1, 'elsewhere:79' from held
        )
        select job_id from held
        """,
        clip,
    )

    def shown() -> list[Any]:
        return [one["working_on"] for one in status(viewer)["workers"] if one["name"] == "elsewhere:79"]

    try:
        ((doing,),) = eventually(shown, within=5)
        assert (doing["job_id"], doing["stage"], doing["entity_id"]) == (str(job), "thumbnail", str(clip))
        assert doing["since"]
    finally:
        server.sql("delete from ingest_attempts where job_id = %s", job)
        server.sql("delete from ingest_jobs where job_id = %s", job)
        server.sql("delete from processes where process_id = %s", dead)


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_admins_set_the_log_level(server: Stack, role: Any) -> None:
    with server.client(role) as client:
        assert client.put(f"{STATUS}/log-level", json={"level": "DEBUG"}).status_code == 403
        assert client.get(f"{STATUS}/log-level").json()["data"]["level"] is None


def test_the_log_level_changes_in_every_program_without_a_restart(server: Stack, admin: httpx2.Client) -> None:
    changed = admin.put(f"{STATUS}/log-level", json={"level": "DEBUG"}).json()["data"]
    assert (changed["level"], changed["set_by"]) == ("DEBUG", "tester")
    said = '"to":"DEBUG"'
    eventually(lambda: all(said in server.log(name) for name in ("api", "worker", "dispatcher")), within=15)
    assert admin.put(f"{STATUS}/log-level", json={"level": None}).json()["data"]["level"] is None
    actions = admin.get("/api/v1/audit", params={"entity_type": "log_level"}).json()["data"]
    assert [action["after"]["level"] for action in actions][:2] == [None, "DEBUG"]


def test_a_log_level_that_would_be_over_already_is_refused(admin: httpx2.Client) -> None:
    answer = admin.put(f"{STATUS}/log-level", json={"level": "DEBUG", "until": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "until"


def test_everybody_sees_at_once_what_is_held_back(admin: httpx2.Client, viewer: httpx2.Client) -> None:
    made = admin.post("/api/v1/ingest/pauses", json={"stage": "index", "reason": "to see"}).json()["data"]
    try:
        assert viewer.get(f"{STATUS}/pauses").json()["data"] == [made]
    finally:
        admin.delete("/api/v1/ingest/pauses/index")

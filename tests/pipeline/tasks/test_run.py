"""Housekeeping: posted once, taken up again, paused, run, and listed."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from functools import partial

import httpx2

from models.db.connection import Connection
from models.housekeeping import TaskName
from models.housekeeping.schedule import TASKS, fire
from pipeline.stages import housekeeping as stage
from tests.command_line import episodes
from tests.eventually import eventually
from tests.pipeline.tasks.house import (
    JOBS,
    LONG_AGO,
    PATH,
    PICTURE,
    another_worker,
    audited,
    over,
    run,
)
from tests.resources import CLIP
from tests.stack import Stack
from tests.work import entity, ingested, unique


def test_all_lists_of_tasks_are_the_same(stack: Stack) -> None:
    scheduled = {task for (task,) in stack.sql("select task from housekeeping_tasks")}
    assert scheduled == set(TASKS) == set(stage.TASKS) == set(TaskName.__args__)  # type: ignore[attr-defined]  # a Literal has them


def all_ran(stack: Stack, times: int) -> bool:
    """Whether there are so many runs of all tasks, and all ended well."""
    counts = "select status, count(*) from ingest_jobs where kind = 'housekeeping' group by status"
    return stack.sql(counts) == [("succeeded", times * len(TASKS))]


def test_what_is_due_is_posted_once_however_many_dispatchers_run(stack: Stack, chief: httpx2.Client) -> None:
    others = [stack.child("pipeline.dispatcher", METRICS_PORT="0") for _ in range(3)]
    for other in others:
        other.spawn()
    try:
        for number in range(1, 4):
            stack.sql("update housekeeping_tasks set next_run_at = now() - interval '3 days'")
            eventually(partial(all_ran, stack, number), within=60)
            assert stack.sql("select count(*) from housekeeping_tasks where next_run_at < now()") == [(0,)]
        assert all(task["runs"] == {"succeeded": 3} for task in chief.get(PATH).json()["data"])
    finally:
        for other in others:
            other.stop()


async def test_many_that_fire_at_the_same_moment_post_one_job_and_a_crash_loses_none(stack: Stack) -> None:
    stack.worker.stop()
    stack.dispatcher.stop()
    stack.sql("update housekeeping_tasks set next_run_at = now() - interval '1 s' where task = 'trash'")
    connected = [await Connection.connect(stack.database_url, autocommit=True) for _ in range(12)]
    with suppress(ZeroDivisionError):
        async with connected[0].transaction():
            assert await fire(connected[0]) == ["trash"]
            raise ZeroDivisionError  # whatever ends a dispatcher before its commit
    assert stack.sql("select 1 from ingest_jobs") == []
    assert sorted(await asyncio.gather(*map(fire, connected))) == [[]] * 11 + [["trash"]]
    assert stack.sql("select source_reference, status from ingest_jobs") == [("trash", "queued")]
    for connection in connected:
        await connection.close()
    stack.dispatcher.spawn()
    stack.worker.spawn()


def test_a_run_that_has_not_ended_is_not_posted_again(stack: Stack, chief: httpx2.Client) -> None:
    stack.worker.stop()
    first, second = (chief.post(f"{PATH}/trash/run").json()["data"] for _ in range(2))
    assert first["job_id"] == second["job_id"]
    stack.sql("update housekeeping_tasks set next_run_at = now() where task = 'trash'")
    eventually(lambda: stack.sql("select 1 from housekeeping_tasks where task = 'trash' and next_run_at > now()"))
    assert stack.sql("select count(*) from ingest_jobs") == [(1,)]
    stack.worker.spawn()
    assert over(chief, "trash")["job_id"] == first["job_id"]


def test_a_run_whose_worker_is_killed_is_taken_up_again(stack: Stack, chief: httpx2.Client) -> None:
    clip = ingested(chief, unique(PICTURE))["entity_id"]
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    with another_worker(stack, INTEGRITY_BYTES_PER_SECOND="1") as slow:
        chief.post(f"{PATH}/integrity/run")
        eventually(
            lambda: stack.sql("select 1 from ingest_jobs where kind = 'housekeeping' and status = 'running'"), 20
        )
        os.kill(slow.pid, signal.SIGKILL)
    last = over(chief, "integrity")
    assert (last["status"], last["result"]) == ("succeeded", {"checked": 4})  # the file and its three pictures
    attempts = chief.get(f"{JOBS}/{last['job_id']}/attempts").json()["data"]
    assert [attempt["result"] for attempt in attempts] == ["lost", "succeeded"]
    assert entity(chief, CLIP, clip)["file_hash"]


def test_a_task_is_paused_resumed_and_run_and_the_log_says_by_whom(stack: Stack, chief: httpx2.Client) -> None:
    paused = chief.post(f"{PATH}/trash/pause", json={"reason": "a lawsuit", "until": "2999-01-01T00:00:00Z"})
    task = paused.json()["data"]
    assert task["paused"] == {"reason": "a lawsuit", "paused_by": "chief", "until": "2999-01-01T00:00:00Z"}
    refused = chief.post(f"{PATH}/trash/run")
    assert (refused.status_code, "a lawsuit" in refused.text) == (httpx2.codes.CONFLICT, True)
    stack.sql("update housekeeping_tasks set next_run_at = now() where task in ('trash', 'finished-jobs')")
    over(chief, "finished-jobs")
    assert chief.get(f"{PATH}/trash").json()["data"]["last_run"] is None
    assert chief.post(f"{PATH}/trash/resume").json()["data"]["paused"] is None
    over(chief, "trash")
    actions = [action for _, action, _, _ in audited(chief, entity_id=task["task_id"], actor="chief")]
    assert actions[-2:] == ["pause", "resume"]
    past = chief.post(f"{PATH}/trash/pause", json={"reason": "x", "until": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["field"]) == (httpx2.codes.BAD_REQUEST, "until")
    assert chief.post(f"{PATH}/trash/resume").status_code == httpx2.codes.NOT_FOUND


def test_an_unknown_task_is_named_and_only_admins_come_in(stack: Stack, chief: httpx2.Client) -> None:
    for method, path in (("GET", ""), ("POST", "/run"), ("POST", "/resume")):
        answer = chief.request(method, f"{PATH}/laundry{path}")
        assert answer.status_code == httpx2.codes.NOT_FOUND
        assert "laundry" in answer.json()["errors"][0]["message"]
    with stack.client("editor") as editor:
        for path in (PATH, f"{PATH}/trash", "/api/v1/integrity", "/api/v1/integrity/findings"):
            assert editor.get(path).status_code == httpx2.codes.FORBIDDEN
        assert editor.post(f"{PATH}/trash/run").status_code == httpx2.codes.FORBIDDEN


def test_the_desk_shows_housekeeping_only_where_it_is_asked_for(stack: Stack, chief: httpx2.Client) -> None:
    run(chief, "trash")
    stack.sql("update ingest_jobs set status = 'failed', error_code = 'INTERNAL', error_message = 'x'")
    assert chief.get(JOBS).json()["data"] == []
    assert chief.get(f"{JOBS}/stats").json()["data"]["statuses"] == []
    asked = {"kind": "housekeeping", "status": "failed"}
    (job,) = chief.get(JOBS, params=asked).json()["data"]
    assert (job["entity_type"], job["source_reference"], job["stage"]) == ("housekeeping", "trash", "housekeeping")
    assert [stage["name"] for stage in job["stages"]] == ["housekeeping"]
    everything = {"filter": {"status": "failed"}}
    assert chief.post(f"{JOBS}/retry", json=everything).json()["data"] == {"retried": 0, "skipped": 0}
    assert chief.post(f"{JOBS}/retry", json={"filter": asked}).json()["data"] == {"retried": 1, "skipped": 0}
    assert over(chief, "trash")["status"] == "succeeded"
    metrics = httpx2.get(f"{stack.url}/metrics", trust_env=False).text
    assert 'episodes_jobs{stage="housekeeping",status="succeeded"} 1.0' in metrics


def test_the_command_line_lists_tasks_and_runs_one(stack: Stack, chief: httpx2.Client) -> None:
    done = episodes(stack.environ, "housekeeping", "run", "idempotency-keys")
    assert (done.returncode, done.stdout) == (0, "idempotency-keys: succeeded\n")
    listed = json.loads(episodes(stack.environ, "housekeeping", "list", "--json").stdout)
    assert {task["task"] for task in listed} == set(TASKS)
    assert "idempotency-keys" in episodes(stack.environ, "housekeeping", "list").stdout
    assert episodes(stack.environ, "housekeeping", "run", "laundry").returncode != 0

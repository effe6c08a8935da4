"""Housekeeping: posted once, taken up again, and each task does what it should and nothing else."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2
import psycopg
import pytest
from nanio.storage.paths import object_path
from PIL import Image

from models.db.connection import Connection
from models.housekeeping.schedule import TASKS, fire
from models.media.s3_signing import MOMENT, SLACK
from ops.cli.housekeeping import TaskName
from pipeline.stages import housekeeping as stage
from tests import media
from tests.chaos.proxy import Hold, Link, Proxy
from tests.eventually import eventually
from tests.resources import CLIP, COMPONENT, EPISODE, OUTFIT, SHOW, create
from tests.stack import Stack, running, unmeasured
from tests.work import ENDED, ended, entity, ingested, post, storage, unique, upload

PATH = "/api/v1/housekeeping"
JOBS = "/api/v1/ingest"
MEDIA, PICTURES = "house-media", "house-pictures"
OURS = {"S3_PRIMARY_BUCKET": MEDIA, "S3_THUMBNAIL_BUCKET": PICTURES}  # what others store here would be orphans
EAGER = {"UPLOAD_GRACE_HOURS": "0", "ORPHAN_GRACE_HOURS": "0", "TRASH_RETENTION_DAYS": "30", "LEASE_SECONDS": "1.5"}
CAUTIOUS = {"UPLOAD_GRACE_HOURS": "1", "TRASH_RETENTION_DAYS": "0", "JOB_RETENTION_DAYS": "0", "INTEGRITY_DAYS": "0"}
LONG_AGO = "now() - interval '40 days'"
TABLES = (
    "shows, episodes, clips, outfits, components, ingest_jobs, files, thumbnails, held_objects, orphan_objects, outbox"
)
PICTURE = media.jpeg()
REMOVAL = re.compile(rb"DELETE /house-media/")


@pytest.fixture(scope="module")
def shared(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with buckets of its own, that waits for nothing before it tidies up."""
    there = {bucket["Name"] for bucket in storage(services).list_buckets()["Buckets"]}
    for bucket in {MEDIA, PICTURES} - there:  # tests that move between processes may make one twice
        storage(services).create_bucket(Bucket=bucket)
    with running(services, tmp_path_factory.mktemp("house"), **OURS, **EAGER) as made:
        yield made


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The same with nothing in it."""
    shared.sql(f"truncate {TABLES}, integrity_findings, search_documents cascade")
    shared.sql("update housekeeping_tasks set position = null, next_run_at = now() + interval '1 day'")
    for bucket in (MEDIA, PICTURES):
        for key in objects(shared, bucket):
            storage(shared.environ).delete_object(Bucket=bucket, Key=key)
    return shared


@pytest.fixture
def chief(stack: Stack) -> Iterator[httpx2.Client]:
    """An admin."""
    with stack.client("admin", "chief") as client:
        yield client


def objects(stack: Stack, bucket: str = MEDIA) -> set[str]:
    """The keys of a bucket."""
    return {one["Key"] for one in storage(stack.environ).list_objects_v2(Bucket=bucket).get("Contents", ())}


def key_of(reference: str) -> str:
    """The key in a reference."""
    return reference.removeprefix("s3://").partition("/")[2]


def run(client: httpx2.Client, task: str) -> dict[str, int]:
    """What a run of a task did, from its beginning to its end."""
    posted = client.post(f"{PATH}/{task}/run")
    assert posted.status_code == httpx2.codes.ACCEPTED, posted.text
    last = over(client, task)
    assert (last["job_id"], last["status"]) == (posted.json()["data"]["job_id"], "succeeded"), last
    done: dict[str, int] = last["result"]
    return done


def over(client: httpx2.Client, task: str) -> dict[str, Any]:
    """The last run of a task once it has ended."""

    def look() -> dict[str, Any] | None:
        last: dict[str, Any] = client.get(f"{PATH}/{task}").json()["data"]["last_run"]
        return last if last and last["status"] in ENDED else None

    return eventually(look, within=60)


@contextmanager
def another_worker(stack: Stack, **settings: str) -> Iterator[Any]:
    """Other settings do the work for a while."""
    stack.worker.stop()
    other = stack.child("pipeline.worker", METRICS_PORT="0", **settings)
    other.spawn()
    try:
        yield other
    finally:
        if other.alive:
            other.stop()
        stack.worker.spawn()


def audited(client: httpx2.Client, **wanted: str) -> list[tuple[str, str, Any, Any]]:
    """Who did what: actor, action, before, after; the oldest first."""
    rows = client.get("/api/v1/audit", params=wanted).json()["data"]
    return [(row["actor"], row["action"], row["before"], row["after"]) for row in rows[::-1]]


def episodes(stack: Stack, *args: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    command = [sys.executable, "-c", "from ops.cli.app import main; main()", *args]
    return subprocess.run(
        command, env=unmeasured(stack.environ), capture_output=True, text=True, timeout=120, check=False
    )


# The schedule -------------------------------------------------------------------------------------------------------


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
    done = episodes(stack, "housekeeping", "run", "idempotency-keys")
    assert (done.returncode, done.stdout) == (0, "idempotency-keys: succeeded\n")
    listed = json.loads(episodes(stack, "housekeeping", "list", "--json").stdout)
    assert {task["task"] for task in listed} == set(TASKS)
    assert "idempotency-keys" in episodes(stack, "housekeeping", "list").stdout
    assert episodes(stack, "housekeeping", "run", "laundry").returncode != 0


# What is forgotten --------------------------------------------------------------------------------------------------


def test_answers_older_than_their_promise_are_removed(stack: Stack, chief: httpx2.Client) -> None:
    stack.sql(
        "insert into idempotency_keys (caller, key, request_hash, created_at)"
        " select 'x', number::text, '', now() - make_interval(hours => number) from generate_series(1, 2000) as number"
    )
    assert run(chief, "idempotency-keys") == {"forgotten": 1976}
    assert stack.sql("select max(key::integer) from idempotency_keys where caller = 'x'") == [(24,)]


def test_jobs_that_ended_long_ago_are_forgotten_but_not_those_that_failed(stack: Stack, chief: httpx2.Client) -> None:
    made = (
        "insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority, request_id,"
    )
    made += " created_by, status, finished_at) values ('clip', uuidv7(), 'primary', %s, 'link', 'batch', 'x', 'x', %s, "
    for status in ("succeeded", "cancelled", "failed"):
        stack.sql(f"{made} {LONG_AGO})", f"old {status}", status)
        stack.sql(f"{made} now())", f"new {status}", status)
    stack.sql(f"{made} null)", "waiting", "queued")
    stack.sql("update ingest_jobs set run_at = now() + interval '1 day' where status = 'queued'")
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "finished-jobs") == {}
    assert run(chief, "finished-jobs") == {"forgotten": 2}
    left = {name for (name,) in stack.sql("select source_reference from ingest_jobs where kind = 'ingest'")}
    assert left == {"old failed", "new succeeded", "new cancelled", "new failed", "waiting"}


def drift(stack: Stack) -> Counter[str]:
    """What the worker has counted, by its kind."""
    text = httpx2.get(stack.metrics_url, trust_env=False).text
    counted = [line for line in text.splitlines() if line.startswith("episodes_search_drift_total{")]
    return Counter({line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in counted})


def test_search_is_put_right(stack: Stack, chief: httpx2.Client) -> None:
    shows = [create(chief, SHOW)["show_id"] for _ in range(3)]
    eventually(lambda: stack.sql("select count(*) from search_documents") == [(3,)])
    stack.sql("delete from search_documents where entity_id = %s", shows[0])
    stack.sql("update search_documents set vector = '' where entity_id = %s", shows[1])
    before = drift(stack)
    assert run(chief, "search-check") == {"missing": 1, "stale": 1}
    assert drift(stack) - before == {"missing": 1, "stale": 1}
    hits = chief.get("/api/v1/search", params={"q": SHOW.new["name"]}).json()["data"]
    assert {hit["entity_id"] for hit in hits} == set(shows)
    assert run(chief, "search-check") == {}


# What is stored -----------------------------------------------------------------------------------------------------


def test_uploads_in_parts_that_nobody_completed_are_given_up(stack: Stack, chief: httpx2.Client) -> None:
    video = {"file_name": "take.mp4", "file_type": "video/mp4", "entity_type": "clip", "file_size": 1000}
    begun = chief.post("/api/v1/upload/multipart", json=video).json()["data"]
    stored = upload(chief, unique(PICTURE))
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "expired-uploads") == {}
    theirs = {"Bucket": MEDIA, "Key": f"import/{uuid4()}-take.mp4"}
    theirs["UploadId"] = storage(stack.environ).create_multipart_upload(**theirs)["UploadId"]
    sent = httpx2.put(begun["parts"][0]["url"], content=b"x" * 1000, trust_env=False)
    assert sent.status_code == httpx2.codes.OK
    assert run(chief, "expired-uploads") == {"aborted": 1}
    named = {"uploadId": begun["uploadId"], "fileReference": begun["fileReference"]}
    assert chief.post("/api/v1/upload/multipart/complete", json=named).status_code == httpx2.codes.NOT_FOUND
    assert objects(stack) == {key_of(stored)}
    assert storage(stack.environ).list_multipart_uploads(Bucket=MEDIA)["Uploads"][0]["Key"] == theirs["Key"]
    storage(stack.environ).abort_multipart_upload(**theirs)
    task = chief.get(f"{PATH}/expired-uploads").json()["data"]
    assert audited(chief, entity_id=task["task_id"])[-1] == ("housekeeping", "run", None, {"aborted": 1})


def test_what_was_announced_is_kept_as_long_as_a_job_may_bring_it(stack: Stack, chief: httpx2.Client) -> None:
    picture = unique(PICTURE)
    never, failed, brought = (upload(chief, picture + bytes([number])) for number in range(3))
    storage(stack.environ).put_object(Bucket=MEDIA, Key=key_of(failed), Body=picture)
    assert ended(chief, post(chief, failed))["error"]["code"] == "CORRUPT_FILE"  # a byte is missing
    assert ended(chief, post(chief, brought))["outcome"] == "stored"

    def kept() -> set[str]:
        return {one for (one,) in stack.sql("select file_reference from uploads")} & {never, failed, brought}

    with another_worker(stack, **CAUTIOUS):
        run(chief, "expired-uploads")
    assert kept() == {never, failed, brought}
    assert run(chief, "expired-uploads") == {}
    assert kept() == {failed}
    (job,) = chief.get(JOBS, params={"status": "failed"}).json()["data"]
    assert ended(chief, chief.post(f"{JOBS}/{job['job_id']}/retry").json()["data"])["error"]["code"] == "CORRUPT_FILE"


def test_only_what_nothing_refers_to_is_removed_and_only_by_a_later_run(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    shown = entity(chief, CLIP, ingested(chief, data)["entity_id"])["file_reference"]
    copy, kept, unused, late, by_hand, in_passing, refused = (
        upload(chief, data if name in ("copy", "kept") else unique(PICTURE), f"{name}.jpg")
        for name in ("copy", "kept", "unused", "late", "by_hand", "in_passing", "refused")
    )
    assert ended(chief, post(chief, copy))["outcome"] == "duplicate"
    assert ended(chief, post(chief, kept, on_duplicate="keep"))["outcome"] == "stored"
    assert ended(chief, post(chief, refused, sha256="0" * 64))["status"] == "failed"
    create(chief, OUTFIT, image_reference=by_hand)
    create(chief, COMPONENT, config={"layers": [{"file": in_passing}]})
    storage(stack.environ).put_object(Bucket=MEDIA, Key="import/theirs.jpg", Body=b"theirs")
    pictures = objects(stack, PICTURES)
    assert run(chief, "orphan-objects") == {"found": 4}
    listed = {row["key"]: row["ours"] for row in chief.get(f"{PATH}/orphan-objects/found").json()["data"]}
    assert listed == {**dict.fromkeys(map(key_of, (copy, unused, late)), True), "import/theirs.jpg": False}
    assert ended(chief, post(chief, late))["outcome"] == "stored"
    pictures |= objects(stack, PICTURES)
    with another_worker(stack, ORPHAN_GRACE_HOURS="1"):
        assert run(chief, "orphan-objects") == {"found": 0}
    assert run(chief, "orphan-objects") == {"found": 0, "removed": 2}
    stay = {*map(key_of, (shown, kept, late, by_hand, in_passing, refused)), "import/theirs.jpg"}
    assert objects(stack) == stay
    assert objects(stack, PICTURES) == pictures
    assert [row["key"] for row in chief.get(f"{PATH}/orphan-objects/found").json()["data"]] == ["import/theirs.jpg"]
    assert "import/theirs.jpg" in episodes(stack, "housekeeping", "orphans").stdout


def orphan(stack: Stack, chief: httpx2.Client) -> str:
    """An object of ours that nothing refers to, and that is marked."""
    reference = upload(chief, unique(PICTURE))
    assert run(chief, "orphan-objects") == {"found": 1}
    return reference


def running_now(stack: Stack) -> bool:
    """Whether a run has come to a lock that somebody holds."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(stack.sql(waiting))


@pytest.mark.parametrize("said", ["image_reference = %(at)s", "metadata = jsonb_build_object('seen at', %(at)s::text)"])
def test_an_orphan_that_a_row_begins_to_name_while_it_is_looked_up_stays(
    stack: Stack, chief: httpx2.Client, said: str
) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    reference = orphan(stack, chief)
    with psycopg.connect(stack.database_url) as writing:
        writing.execute(f"update outfits set {said} where outfit_id = %(key)s", {"at": reference, "key": outfit})
        chief.post(f"{PATH}/orphan-objects/run")
        eventually(lambda: running_now(stack))
        writing.commit()
    assert "removed" not in over(chief, "orphan-objects")["result"]
    assert run(chief, "orphan-objects") == {"found": 0}
    assert objects(stack) == {key_of(reference)}
    assert chief.get(f"{PATH}/orphan-objects/found").json()["data"] == []


@pytest.fixture
def delayed(stack: Stack) -> Iterator[Proxy]:
    """What is between the worker and the storage."""
    storage = Proxy(urlsplit(stack.environ["S3_ENDPOINT_URL"]).port or 0)
    storage.start()
    with another_worker(stack, S3_ENDPOINT_URL=f"http://127.0.0.1:{storage.port}"):
        yield storage
    storage.stop()


def test_nobody_begins_to_refer_to_what_is_being_removed(stack: Stack, chief: httpx2.Client, delayed: Proxy) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    clip = create(chief, CLIP)["clip_id"]
    reference, hold = orphan(stack, chief), Hold()
    removing = delayed.trap("up", REMOVAL, hold)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    body = {"entity_type": "clip", "entity_id": clip, "source_reference": reference}
    for refused in (
        chief.post(JOBS, json=body),
        chief.post(f"{JOBS}/batch", json={"jobs": [body]}),
        chief.patch(f"{OUTFIT.path}/{outfit}", json={"image_reference": reference}),
        chief.patch(f"{OUTFIT.path}/{outfit}", json={"description": f"as in {reference}."}),
    ):
        assert (refused.status_code, refused.headers["Retry-After"]) == (httpx2.codes.SERVICE_UNAVAILABLE, "2")
    hold.release()
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "removed": 1}
    assert objects(stack) == set()
    assert ended(chief, post(chief, reference, clip))["error"]["code"] == "SOURCE_MISSING"


def test_a_removal_that_comes_late_removes_nothing(stack: Stack, chief: httpx2.Client, delayed: Proxy) -> None:
    data = unique(PICTURE)
    reference, hold = upload(chief, data), Hold()
    assert run(chief, "orphan-objects") == {"found": 1}
    removing = delayed.trap("up", REMOVAL, hold)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    clip = create(chief, CLIP)["clip_id"]
    body = {"entity_type": "clip", "entity_id": clip, "source_reference": reference}
    job = eventually(lambda: (answer := chief.post(JOBS, json=body)).is_success and answer.json()["data"])
    assert ended(chief, job)["status"] == "succeeded"
    hold.release()
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "put_off": 1}
    assert storage(stack.environ).get_object(Bucket=MEDIA, Key=key_of(reference))["Body"].read() == data


def test_what_is_announced_lasts_longer_than_what_is_signed_whatever_the_clocks_say(
    stack: Stack, chief: httpx2.Client, delayed: Proxy
) -> None:
    reference, sent, hold = orphan(stack, chief), [], Hold()

    def see(link: Link, data: bytes) -> bytes | None:
        sent.append(data)
        return hold(link, data)

    removing = delayed.trap("up", REMOVAL, see)
    chief.post(f"{PATH}/orphan-objects/run")
    removing.wait()
    ((until,),) = stack.sql("select removing_until from orphan_objects where key = %s", key_of(reference))
    hold.release()
    signed = parse_qs(urlsplit(sent[0].split()[1].decode()).query)
    began = datetime.strptime(signed["X-Amz-Date"][0], MOMENT).replace(tzinfo=UTC)
    assert began + timedelta(seconds=int(signed["X-Amz-Expires"][0])) + SLACK < until
    assert over(chief, "orphan-objects")["result"] == {"found": 0, "removed": 1}


SLOW = """
    alter view mentioned_references rename to mentioned_quickly;
    create view mentioned_references as
        select reference from mentioned_quickly union all select pg_sleep(6)::text;
    grant select on mentioned_references to public;
"""
QUICK = "drop view mentioned_references; alter view mentioned_quickly rename to mentioned_references"
ASLEEP = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"


def test_however_long_the_look_through_all_texts_takes_nobody_waits_for_it_and_orphans_are_removed(
    stack: Stack, chief: httpx2.Client
) -> None:
    outfit = create(chief, OUTFIT)["outfit_id"]
    named, _ = (upload(chief, unique(PICTURE)) for _ in range(2))
    assert run(chief, "orphan-objects") == {"found": 2}
    stack.sql(SLOW)
    try:
        chief.post(f"{PATH}/orphan-objects/run")
        eventually(lambda: stack.sql(ASLEEP))
        assert chief.patch(f"{OUTFIT.path}/{outfit}", json={"image_reference": named}).is_success
        assert stack.sql(ASLEEP)
        assert over(chief, "orphan-objects")["result"] == {"found": 1, "removed": 1}
    finally:
        stack.sql(QUICK)
    assert objects(stack) == {key_of(named)}


# The trash ----------------------------------------------------------------------------------------------------------


def deleted(stack: Stack, client: httpx2.Client, path: str, *, long_ago: bool = True) -> None:
    """Put a row in the trash, long ago unless told otherwise."""
    assert client.delete(path, params={"reason": "x"}).status_code == httpx2.codes.NO_CONTENT
    if long_ago:
        table, key = path.removeprefix("/api/v1/").split("/")
        stack.sql(f"update {table} set deleted_at = {LONG_AGO} where {table[:-1]}_id = %s", key)


def gone(client: httpx2.Client, path: str) -> bool:
    """Whether not even an admin finds a row any more."""
    return client.get(path, params={"include_deleted": True}).status_code == httpx2.codes.NOT_FOUND


def test_what_was_deleted_long_ago_is_purged_with_its_pictures_and_file(stack: Stack, chief: httpx2.Client) -> None:
    clip, recent = (ingested(chief, unique(PICTURE))["entity_id"] for _ in range(2))
    deleted(stack, chief, f"{CLIP.path}/{clip}")
    deleted(stack, chief, f"{CLIP.path}/{recent}", long_ago=False)
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "trash") == {}
    assert run(chief, "trash") == {"clips": 1}
    assert gone(chief, f"{CLIP.path}/{clip}")
    assert chief.post(f"{CLIP.path}/{clip}/restore").status_code == httpx2.codes.NOT_FOUND
    actor, action, before, after = audited(chief, entity_id=clip)[-1]
    assert (actor, action, before["clip_id"], before["title"]) == ("housekeeping", "purge", clip, "[redacted]")
    assert len(after["redacted"]) == 3  # made, ingested, deleted
    assert chief.post(f"{CLIP.path}/{recent}/restore").status_code == httpx2.codes.OK
    assert stack.sql("select count(*), count(distinct entity_id) from thumbnails") == [(3, 1)]
    run(chief, "orphan-objects")
    assert run(chief, "orphan-objects")["removed"] == 7  # the file, three pictures of the content, three of the clip
    assert objects(stack) == {key_of(entity(chief, CLIP, recent)["file_reference"])}


def test_failed_jobs_go_with_their_entity_and_the_totals_stay(stack: Stack, chief: httpx2.Client) -> None:
    purged, living = (create(chief, CLIP)["clip_id"] for _ in range(2))
    for clip in (purged, living):
        assert ended(chief, post(chief, f"s3://{MEDIA}/clip/{uuid4()}-never.jpg", clip))["status"] == "failed"
    totals = stack.sql(
        "select name, label, error_code, sum(total) from ingest_totals group by 1, 2, 3 order by 1, 2, 3"
    )
    deleted(stack, chief, f"{CLIP.path}/{purged}")
    assert run(chief, "trash") == {"clips": 1, "failed_jobs": 1}
    task = chief.get(f"{PATH}/trash").json()["data"]["task_id"]
    assert audited(chief, entity_id=task)[-1] == ("housekeeping", "run", None, {"clips": 1, "failed_jobs": 1})
    failed = chief.get(JOBS, params={"status": "failed"}).json()["data"]
    assert [job["entity_id"] for job in failed] == [living]
    stack.sql("delete from ingest_totals where label = 'housekeeping'")
    after = stack.sql("select name, label, error_code, sum(total) from ingest_totals group by 1, 2, 3 order by 1, 2, 3")
    assert after == [row for row in totals if row[1] != "housekeeping"]


def test_what_was_brought_in_again_stays_when_the_trash_is_emptied(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    first = ingested(chief, data)["entity_id"]
    deleted(stack, chief, f"{CLIP.path}/{first}")
    again = ingested(chief, data)
    assert (again["outcome"], again["duplicate_of"]["deleted"]) == ("duplicate", True)
    assert run(chief, "trash") == {"clips": 1}
    run(chief, "orphan-objects")
    run(chief, "orphan-objects")
    clip = entity(chief, CLIP, again["entity_id"])
    assert (clip["duplicate_of"], objects(stack)) == (None, {key_of(clip["file_reference"])})
    assert stack.sql("select entity_id::text, displaced_at from files") == [(clip["clip_id"], None)]
    picture = chief.get(f"{CLIP.path}/{clip['clip_id']}/thumbnails").json()["data"][0]["url"]
    assert httpx2.get(picture, trust_env=False).status_code == httpx2.codes.OK


def test_a_file_that_another_clip_shows_stays_and_is_that_ones_now(stack: Stack, chief: httpx2.Client) -> None:
    data = unique(PICTURE)
    first, second = (ingested(chief, data)["entity_id"] for _ in range(2))
    assert entity(chief, CLIP, second)["duplicate_of"] == first
    deleted(stack, chief, f"{CLIP.path}/{first}")
    assert run(chief, "trash") == {"clips": 1}
    run(chief, "orphan-objects")
    assert run(chief, "orphan-objects")["removed"] == 4  # the upload of the duplicate, and pictures of the first
    left = entity(chief, CLIP, second)
    assert (left["duplicate_of"], objects(stack)) == (None, {key_of(left["file_reference"])})
    third = ended(chief, post(chief, upload(chief, data)))
    assert (third["outcome"], third["duplicate_of"]["entity_id"]) == ("duplicate", second)
    assert third["duplicate_of"]["deleted"] is False
    picture = chief.get(f"{CLIP.path}/{second}/thumbnails").json()["data"][0]["url"]
    assert Image.open(io.BytesIO(httpx2.get(picture, trust_env=False).content)).size == (1280, 720)


def test_what_others_belong_to_stays_until_they_are_gone(stack: Stack, chief: httpx2.Client) -> None:
    show = create(chief, SHOW)["show_id"]
    busy, idle = (create(chief, EPISODE, show_id=show, episode_number=number)["episode_id"] for number in (1, 2))
    clip = create(chief, CLIP, episode_id=busy)["clip_id"]
    script = chief.post(f"{EPISODE.path}/{idle}/scripts", json={"content": "Lala waits."}).json()["data"]["script_id"]
    for path in (f"{EPISODE.path}/{busy}", f"{EPISODE.path}/{idle}", f"{SHOW.path}/{show}"):
        deleted(stack, chief, path)
    assert run(chief, "trash") == {"episodes": 1, "kept": 2}
    assert gone(chief, f"{EPISODE.path}/{idle}")
    assert not gone(chief, f"{EPISODE.path}/{busy}")
    assert audited(chief, entity_id=script)[-1][:2] == ("housekeeping", "purge")
    chief.post(f"{CLIP.path}/{clip}/unassign")
    assert run(chief, "trash") == {"episodes": 1, "shows": 1}
    assert gone(chief, f"{SHOW.path}/{show}")
    assert entity(chief, CLIP, clip)["episode_id"] is None


def test_links_go_with_either_side_and_the_other_side_counts_again(stack: Stack, chief: httpx2.Client) -> None:
    outfit, coat = (create(chief, OUTFIT)["outfit_id"] for _ in range(2))
    living, dead = (create(chief, EPISODE)["episode_id"] for _ in range(2))
    for episode, thing in ((living, outfit), (living, coat), (dead, coat)):
        assert chief.put(f"{EPISODE.path}/{episode}/outfits/{thing}", json={}).is_success
    deleted(stack, chief, f"{OUTFIT.path}/{outfit}")
    deleted(stack, chief, f"{EPISODE.path}/{dead}")
    assert run(chief, "trash") == {"outfits": 1, "episodes": 1}
    linked = chief.get(f"{EPISODE.path}/{living}/outfits").json()["data"]
    assert [row["outfit_id"] for row in linked] == [coat]
    assert entity(chief, OUTFIT, coat)["usage_count"] == 1
    assert stack.sql("select count(*) from episode_outfits") == [(1,)]


# Integrity ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the storage keeps its files."""
    return tmp_path_factory.getbasetemp() / "services0" / "objects"


def test_corrupt_and_missing_objects_are_found_on_the_disk_told_and_over_when_mended(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    sound, rotten, lost, young = (ingested(chief, unique(PICTURE))["entity_id"] for _ in range(4))
    stack.sql(f"update files set stored_at = {LONG_AGO} where entity_id <> %s", young)
    places = {
        clip: object_path(disk, MEDIA, key_of(entity(chief, CLIP, clip)["file_reference"])) for clip in (rotten, lost)
    }
    whole = {clip: place.read_bytes() for clip, place in places.items()}
    flipped = bytearray(whole[rotten])
    flipped[len(flipped) // 2] ^= 1
    places[rotten].write_bytes(flipped)
    places[lost].unlink()
    assert run(chief, "integrity") == {
        "checked": 3 + 9,
        "corrupt": 1,
        "missing": 1,
    }  # with the pictures of those contents
    findings = chief.get("/api/v1/integrity/findings").json()["data"]
    assert {(row["kind"], row["entity_id"]) for row in findings} == {("corrupt", rotten), ("missing", lost)}
    summary = chief.get("/api/v1/integrity").json()["data"]
    assert (summary["files"], summary["overdue"], summary["corrupt"], summary["missing"]) == (4, 0, 1, 1)
    metrics = httpx2.get(f"{stack.url}/metrics", trust_env=False).text
    assert 'episodes_integrity_findings{kind="corrupt"} 1.0' in metrics
    told = episodes(stack, "integrity")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (1, "4 files: 1 rotten, 1 lost, 0 not read in time")
    for clip, place in places.items():
        place.write_bytes(whole[clip])
    assert run(chief, "integrity") == {"checked": 2}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []
    assert len(chief.get("/api/v1/integrity/findings", params={"resolved": True}).json()["data"]) == 2
    told = episodes(stack, "integrity", "--json")
    assert (told.returncode, json.loads(told.stdout)["findings"]) == (0, [])
    assert entity(chief, CLIP, sound)["file_hash"]


def test_a_file_that_breaks_off_and_one_that_grew_are_corrupt_and_hold_up_nothing(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    keys = [
        key_of(entity(chief, CLIP, ingested(chief, unique(PICTURE))["entity_id"])["file_reference"]) for _ in range(3)
    ]
    short = object_path(disk, MEDIA, keys[0])
    short.write_bytes(short.read_bytes()[:-10])
    storage(stack.environ).put_object(
        Bucket=MEDIA, Key=keys[1], Body=object_path(disk, MEDIA, keys[1]).read_bytes() + b"x"
    )
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    assert run(chief, "integrity") == {"checked": 3 + 9, "corrupt": 2}
    assert run(chief, "integrity") == {"checked": 2, "corrupt": 2}
    assert len(chief.get("/api/v1/integrity/findings").json()["data"]) == 2


def test_reading_is_throttled(stack: Stack, chief: httpx2.Client) -> None:
    for _ in range(4):
        ingested(chief, unique(PICTURE))
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    sizes = "select sum(file_size + (select sum((p ->> 'file_size')::int) from jsonb_array_elements(thumbnails) as p))"
    ((size,),) = stack.sql(f"{sizes} from files")
    with another_worker(stack, INTEGRITY_BYTES_PER_SECOND=str(int(size) // 2)):
        assert run(chief, "integrity") == {"checked": 4 + 12}
        last = over(chief, "integrity")
    worked = "select extract(epoch from finished_at - started_at)::float8 from ingest_jobs where job_id = %s"
    assert stack.sql(worked, last["job_id"])[0][0] >= 1.9


# A job that two workers died of: it runs with nothing beside it.
SUSPECT = """
    with lost as (
        insert into ingest_attempts (job_id, fence, stage, attempt, worker, finished_at, result)
        values (%s, 1, 'ingest', 1, 'gone', now(), 'lost')
    )
    update ingest_jobs set fence = 2, attempts = 2 where job_id = %s
"""


def test_a_long_reading_gives_way_to_who_waits_to_be_alone(stack: Stack, chief: httpx2.Client) -> None:
    ingested(chief, unique(PICTURE))
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    reading = "select 1 from ingest_jobs where kind = 'housekeeping' and status = 'running'"
    with another_worker(stack, INTEGRITY_BYTES_PER_SECOND="1"):  # half an hour an object
        first = chief.post(f"{PATH}/integrity/run").json()["data"]["job_id"]
        eventually(lambda: stack.sql(reading))
        chief.post(f"{JOBS}/pauses", json={"priority": "batch", "reason": "x"})
        job = post(chief, upload(chief, unique(PICTURE)), priority="batch")
        stack.sql(SUSPECT, job["job_id"], job["job_id"])
        chief.delete(f"{JOBS}/pauses/batch")
        assert ended(chief, job, within=30)["status"] == "succeeded"
        ended_well = "select status, result from ingest_jobs where job_id = %s"
        assert stack.sql(ended_well, first) == [("succeeded", {})]  # nothing was read yet; the next run does


def place_of(disk: Path, reference: str) -> Path:
    """Where the storage keeps an object."""
    bucket, _, key = reference.removeprefix("s3://").partition("/")
    found: Path = object_path(disk, bucket, key)
    return found


def pictures_of(chief: httpx2.Client, clip: str) -> list[str]:
    """Where an entity's pictures are, the largest first."""
    return [row["file_reference"] for row in chief.get(f"{CLIP.path}/{clip}/thumbnails").json()["data"]]


def test_corrupt_and_missing_objects_of_pictures_second_copies_and_what_was_named_by_hand_are_found(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    data = unique(PICTURE)
    clip = ingested(chief, data)["entity_id"]
    sha256 = entity(chief, CLIP, clip)["file_hash"]
    copy = upload(chief, data)
    keeper = ended(chief, post(chief, copy, on_duplicate="keep"))["entity_id"]
    named, never = upload(chief, unique(PICTURE)), f"s3://{MEDIA}/clip/{uuid4()}-never.jpg"
    outfit, other = (create(chief, OUTFIT, image_reference=to)["outfit_id"] for to in (named, never))
    content = f"s3://{PICTURES}/content/{sha256[:2]}/{sha256}/small.jpg"
    primary, medium, _ = pictures_of(chief, keeper)
    stack.sql(f"update files set stored_at = {LONG_AGO}")
    stack.sql(f"update thumbnails set processed_at = {LONG_AGO}")
    stack.sql(f"update held_objects set verified_at = {LONG_AGO}")
    expected = {"checked": 4 + 6 + 3, "missing": 1}
    assert run(chief, "integrity") == expected  # the content and its pictures, those of two clips, three copies
    (finding,) = chief.get("/api/v1/integrity/findings").json()["data"]
    assert (finding["file_reference"], finding["entity_id"], finding["sha256"]) == (never, other, None)
    due = "update {} set verified_at = now() - interval '40 days'"
    for table in ("files", "thumbnails", "held_objects"):
        stack.sql(due.format(table))
    older = place_of(disk, pictures_of(chief, clip)[1]).read_bytes()
    wrong = {"corrupt": {copy: keeper, primary: keeper, content: clip, named: outfit}, "missing": {medium: keeper}}
    whole = {at: place_of(disk, at).read_bytes() for kind in wrong.values() for at in kind}
    for at in wrong["corrupt"]:
        place_of(disk, at).write_bytes(bytes(len(whole[at])))
    place_of(disk, medium).unlink()
    assert run(chief, "integrity") == {"checked": 1 + 4 + 6 + 2, "corrupt": 4, "missing": 2}
    found = chief.get("/api/v1/integrity/findings").json()["data"]
    told = {(one["kind"], one["file_reference"], one["entity_id"]) for one in found}
    seen = {(kind, at, of) for kind, of_kind in wrong.items() for at, of in of_kind.items()}
    assert told == {*seen, ("missing", never, other)}
    for at, before in whole.items():
        place_of(disk, at).write_bytes(before)
    chief.patch(f"{OUTFIT.path}/{other}", json={"image_reference": None})
    assert run(chief, "integrity") == {"checked": 5}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []
    assert older == place_of(disk, medium).read_bytes()


def test_pictures_of_another_content_in_the_places_of_an_entity_are_corrupt_and_a_remake_puts_them_right(
    stack: Stack, chief: httpx2.Client, disk: Path
) -> None:
    clip, other = (ingested(chief, unique(media.jpeg((320 + number, 200))))["entity_id"] for number in range(2))
    mine, theirs = pictures_of(chief, clip), pictures_of(chief, other)
    before = [place_of(disk, at).read_bytes() for at in mine]
    for at, foreign in zip(mine, theirs, strict=True):
        storage(stack.environ).put_object(Bucket=PICTURES, Key=key_of(at), Body=place_of(disk, foreign).read_bytes())
    # As of rows that were written before hashes of pictures were noted.
    stack.sql(f"update thumbnails set processed_at = {LONG_AGO}, picture_sha256 = null")
    assert run(chief, "integrity") == {"checked": 6, "corrupt": 3}
    found = chief.get("/api/v1/integrity/findings").json()["data"]
    assert {(one["entity_id"], one["file_reference"]) for one in found} == {(clip, at) for at in mine}
    chief.post(f"{JOBS}/reprocess", json={"filter": {"entity_id": clip}})
    eventually(lambda: chief.get(JOBS, params={"kind": "reprocess", "status": "succeeded"}).json()["data"])
    assert [place_of(disk, at).read_bytes() for at in mine] == before
    assert run(chief, "integrity") == {"checked": 3}
    assert chief.get("/api/v1/integrity/findings").json()["data"] == []

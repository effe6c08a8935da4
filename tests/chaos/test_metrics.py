"""What the metrics say is what the ledger says, after every crash."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import work
from tests.chaos import proxy
from tests.chaos.conftest import Dealer
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Hold
from tests.chaos.storage import FETCH, LARGE
from tests.chaos.test_workers_die import POINTS
from tests.chaos.world import PICTURE, World, kill
from tests.eventually import eventually
from tests.resources import CLIP, create
from tests.stack import PLAIN

# Histogram → its label, and how long each took. A job that was retried after it failed has ended twice.
SPANS = {
    "job_wait": """
        select priority,
               extract(epoch from started_at - case when retried_at < started_at then retried_at else created_at end)
        from ingest_jobs where started_at is not null""",
    "job_duration": """
        select priority, extract(epoch from finished_at - coalesce(retried_at, created_at))
        from ingest_jobs where status in ('succeeded', 'failed')
        union all
        select priority, extract(epoch from made.finished_at - created_at)
        from ingest_jobs join ingest_attempts as made using (job_id)
        where made.fence = retried_fence and made.result = 'failed'""",
    "stage_duration": """
        select stage, extract(epoch from finished_at - started_at)
        from ingest_attempts where result in ('succeeded', 'failed')""",
}
# Metric → what it has to be: labels and number, by a query of its own over the ledger.
QUERIES = {
    "episodes_jobs": "select status, stage, count(*) from ingest_jobs group by 1, 2",
    "episodes_jobs_accepted_total": """
        select priority, count(*) from ingest_jobs where kind <> 'housekeeping' group by 1
        union all
        select priority, count(*) from audit_log join ingest_jobs as job on job.job_id = audit_log.entity_id
        where audit_log.entity_type = 'job' and action = 'retry' group by 1""",
    "episodes_jobs_total": """
        select case when status = 'succeeded' then coalesce(outcome, kind) else status end,
               case when status = 'failed' then error_code else '' end, count(*)
        from ingest_jobs where finished_at is not null group by 1, 2
        union all
        select before ->> 'status', case when before ->> 'status' = 'failed' then before ->> 'error_code' else '' end,
               count(*)
        from audit_log where entity_type = 'job' and action = 'retry' group by 1, 2""",
    "episodes_stage_retries_total": """
        select made.stage, count(*) from ingest_attempts as made join ingest_jobs as job using (job_id)
        where made.result = 'failed' and not (made.fence = job.fence and job.status = 'failed')
          and not made.fence = retried_fence group by 1""",
    "episodes_leases_expired_total": "select count(*) from ingest_attempts where result = 'lost'",
    "episodes_duplicates_total": "select count(*) from ingest_jobs where duplicate_of is not null",
    "episodes_ingested_bytes_total": """
        select sum(file_size) from ingest_jobs join ingest_attempts as made using (job_id)
        where made.stage = 'ingest' and made.result = 'succeeded'""",
    "episodes_outbox_pending": "select count(*) from outbox",
    "episodes_oldest_queued_job_seconds": """
        select name, coalesce(extract(epoch from now() - min(coalesce(retried_at, created_at))), 0) from
        unnest(array['interactive', 'batch', 'backfill']) as known (name)
        left join ingest_jobs on priority = name and status = 'queued' group by 1""",
    "episodes_index_lag_seconds": "select coalesce(extract(epoch from now() - min(created_at)), 0) from outbox",
    **{f"episodes_{name}_seconds_{part}": query for name, query in SPANS.items() for part in ("count", "sum")},
}
LABELS = {
    "episodes_jobs": ("status", "stage"),
    "episodes_jobs_total": ("outcome", "error_code"),
    "episodes_jobs_accepted_total": ("priority",),
    "episodes_stage_retries_total": ("stage",),
    "episodes_oldest_queued_job_seconds": ("priority",),
    **{f"episodes_stage_duration_seconds_{part}": ("stage",) for part in ("count", "sum")},
    **{f"episodes_job_{of}_seconds_{part}": ("priority",) for of in ("wait", "duration") for part in ("count", "sum")},
}
ROUGHLY = {"seconds": 1.0, "sum": 0.01}  # an age grows; a job's end and its last attempt's are microseconds apart
Said = dict[tuple[str, ...], float]


def scraped(url: str, name: str) -> Said:
    """What a scrape says; a zero where there could be something is left out."""
    families = text_string_to_metric_families(httpx2.get(url, timeout=15, **PLAIN).text)
    found = [sample for family in families for sample in family.samples if sample.name == name]
    labels = LABELS.get(name, ())
    return {tuple(one.labels[label] for label in labels): one.value for one in found if one.value or not labels}


def on_the_ledger(world: World, name: str) -> Said:
    """What the query says; rows with the same labels add up."""
    said: Said = {}
    for *labels, number in world.stack.sql(QUERIES[name]):
        counted = 1.0 if name.endswith("_count") else float(number or 0)
        said[tuple(labels)] = said.get(tuple(labels), 0) + counted
    return {labels: number for labels, number in said.items() if number or not labels}


@pytest.mark.chaos
def test_all_of_them_are_what_the_ledger_says_after_crashes(world: World, client: httpx2.Client, dealt: Dealer) -> None:
    since = time.monotonic()
    killed_at(world, client, "in mid-download")
    killed_at(world, client, "after the commit of index")  # it has ended, and nobody could count it
    world.lone().stop()
    world.worker(METRICS_PORT=str(world.stack.metrics_port))
    data = work.unique(PICTURE)
    for _ in range(2):
        world.send(client, data, "stored", "duplicate")
        world.settle()
    world.storage.trap("up", FETCH, proxy.cut, times=5)  # a stage is put off
    world.send(client)
    world.settle()
    world.calm()
    failed = world.send(client, b"not a picture", "UNSUPPORTED_MEDIA_TYPE")
    world.settle()
    assert client.post(f"/api/v1/ingest/{failed.job_id}/retry").status_code == 200
    with waiting(world, client) as cancelled:
        assert world.stack.sql("select count(*) from ingest_jobs where status = 'queued'") == [(3,)]
        check(world)
    assert client.post(f"/api/v1/ingest/{cancelled.job_id}/retry").status_code == 200
    dealt("kill -9 in mid-download and after the last commit: all metrics of jobs", world, since, times=2)
    check(world)


def check(world: World) -> None:
    """Each metric, of the API and of the worker, is what the ledger says; only times may differ, by a moment."""
    for name in QUERIES:
        for url in (f"{world.stack.url}/metrics", world.stack.metrics_url):
            moment = ROUGHLY.get(name.rpartition("_")[2], 1e-9)
            assert scraped(url, name) == pytest.approx(on_the_ledger(world, name), abs=moment), name


@contextmanager
def waiting(world: World, client: httpx2.Client) -> Iterator[Sent]:
    """Three jobs wait: a new one, one that was retried, and one before a stage that is paused.

    Another was cancelled there; a change waits to be indexed since an hour ago.
    """
    paused_by(world, "thumbnail")
    paused = [world.send(client), world.send(client)]
    at = "select count(*) from ingest_jobs where stage = 'thumbnail' and status = 'queued' and job_id = any(%s)"
    eventually(lambda: world.stack.sql(at, [one.job_id for one in paused]) == [(2,)])
    paused_by(world, "ingest")
    world.send(client)
    assert client.post(f"/api/v1/ingest/{paused[1].job_id}/cancel").status_code == 200
    retried(world, client)
    eventually(lambda: world.stack.sql("select count(*) from outbox") == [(0,)])
    world.stack.dispatcher.stop()
    create(client, CLIP)
    world.stack.sql("update outbox set created_at = created_at - interval '1 hour'")
    yield paused[1]
    world.stack.dispatcher.spawn()
    with world.stack.client("admin") as admin:
        for stage in ("ingest", "thumbnail"):
            assert admin.delete(f"/api/v1/ingest/pauses/{stage}").status_code == 204


def retried(world: World, client: httpx2.Client) -> None:
    """A job that was posted an hour ago, cancelled before it began, and waits again since a moment ago."""
    sent = world.send(client, priority="batch")
    world.stack.sql("update ingest_jobs set created_at = created_at - interval '1 hour' where job_id = %s", sent.job_id)
    for verb in ("cancel", "retry"):
        assert client.post(f"/api/v1/ingest/{sent.job_id}/{verb}").status_code == 200


def paused_by(world: World, stage: str) -> None:
    """An operator holds a stage back."""
    with world.stack.client("admin") as admin:
        pause = {"stage": stage, "reason": "to see what is counted"}
        assert admin.post("/api/v1/ingest/pauses", json=pause).status_code == 200


def killed_at(world: World, client: httpx2.Client, point: str) -> None:
    """A worker killed at a point of a job, and another that ends it."""
    where, direction, pattern, skip = POINTS[point]
    through, hold = getattr(world, where), Hold()
    victim = world.lone()
    trap = through.trap(direction, pattern, hold, skip=skip)
    world.send(client, work.unique(PICTURE) + bytes(LARGE))
    trap.wait()
    kill(victim)
    through.cut()
    hold.release()
    world.calm()
    world.worker()
    world.settle()

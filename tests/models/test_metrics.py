"""What Prometheus sees of the API and of the workers."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import get_args
from uuid import uuid4

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from models import kernel
from models.db import schema
from models.errors import ErrorCode
from models.housekeeping.schedule import TASKS
from tests import media, work
from tests.eventually import eventually
from tests.resources import CLIP, create
from tests.stack import PLAIN, Stack, serving

# Name → its type and labels, as the API promises them.
EVERYWHERE = {
    "episodes_jobs": ("gauge", {"status", "stage"}),
    "episodes_jobs_total": ("counter", {"outcome", "error_code"}),
    "episodes_oldest_queued_job_seconds": ("gauge", {"priority"}),
    "episodes_paused": ("gauge", {"name"}),
    "episodes_stage_duration_seconds": ("histogram", {"stage"}),
    "episodes_stage_retries_total": ("counter", {"stage"}),
    "episodes_jobs_accepted_total": ("counter", {"priority"}),
    "episodes_job_wait_seconds": ("histogram", {"priority"}),
    "episodes_job_duration_seconds": ("histogram", {"priority"}),
    "episodes_ingested_bytes_total": ("counter", set[str]()),
    "episodes_duplicates_total": ("counter", set[str]()),
    "episodes_leases_expired_total": ("counter", set[str]()),
    "episodes_outbox_pending": ("gauge", set[str]()),
    "episodes_index_lag_seconds": ("gauge", set[str]()),
    "episodes_build_info": ("gauge", {"version", "commit", "schema"}),
    "episodes_processes": ("gauge", {"program"}),
    "episodes_decoders": ("gauge", set[str]()),
    "episodes_decoders_busy": ("gauge", set[str]()),
    "episodes_dispatcher_heartbeat_seconds": ("gauge", set[str]()),
    "episodes_last_seal_seconds": ("gauge", set[str]()),
    "episodes_task_last_success_seconds": ("gauge", {"task"}),
    "episodes_backup_age_seconds": ("gauge", set[str]()),
    "episodes_webhooks": ("gauge", {"state"}),
    "episodes_webhook_deliveries_pending": ("gauge", set[str]()),
    "episodes_webhook_delivery_lag_seconds": ("gauge", set[str]()),
    "episodes_database_pool_connections": ("gauge", set[str]()),
    "episodes_database_pool_in_use": ("gauge", set[str]()),
    "episodes_database_pool_waiting": ("gauge", set[str]()),
    "episodes_disk_free_bytes": ("gauge", set[str]()),
    "episodes_ready": ("gauge", {"service"}),
    "episodes_probe_requests_total": ("counter", {"route", "status"}),
    "episodes_probe_request_duration_seconds": ("histogram", {"route"}),
    "episodes_http_requests_total": ("counter", {"method", "route", "status"}),
    "episodes_http_request_duration_seconds": ("histogram", {"method", "route"}),
}
OF_THE_API = {name: said for name, said in EVERYWHERE.items() if re.search("http|probe|ready", name)}
OF_THE_WORKERS = EVERYWHERE.keys() - OF_THE_API.keys()


def scrape(url: str, token: str | None = None) -> httpx2.Response:
    """One scrape."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.get(url, headers=headers, timeout=15, **PLAIN)


def types(text: str) -> dict[str, str]:
    """The type of each metric, by the name that is promised."""
    families = text_string_to_metric_families(text)
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}


def samples(text: str, name: str) -> list[Sample]:
    """The samples of this name."""
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples if sample.name == name]


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(sample.value for sample in samples(text, name) if labels.items() <= sample.labels.items())


@pytest.fixture(scope="module")
def worked(server: Stack, editor: httpx2.Client) -> dict[str, str]:
    """The texts of the API and the worker after a stored, a duplicate and a failed job."""
    data = work.unique(media.jpeg())
    assert work.ingested(editor, data)["outcome"] == "stored"
    assert work.ingested(editor, data)["outcome"] == "duplicate"
    failed = work.ended(editor, work.post(editor, f"s3://episodes-media/clip/{uuid4()}-missing.jpg"))
    assert failed["status"] == "failed"
    texts = {"api": scrape(f"{server.url}/metrics").text, "worker": scrape(server.metrics_url).text}
    return texts | {"bytes": str(len(data))}


def test_every_promised_metric_is_there_with_its_type(worked: dict[str, str]) -> None:
    found = {"api": types(worked["api"]), "worker": types(worked["worker"])}
    assert {name: found["api"].get(name) for name in OF_THE_API} == {
        name: kind for name, (kind, _) in OF_THE_API.items()
    }
    assert {name: found["worker"].get(name) for name in OF_THE_WORKERS} == {
        name: EVERYWHERE[name][0] for name in OF_THE_WORKERS
    }


def test_every_sample_has_the_promised_labels(worked: dict[str, str]) -> None:
    for text in (worked["api"], worked["worker"]):
        for family in text_string_to_metric_families(text):
            name = family.name + ("_total" if family.type == "counter" else "")
            if name in EVERYWHERE:
                for sample in family.samples:
                    assert set(sample.labels) - {"le"} == EVERYWHERE[name][1], sample


def test_the_format_is_the_one_that_prometheus_reads(server: Stack) -> None:
    for url in (f"{server.url}/metrics", server.metrics_url):
        answer = scrape(url)
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = [(family.name, family.type) for family in text_string_to_metric_families(answer.text)]
        assert len(families) == len(set(families))
        assert answer.text.endswith("\n")


def test_jobs_are_counted_by_how_they_ended(server: Stack, worked: dict[str, str]) -> None:
    text = worked["worker"]
    assert value(text, "episodes_jobs_total", outcome="stored") >= 1
    assert value(text, "episodes_jobs_total", outcome="duplicate") >= 1
    assert value(text, "episodes_jobs_total", outcome="failed", error_code="SOURCE_MISSING") >= 1
    assert value(text, "episodes_duplicates_total") >= 1
    assert value(text, "episodes_ingested_bytes_total") >= 2 * int(worked["bytes"])
    ended = value(text, "episodes_jobs_total") - value(text, "episodes_jobs_total", outcome="cancelled")
    assert value(text, "episodes_job_duration_seconds_count") == ended
    ((started,),) = server.sql("select count(*) from ingest_jobs where started_at is not null")
    assert value(text, "episodes_job_wait_seconds_count") == started  # once a job, however often it is tried again
    for stage in ("ingest", "deduplicate", "thumbnail", "index"):
        assert value(text, "episodes_stage_duration_seconds_count", stage=stage) >= 1


def test_the_histograms_are_what_the_ledger_says(new_stack: Callable[..., Stack]) -> None:
    spans = """
        select 'job_wait', priority, extract(epoch from started_at - created_at) from ingest_jobs
        where started_at is not null
        union all select 'job_duration', priority, extract(epoch from finished_at - created_at) from ingest_jobs
        where status in ('succeeded', 'failed')
        union all select 'stage_duration', stage, extract(epoch from finished_at - started_at) from ingest_attempts
        where result in ('succeeded', 'failed')
    """
    stack = new_stack()
    stack.api.start()
    stack.worker.spawn()
    stack.dispatcher.spawn()
    with stack.client() as client:
        assert work.ingested(client, media.jpeg())["outcome"] == "stored"
        missing = work.post(client, f"s3://episodes-media/clip/{uuid4()}-missing.jpg")
        assert work.ended(client, missing)["status"] == "failed"
    for text in (scrape(f"{stack.url}/metrics").text, scrape(stack.metrics_url).text):
        taken: dict[tuple[str, str], list[float]] = {}
        for name, label, seconds in stack.sql(spans):
            taken.setdefault((f"episodes_{name}_seconds", label), []).append(float(seconds))
        assert len(taken) >= 6
        for (name, label), times in taken.items():
            labels = {"stage" if "stage" in name else "priority": label}
            assert value(text, f"{name}_count", **labels) == len(times)
            assert value(text, f"{name}_sum", **labels) == pytest.approx(sum(times))
            for end in ("0.001", "0.1", "1.0", "3600.0", "+Inf"):
                upto = sum(seconds <= float(end.strip("+")) for seconds in times)
                assert value(text, f"{name}_bucket", le=end, **labels) == upto, (name, labels, end)


def test_a_job_that_is_retried_is_as_old_as_its_retry(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    with stack.client() as client:
        job = work.post(client, f"s3://episodes-media/clip/{uuid4()}-missing.jpg")
        stack.sql("update ingest_jobs set created_at = created_at - interval '1 hour'")
        assert value(scrape(f"{stack.url}/metrics").text, "episodes_oldest_queued_job_seconds") >= 3600
        assert client.post(f"/api/v1/ingest/{job['job_id']}/cancel").status_code == 200
        assert client.post(f"/api/v1/ingest/{job['job_id']}/retry").status_code == 200
        stack.worker.spawn()
        stack.dispatcher.spawn()
        assert work.ended(client, job)["error"]["code"] == "SOURCE_MISSING"
        text = scrape(f"{stack.url}/metrics").text
        for name in ("episodes_job_wait_seconds", "episodes_job_duration_seconds"):
            assert value(text, f"{name}_count") == 1
            assert value(text, f"{name}_sum") < 60


def test_the_gauges_are_what_the_ledger_says(server: Stack, worked: dict[str, str]) -> None:
    query = "select status, stage, count(*) from ingest_jobs group by 1, 2"

    def agree() -> bool:
        counted = {(status, stage): number for status, stage, number in server.sql(query)}
        texts = [scrape(url).text for url in (f"{server.url}/metrics", server.metrics_url)]
        shown = [
            {(one.labels["status"], one.labels["stage"]): one.value for one in samples(text, "episodes_jobs")}
            for text in texts
        ]
        some = [{key: number for key, number in one.items() if number} for one in shown]
        return some == [counted, counted] and all(len(one) == 25 for one in shown)

    assert eventually(agree, within=5)


@pytest.fixture(scope="module")
def idle(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API alone: what is posted to it waits."""
    with serving(services, tmp_path_factory.mktemp("idle")) as stack:
        yield stack


def test_the_oldest_waiting_job_ages(idle: Stack) -> None:
    stack = idle
    with stack.client("editor") as client:
        job = work.post(client, "s3://episodes-media/clip/x.jpg", priority="batch")
    stack.sql("update ingest_jobs set created_at = now() - interval '90 seconds' where job_id = %s", job["job_id"])
    text = scrape(f"{stack.url}/metrics").text
    assert 90 <= value(text, "episodes_oldest_queued_job_seconds", priority="batch") < 120
    assert value(text, "episodes_oldest_queued_job_seconds", priority="interactive") == 0
    assert value(text, "episodes_jobs", status="queued", stage="ingest") == 1
    assert value(text, "episodes_outbox_pending") == 1  # the clip's, since nobody indexes
    assert value(text, "episodes_index_lag_seconds") > 0


def test_webhooks_and_what_waits_for_them_are_counted_and_a_failing_one_is_not_late(idle: Stack) -> None:
    for name, failing, disabled in (("late", "null", "null"), ("failing", "now()", "null"), ("off", "now()", "now()")):
        idle.sql(
            f"""
            with hook as (
                insert into webhooks (url, events, secret, created_by, failing_since, disabled_at, disabled_reason)
                values ('https://{name}.example/', '{{job.failed}}', 'whsec_x', 'ana', {failing}, {disabled},
                        case when {disabled} is not null then 'it answered 410' end)
                returning webhook_id)
            insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body, due_at)
            select webhook_id, uuidv7(), 'job.failed', uuidv7(), '{{}}', now() - interval '90 seconds' from hook"""
        )
    text = scrape(f"{idle.url}/metrics").text
    states = {one.labels["state"]: one.value for one in samples(text, "episodes_webhooks")}
    assert states == {"working": 1, "failing": 1, "disabled": 1}
    assert value(text, "episodes_webhook_deliveries_pending") == 3
    assert 90 <= value(text, "episodes_webhook_delivery_lag_seconds") < 120
    idle.sql("delete from webhooks where failing_since is null")
    assert eventually(lambda: value(scrape(f"{idle.url}/metrics").text, "episodes_webhook_delivery_lag_seconds") == 0)


def test_requests_are_counted_by_their_route_and_never_by_an_id(server: Stack, editor: httpx2.Client) -> None:
    clip = create(editor, CLIP)["clip_id"]
    said = {"method": "GET", "route": f"{CLIP.path}/{{clip_id}}", "status": "200"}
    before = value(scrape(f"{server.url}/metrics").text, "episodes_http_requests_total", **said)
    for _ in range(3):
        editor.get(f"{CLIP.path}/{clip}")
    editor.get(f"/nowhere/{uuid4()}")
    editor.get(f"{CLIP.path}/not-an-id-{uuid4()}")
    editor.request("INVENTED", CLIP.path)
    text = scrape(f"{server.url}/metrics").text
    assert value(text, "episodes_http_requests_total", **said) == before + 3
    assert value(text, "episodes_http_requests_total", route="unmatched", status="404") >= 1
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|INVENTED|not-an-id", text)
    routes = {sample.labels["route"] for sample in samples(text, "episodes_http_requests_total")}
    assert {"/api/v1/clips", "/api/v1/clips/{clip_id}"} <= routes
    counted = value(text, "episodes_http_request_duration_seconds_count", method="GET", route=said["route"])
    assert counted == value(text, "episodes_http_requests_total", method="GET", route=said["route"])


def test_outside_development_the_metrics_ask_for_their_token(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(APP_ENV="test", METRICS_TOKEN="a-secret")
    stack.worker.spawn()
    stack.api.start()
    urls = [f"{stack.url}/metrics", stack.metrics_url]
    eventually(lambda: answers(stack.metrics_url), within=10)
    for url in urls:
        assert scrape(url).status_code == 401
        assert scrape(url, "another").status_code == 401
        assert scrape(url, stack.token("admin")).status_code == 401
        assert types(scrape(url, "a-secret").text).keys() >= {"episodes_jobs", "episodes_outbox_pending"}
    assert scrape(urls[0]).headers["WWW-Authenticate"] == "Bearer"


def test_outside_development_without_a_token_nobody_reads_the_metrics(exposed_stack: Callable[..., Stack]) -> None:
    stack = exposed_stack()
    stack.api.start()
    for token in (None, "", "None"):
        assert scrape(f"{stack.url}/metrics", token).status_code == 401


def answers(url: str) -> bool:
    """Whether somebody listens."""
    try:
        return scrape(url).status_code > 0
    except httpx2.TransportError:
        return False


def test_a_worker_tells_in_its_metrics_and_its_readiness_what_holds_its_decoders(server: Stack) -> None:
    found = kernel.available()
    labels = f'landlock="{found.landlock}",seccomp="{int(found.seccomp)}"'
    line = f"episodes_decoder_cage{{{labels}}} {float(not found.missing)}"
    eventually(lambda: line in scrape(server.metrics_url).text)
    ready = scrape(server.metrics_url.replace("/metrics", "/health/ready"))
    cage = {"landlock": found.landlock, "seccomp": found.seccomp}
    assert (ready.status_code, ready.json()["data"]) == (200, {"status": "ready", "decoder_cage": cage})


def test_what_can_be_counted_is_told_as_zero_before_it_is(server: Stack) -> None:
    text = scrape(f"{server.url}/metrics").text
    ends = {(one.labels["outcome"], one.labels["error_code"]) for one in samples(text, "episodes_jobs_total")}
    assert {(outcome, "") for outcome in ("stored", "duplicate", "cancelled", "reprocess", "housekeeping")} <= ends
    assert {("failed", code) for code in get_args(ErrorCode)} <= ends
    for name in ("jobs_accepted_total", "job_wait_seconds_count", "job_duration_seconds_count"):
        shown = {one.labels["priority"] for one in samples(text, f"episodes_{name}")}
        assert shown == {"interactive", "batch", "backfill"}, name


def accepted(stack: Stack) -> Counter[str]:
    """How many jobs came, by priority."""
    text = scrape(f"{stack.url}/metrics").text
    return Counter({one.labels["priority"]: int(one.value) for one in samples(text, "episodes_jobs_accepted_total")})


def test_arrivals_are_counted_by_priority_also_those_by_a_retry(idle: Stack) -> None:
    before = accepted(idle)
    with idle.client() as client:
        job = work.post(client, "s3://episodes-media/clip/x.jpg", priority="batch")
        jobs = [
            {
                "entity_type": "clip",
                "entity_id": job["entity_id"],
                "source_reference": f"s3://episodes-media/clip/{one}",
                "priority": "interactive",
            }
            for one in range(3)
        ]
        assert client.post("/api/v1/ingest/batch", json={"jobs": jobs}).status_code in (200, 202)
        for verb in ("cancel", "retry"):
            assert client.post(f"/api/v1/ingest/{job['job_id']}/{verb}").status_code == 200
    assert accepted(idle) - before == {"interactive": 3, "batch": 2}


def test_probes_and_scrapes_are_no_traffic(server: Stack, worked: dict[str, str]) -> None:
    text = scrape(f"{server.url}/metrics").text
    routes = {one.labels["route"] for one in samples(text, "episodes_http_requests_total")}
    probes = {one.labels["route"] for one in samples(text, "episodes_probe_requests_total")}
    assert not routes & {"/health", "/health/ready", "/metrics"}
    assert {"/metrics", "/health/ready"} <= probes


def test_a_process_tells_what_it_is_and_has_at_hand(server: Stack) -> None:
    for url in (f"{server.url}/metrics", server.metrics_url):
        text = eventually(lambda url=url: scrape(url).text)  # type: ignore[misc]
        (build,) = samples(text, "episodes_build_info")
        assert build.labels["schema"] == schema.NEEDED
        assert build.labels["version"] == httpx2.get(f"{server.url}/health", **PLAIN).json()["data"]["version"]
        assert value(text, "process_resident_memory_bytes") > 1e6
        assert value(text, "process_cpu_seconds_total") > 0
        assert value(text, "episodes_database_pool_connections") >= 1
        assert value(text, "episodes_database_pool_waiting") == 0
        assert value(text, "episodes_disk_free_bytes") > 0
    text = scrape(f"{server.url}/metrics").text
    assert {one.labels["service"]: one.value for one in samples(text, "episodes_ready")} == dict.fromkeys(
        ("database", "schema", "broker", "storage"), 1.0
    )


def test_the_programs_that_run_are_counted_by_their_hearts(server: Stack) -> None:
    def all_run() -> bool:
        text = scrape(f"{server.url}/metrics").text
        alive = {one.labels["program"]: one.value for one in samples(text, "episodes_processes")}
        beat = value(text, "episodes_dispatcher_heartbeat_seconds")
        return alive == {"api": 1, "dispatcher": 1, "worker": 1} and beat < 12

    assert eventually(all_run)
    assert value(scrape(server.metrics_url).text, "episodes_decoders") >= 1


def test_what_has_not_been_yet_has_no_age_and_a_missing_dispatcher_an_endless_one(idle: Stack) -> None:
    text = scrape(f"{idle.url}/metrics").text
    assert math.isinf(value(text, "episodes_dispatcher_heartbeat_seconds"))
    for name in ("backup_age", "last_seal"):
        assert math.isnan(value(text, f"episodes_{name}_seconds"))
    tasks = {one.labels["task"]: one.value for one in samples(text, "episodes_task_last_success_seconds")}
    assert set(tasks) == set(TASKS)
    assert all(map(math.isnan, tasks.values()))


def test_the_buckets_fit_what_is_measured(server: Stack, worked: dict[str, str], viewer: httpx2.Client) -> None:
    """Half and 99 % of all lie neither in the first bucket nor behind the last end."""
    for _ in range(20):
        for path in ("/api/v1/clips", "/api/v1/status", "/health"):
            assert viewer.get(path).status_code == 200
    text = scrape(f"{server.url}/metrics").text
    for name in ("http_request", "probe_request", "job", "stage"):
        buckets: dict[str, list[float]] = {}
        for one in samples(text, f"episodes_{name}_duration_seconds_bucket"):
            if "events" not in one.labels.get("route", ""):
                series = str({key: word for key, word in one.labels.items() if key != "le"})
                buckets.setdefault(series, []).append(one.value)
        for series, counted in buckets.items():
            for share in (0.5, 0.99) if counted[-1] else ():
                place = next(place for place, number in enumerate(counted) if number >= share * counted[-1])
                assert 0 < place < len(counted) - 1, (name, series)

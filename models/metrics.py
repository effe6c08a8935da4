"""What Prometheus sees.

What counts jobs is read from the database at each scrape, gauges and counters alike, so that it is true after any
crash, and each process tells the same of it. Other counters and histograms count in each process; with
``PROMETHEUS_MULTIPROC_DIR`` set, a group's processes add up.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from models import database
from models.database import Connection

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

HTTP_REQUESTS: Final = Counter("episodes_http_requests_total", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS: Final = Histogram(
    "episodes_http_request_duration_seconds", "Time to answer a request", ["method", "route"]
)
STAGE_SECONDS: Final = Histogram(
    "episodes_stage_duration_seconds",
    "Time a stage worked",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_LONG: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
JOB_WAIT: Final = Histogram("episodes_job_wait_seconds", "From a job's POST to its first start", buckets=_LONG)
JOB_SECONDS: Final = Histogram("episodes_job_duration_seconds", "From a job's POST to its end", buckets=_LONG)
# What the database counts (``ingest_totals``): by its name there, the metric's name, help and labels.
_TOTALS: Final = {
    "jobs": ("episodes_jobs_total", "Jobs that ended", ("outcome", "error_code")),
    "stage_retries": ("episodes_stage_retries_total", "Stages put off after a fault of ours", ("stage",)),
    "ingested_bytes": ("episodes_ingested_bytes_total", "Bytes fetched and hashed", ()),
    "duplicates": ("episodes_duplicates_total", "Jobs that found their content already stored", ()),
    "leases_expired": ("episodes_leases_expired_total", "Leases of workers that stopped without a word", ()),
}

SEARCH_DRIFT: Final = Counter("episodes_search_drift_total", "Documents a check found wrong", ["kind"])


class Truth(msgspec.Struct):
    """What counts jobs, as the database has it."""

    jobs: list[tuple[str, str, int]]  # status, stage, how many
    oldest: list[tuple[str, float]]  # priority, seconds
    outbox_pending: int
    index_lag_seconds: float
    findings: dict[str, int]  # by their kind
    unread_seconds: float
    totals: list[tuple[str, str, str, int]]  # name, label, error code, how many since the beginning


async def truth(connection: Connection) -> Truth:
    """Read all of it in one statement."""
    query = """
        select
          (select coalesce(jsonb_agg(jsonb_build_array(status, stage, number)), '[]') from
             (select status, stage, count(*) as number from ingest_jobs group by status, stage) as counted),
          (select coalesce(jsonb_agg(jsonb_build_array(priority, seconds)), '[]') from
             (select priority, extract(epoch from clock_timestamp() - min(created_at))::float8 as seconds
              from ingest_jobs where status = 'queued' group by priority) as waiting),
          (select count(*) from outbox),
          (select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox),
          (select coalesce(jsonb_object_agg(kind, number), '{}') from
             (select kind, count(*) as number from integrity_findings where resolved_at is null group by kind) as open),
          (select coalesce(extract(epoch from clock_timestamp() - min(coalesce(verified_at, stored_at))), 0)::float8
           from files where stored_at is not null),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, error_code, number)), '[]') from
             (select name, label, error_code, sum(total) as number
              from ingest_totals group by name, label, error_code) as summed)
    """
    found = await database.row(connection, Truth, query)
    assert found is not None  # noqa: S101
    return found


def exposition(found: Truth | None) -> bytes:
    """Everything as Prometheus text; without what counts jobs where the database did not answer."""
    return generate_latest(_counters()) + (generate_latest(_Ledger(found)) if found else b"")


def _counters() -> Collector:
    """Of this process, or of its whole group."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    group = CollectorRegistry()
    MultiProcessCollector(group)  # type: ignore[no-untyped-call]  # the package leaves it untyped
    return group


class _Ledger(Collector):
    def __init__(self, found: Truth) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("episodes_jobs", "Jobs on the ledger", labels=["status", "stage"])
        for status, stage, number in self._found.jobs:
            jobs.add_metric([status, stage], number)
        yield jobs
        oldest = GaugeMetricFamily(
            "episodes_oldest_queued_job_seconds", "Age of the oldest queued job", labels=["priority"]
        )
        ages = dict(self._found.oldest)
        for priority in ("interactive", "batch", "backfill"):
            oldest.add_metric([priority], ages.get(priority, 0.0))
        yield oldest
        yield _gauge("episodes_outbox_pending", "Changes not yet in the search", self._found.outbox_pending)
        findings = GaugeMetricFamily(
            "episodes_integrity_findings", "Stored files that are rotten or lost", labels=["kind"]
        )
        for kind in ("rot", "loss"):
            findings.add_metric([kind], self._found.findings.get(kind, 0))
        yield findings
        text = "Age of the oldest proof that a stored file is what it was"
        yield _gauge("episodes_integrity_oldest_check_seconds", text, self._found.unread_seconds)
        yield _gauge("episodes_index_lag_seconds", "Age of the oldest such change", self._found.index_lag_seconds)
        for name in _TOTALS:
            yield self._total(name)

    def _total(self, of: str) -> Metric:
        name, text, labels = _TOTALS[of]
        family = CounterMetricFamily(name, text, labels=labels)
        found = [(words, total) for key, *words, total in self._found.totals if key == of]
        for words, total in found or ([] if labels else [([], 0)]):
            family.add_metric(words[: len(labels)], total)
        return family


def _gauge(name: str, text: str, value: float) -> Any:
    return GaugeMetricFamily(name, text, value=value)

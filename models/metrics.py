"""What Prometheus sees.

What counts jobs is read from the database at each scrape, gauges, counters and histograms alike, so that it is true
after any crash, and each process tells the same of it. What counts requests counts in each process; with
``PROMETHEUS_MULTIPROC_DIR`` set, a group's processes add up.
"""

import os
from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from models.db import connection as db
from models.db.connection import Connection
from models.jobs.priorities import PRIORITIES
from models.jobs.types import Stage

SCRAPES: Final = 4  # of a second that find out anew; a flood of them is told what the last one found
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

HTTP_REQUESTS: Final = Counter("episodes_http_requests_total", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS: Final = Histogram(
    "episodes_http_request_duration_seconds", "Time to answer a request", ["method", "route"]
)
# What the database counts (``ingest_totals``): by its name there, the metric's name, help and labels.
_TOTALS: Final = {
    "jobs": ("episodes_jobs_total", "Jobs that ended", ("outcome", "error_code")),
    "stage_retries": ("episodes_stage_retries_total", "Stages put off after a fault of ours", ("stage",)),
    "ingested_bytes": ("episodes_ingested_bytes_total", "Bytes fetched and hashed", ()),
    "duplicates": ("episodes_duplicates_total", "Jobs that found their content already stored", ()),
    "leases_expired": ("episodes_leases_expired_total", "Leases of workers that stopped without a word", ()),
}
# What it has histograms of (``ingest_histograms``), in the same way.
_HISTOGRAMS: Final = {
    "job_wait": ("episodes_job_wait_seconds", "From a job's POST to its first start", ()),
    "job_duration": ("episodes_job_duration_seconds", "From a job's POST or retry to its end", ()),
    "stage_duration": ("episodes_stage_duration_seconds", "Time a stage worked", ("stage",)),
}

PAUSABLE: Final = (*PRIORITIES, *get_args(Stage))

DECODER_CAGE: Final = Gauge(
    "episodes_decoder_cage",
    "1 where Landlock (by its version) and seccomp hold the decoders of a worker, 0 where one is missing",
    ["landlock", "seccomp"],
    multiprocess_mode="min",
)
SEARCH_DRIFT: Final = Counter("episodes_search_drift_total", "Documents a check found wrong", ["kind"])


class JobStatistics(msgspec.Struct):
    """What counts jobs, as the database has it."""

    jobs: list[tuple[str, str, int]]  # status, stage, how many
    oldest: list[tuple[str, float]]  # priority, seconds
    paused: list[str]  # priorities and stages
    outbox_pending: int
    index_lag_seconds: float
    findings: dict[str, int]  # by their kind
    unread_seconds: float
    totals: list[tuple[str, str, str, int]]  # name, label, error code, how many since the beginning
    bounds: list[float]  # seconds
    buckets: list[tuple[str, str, int, int]]  # name, label, place among the bounds from 1 on, how many up to there
    seconds: list[tuple[str, str, float]]  # name, label, how long all together


async def statistics(connection: Connection) -> JobStatistics:
    """Read all of it in one statement."""
    query = """
        select
          (select coalesce(jsonb_agg(jsonb_build_array(status, stage, number)), '[]') from
             (select status, stage, count(*) as number from ingest_jobs group by status, stage) as counted),
          (select coalesce(jsonb_agg(jsonb_build_array(priority, seconds)), '[]') from
             (select priority, extract(epoch from clock_timestamp() - min(coalesce(retried_at, created_at)))::float8
                     as seconds
              from ingest_jobs where status = 'queued' group by priority) as waiting),
          (select coalesce(array_agg(name), '{}') from ingest_pauses where until > clock_timestamp()),
          (select count(*) from outbox),
          (select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox),
          (select coalesce(jsonb_object_agg(kind, number), '{}') from
             (select kind, count(*) as number from integrity_findings where resolved_at is null group by kind) as open),
          (select coalesce(extract(epoch from clock_timestamp() - min(coalesce(verified_at, stored_at))), 0)::float8
           from files where stored_at is not null),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, error_code, number)), '[]') from
             (select name, label, error_code, sum(total) as number
              from ingest_totals group by name, label, error_code) as summed),
          histogram_bounds(),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, place, number) order by name, label, place), '[]')
           from (select name, label, place, sum(sum(counted)) over (partition by name, label order by place) as number
                 from ingest_histograms, unnest(counts) with ordinality as bucket (counted, place)
                 group by name, label, place) as summed),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, seconds)), '[]') from
             (select name, label, sum(seconds) as seconds from ingest_histograms group by name, label) as summed)
    """
    row = await db.row(connection, JobStatistics, query)
    assert row is not None  # noqa: S101
    return row


def exposition(found: JobStatistics | None) -> bytes:
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
    def __init__(self, found: JobStatistics) -> None:
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
        paused = GaugeMetricFamily("episodes_paused", "Whether a priority or a stage is held back", labels=["name"])
        for name in PAUSABLE:
            paused.add_metric([name], name in self._found.paused)
        yield paused
        yield _gauge("episodes_outbox_pending", "Changes not yet in the search", self._found.outbox_pending)
        findings = GaugeMetricFamily(
            "episodes_integrity_findings", "Stored files that are corrupt or missing", labels=["kind"]
        )
        for kind in ("corrupt", "missing"):
            findings.add_metric([kind], self._found.findings.get(kind, 0))
        yield findings
        text = "Age of the oldest proof that a stored file is what it was"
        yield _gauge("episodes_integrity_oldest_check_seconds", text, self._found.unread_seconds)
        yield _gauge("episodes_index_lag_seconds", "Age of the oldest such change", self._found.index_lag_seconds)
        for name in _TOTALS:
            yield self._total(name)
        for name in _HISTOGRAMS:
            yield self._histogram(name)

    def _total(self, of: str) -> Metric:
        name, text, labels = _TOTALS[of]
        family = CounterMetricFamily(name, text, labels=labels)
        found = [(words, total) for key, *words, total in self._found.totals if key == of]
        for words, total in found or ([] if labels else [([], 0)]):
            family.add_metric(words[: len(labels)], total)
        return family

    def _histogram(self, of: str) -> Metric:
        name, text, labels = _HISTOGRAMS[of]
        family = HistogramMetricFamily(name, text, labels=labels)
        seconds = {label: total for key, label, total in self._found.seconds if key == of}
        for label in seconds or ([] if labels else [""]):
            family.add_metric([label][: len(labels)], self._buckets(of, label), seconds.get(label, 0.0))
        return family

    def _buckets(self, of: str, label: str) -> list[tuple[str, float]]:
        counted = {place: number for key, to, place, number in self._found.buckets if (key, to) == (of, label)}
        ends = [*map(str, self._found.bounds), "+Inf"]
        return [(end, counted.get(place, 0)) for place, end in enumerate(ends, start=1)]


def _gauge(name: str, text: str, value: float) -> Any:
    return GaugeMetricFamily(name, text, value=value)

"""What the database counts, as Prometheus reads it: with a zero for each label that there can be."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from models.errors import ErrorCode
from models.jobs.priorities import PRIORITIES
from models.jobs.types import JobKind, Outcome, Stage, Status
from models.metrics.ledger import JobStatistics
from models.operations.processes import Program

STAGES: Final = get_args(Stage)
STATUSES: Final = get_args(Status)
PROGRAMS: Final = get_args(Program)
WEBHOOK_STATES: Final = ("working", "failing", "disabled")
PAUSABLE: Final = (*PRIORITIES, *STAGES)
# How a job ends: what came of a file, or the kind of the job where it brings none, or that it came to nothing.
OUTCOMES: Final = (*get_args(Outcome), *(kind for kind in get_args(JobKind) if kind != "ingest"), "cancelled")
ENDS: Final = (*((outcome, "") for outcome in OUTCOMES), *(("failed", code) for code in get_args(ErrorCode)))

# Totals (``ingest_totals``): by its name there, the metric's name, help, labels, and the labels that there can be.
_TOTALS: Final[dict[str, tuple[str, str, tuple[str, ...], tuple[tuple[str, ...], ...]]]] = {
    "jobs_accepted": (
        "episodes_jobs_accepted_total",
        "Jobs posted or retried, those of housekeeping apart",
        ("priority",),
        tuple((priority,) for priority in PRIORITIES),
    ),
    "jobs": ("episodes_jobs_total", "Jobs that ended", ("outcome", "error_code"), ENDS),
    "stage_retries": (
        "episodes_stage_retries_total",
        "Stages put off after a fault of ours",
        ("stage",),
        tuple((stage,) for stage in STAGES),
    ),
    "ingested_bytes": ("episodes_ingested_bytes_total", "Bytes fetched and hashed", (), ((),)),
    "duplicates": ("episodes_duplicates_total", "Jobs that found their content already stored", (), ((),)),
    "leases_expired": ("episodes_leases_expired_total", "Leases of workers that stopped without a word", (), ((),)),
}
# Histograms (``ingest_histograms``), in the same way; each has one label.
_HISTOGRAMS: Final = {
    "job_wait": ("episodes_job_wait_seconds", "From a job's POST to its first start", "priority", PRIORITIES),
    "job_duration": ("episodes_job_duration_seconds", "From a job's POST or retry to its end", "priority", PRIORITIES),
    "stage_duration": ("episodes_stage_duration_seconds", "Time a stage worked", "stage", STAGES),
}


class LedgerFamilies(Collector):
    """All families of one reading."""

    def __init__(self, found: JobStatistics) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._search_and_files()
        yield from self._programs()
        yield from self._upkeep()
        yield from self._webhooks()
        for name in _TOTALS:
            yield self._total(name)
        for name in _HISTOGRAMS:
            yield self._histogram(name)

    def _queue(self) -> Iterator[Metric]:
        counted = {(status, stage): number for status, stage, number in self._found.jobs}
        pairs = [(status, stage) for status in STATUSES for stage in STAGES]
        jobs = ((pair, counted.get(pair, 0)) for pair in pairs)
        yield _gauges("episodes_jobs", "Jobs on the ledger", ("status", "stage"), jobs)
        ages = dict(self._found.oldest)
        oldest = (((priority,), ages.get(priority, 0.0)) for priority in PRIORITIES)
        yield _gauges("episodes_oldest_queued_job_seconds", "Age of the oldest queued job", ("priority",), oldest)
        paused = (((name,), float(name in self._found.paused)) for name in PAUSABLE)
        yield _gauges("episodes_paused", "Whether a priority or a stage is held back", ("name",), paused)

    def _search_and_files(self) -> Iterator[Metric]:
        yield _gauge("episodes_outbox_pending", "Changes not yet in the search", self._found.outbox_pending)
        yield _gauge("episodes_index_lag_seconds", "Age of the oldest such change", self._found.index_lag_seconds)
        findings = (((kind,), self._found.findings.get(kind, 0)) for kind in ("corrupt", "missing"))
        yield _gauges("episodes_integrity_findings", "Stored files that are corrupt or missing", ("kind",), findings)
        text = "Age of the oldest proof that a stored file is what it was"
        yield _gauge("episodes_integrity_oldest_check_seconds", text, self._found.unread_seconds)

    def _programs(self) -> Iterator[Metric]:
        alive = (((program,), self._found.processes.get(program, 0)) for program in PROGRAMS)
        yield _gauges("episodes_processes", "Processes whose heart beats", ("program",), alive)
        yield _gauge("episodes_decoders", "Decoders of all workers", self._found.decoders)
        yield _gauge("episodes_decoders_busy", "Of those, how many decode", self._found.decoders_busy)
        text = "Since any dispatcher showed itself; +Inf where none is known"
        beat = self._found.heartbeat_seconds
        yield _gauge("episodes_dispatcher_heartbeat_seconds", text, math.inf if beat is None else beat)

    def _upkeep(self) -> Iterator[Metric]:
        """What there has not been yet has no age: NaN, which compares to nothing."""
        yield _gauge(
            "episodes_last_seal_seconds", "Since the audit log was sealed last", _age(self._found.seal_seconds)
        )
        tasks = (((task,), _age(seconds)) for task, seconds in self._found.tasks)
        text = "Since a run of a task of housekeeping ended well"
        yield _gauges("episodes_task_last_success_seconds", text, ("task",), tasks)
        text = "Since the database archived its log last; NaN where it does not"
        yield _gauge("episodes_backup_age_seconds", text, _age(self._found.backup_seconds))

    def _webhooks(self) -> Iterator[Metric]:
        states = (((state,), self._found.webhooks.get(state, 0)) for state in WEBHOOK_STATES)
        yield _gauges("episodes_webhooks", "Webhooks, by whether deliveries arrive", ("state",), states)
        yield _gauge("episodes_webhook_deliveries_pending", "Deliveries to be made", self._found.deliveries_pending)
        text = "How late the oldest delivery is, of webhooks that do not fail"
        yield _gauge("episodes_webhook_delivery_lag_seconds", text, self._found.delivery_lag_seconds)

    def _total(self, of: str) -> Metric:
        name, text, labels, possible = _TOTALS[of]
        family = CounterMetricFamily(name, text, labels=labels)
        totals = dict.fromkeys(possible, 0)
        for key, *words, total in self._found.totals:
            if key == of:
                totals[tuple(words[: len(labels)])] = total
        for known, total in totals.items():
            family.add_metric(known, total)
        return family

    def _histogram(self, of: str) -> Metric:
        name, text, label, possible = _HISTOGRAMS[of]
        family = HistogramMetricFamily(name, text, labels=[label])
        seconds = {word: total for key, word, total in self._found.seconds if key == of}
        for word in possible:
            family.add_metric([word], self._buckets(of, word), seconds.get(word, 0.0))
        return family

    def _buckets(self, of: str, label: str) -> list[tuple[str, float]]:
        counted = {place: number for key, to, place, number in self._found.buckets if (key, to) == (of, label)}
        ends = [*map(str, self._found.bounds), "+Inf"]
        return [(end, counted.get(place, 0)) for place, end in enumerate(ends, start=1)]


def _age(seconds: float | None) -> float:
    return math.nan if seconds is None else seconds


def _gauge(name: str, text: str, value: float) -> Any:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for words, value in values:
        family.add_metric(words, value)
    return family

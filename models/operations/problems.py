"""What an operator has to look after, as sentences: what is wrong, and what comes of it."""

from collections.abc import Iterator, Sequence
from typing import Final

from models.operations.status import ApiState, DispatcherState, Failures, Ledger, SearchState

# Why a job may fail that is not the fault of its file.
OURS: Final = ("DECODER_KILLED", "TIMEOUT", "STORAGE_UNAVAILABLE", "INTERNAL")
LAG_SECONDS: Final = 10.0  # that search may be behind


def found(ledger: Ledger, down: Sequence[str]) -> list[str]:
    """What is wrong; nothing where all is well. ``down`` are the services that do not answer."""
    silent = [f"{service} does not answer" for service in down]
    if ledger.search is None:
        return [*silent, "the database cannot be asked what runs and what waits"]
    return [
        *silent,
        *_missing(ledger),
        *_gone([*ledger.dispatchers, *ledger.workers, *ledger.apis]),
        *_hindered(ledger.dispatchers),
        *(f"{one.jobs} jobs failed with {one.error_code} within the hour" for one in ledger.failures if _ours(one)),
        *(f"the last run of {task.task} failed" for task in ledger.housekeeping if task.last_status == "failed"),
        *_lag(ledger.search),
    ]


def _ours(failures: Failures) -> bool:
    return failures.error_code in OURS


def _missing(ledger: Ledger) -> Iterator[str]:
    if not any(one.state == "alive" for one in ledger.dispatchers):
        yield "no dispatcher runs: no job begins, and search stands still"
    if not any(one.state == "alive" for one in ledger.workers):
        yield "no worker runs: all jobs wait"


def _gone(running: Sequence[ApiState]) -> Iterator[str]:
    for one in running:
        if one.state == "gone":
            yield f"{one.name} ended without a word, last seen at {one.beat_at:%Y-%m-%d %H:%M:%S}Z"


def _hindered(dispatchers: Sequence[DispatcherState]) -> Iterator[str]:
    for one in dispatchers:
        for loop in one.loops:
            if loop.error and one.state == "alive":
                yield f"{one.name} cannot {loop.name} since {loop.since:%Y-%m-%d %H:%M:%S}Z: {loop.error}"


def _lag(search: SearchState) -> Iterator[str]:
    if search.lag_seconds > LAG_SECONDS:
        yield f"search is {search.lag_seconds:.0f} seconds behind; {search.pending} changes wait"

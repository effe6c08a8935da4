"""The commands ``episodes jobs …``: failed jobs and bulk operations at the terminal."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from cyclopts import App, Parameter

from models.entities import EntityType
from models.jobs.types import JobKind, Priority, Stage, Status
from ops.cli.options import AsJson, For, Limit, Until, run

jobs = App("jobs", help="Look at the pipeline's jobs; run them again, stop them, or hold back what waits.")

Pausable = Literal[Priority, Stage]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which jobs.

    Parameters
    ----------
    kind
        Only jobs that take a file in, that make its pictures again, or of housekeeping, which nothing else lists.
    status
        Only jobs that stand like this.
    stage
        Only jobs in this stage.
    error_code
        Only jobs that failed for this reason, such as CORRUPT_FILE.
    entity_type
        Only jobs for this kind of entity.
    entity_id
        Only jobs for this entity.
    batch_id
        Only jobs of this batch.
    file_name
        Only jobs whose file has this in its name.
    created_after
        Only jobs posted at this time or later, such as 2026-03-01T09:00:00Z.
    created_before
        Only jobs posted before this time.
    finished_after
        Only jobs that ended at this time or later.
    finished_before
        Only jobs that ended before this time.
    """

    kind: JobKind | None = None
    status: Status | None = None
    stage: Stage | None = None
    error_code: str | None = None
    entity_type: EntityType | None = None
    entity_id: str | None = None
    batch_id: str | None = None
    file_name: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    finished_after: str | None = None
    finished_before: str | None = None


Filtered = Annotated[Filter, Parameter(name="*")]
ALL = Filter()


@jobs.command(name="list")
def list_jobs(*, wanted: Filtered = ALL, limit: Limit = 50, json: AsJson = False) -> None:
    """List jobs, the newest first.

    Parameters
    ----------
    limit
        At most so many.
    """
    from ops.cli import jobs_actions

    run(jobs_actions.list_jobs(asdict(wanted), limit, as_json=json))


@jobs.command
def stats(*, wanted: Filtered = ALL, json: AsJson = False) -> None:
    """Count jobs, and those that failed by reason, stage, kind of entity, batch and hour."""
    from ops.cli import jobs_actions

    run(jobs_actions.stats(asdict(wanted), as_json=json))


@jobs.command
def show(job_id: str, /, *, json: AsJson = False) -> None:
    """Show one job with its stages and every attempt at them."""
    from ops.cli import jobs_actions

    run(jobs_actions.show(job_id, as_json=json))


@jobs.command
def retry(job_id: str | None = None, /, *, wanted: Filtered = ALL, json: AsJson = False) -> None:
    """Run a failed or cancelled job again, or all failed jobs that match; by a filter for admins."""
    from ops.cli import jobs_actions

    run(jobs_actions.change("retry", job_id, asdict(wanted), as_json=json))


@jobs.command
def cancel(job_id: str | None = None, /, *, wanted: Filtered = ALL, json: AsJson = False) -> None:
    """Stop a job that is queued or running, or all of them that match; by a filter for admins."""
    from ops.cli import jobs_actions

    run(jobs_actions.change("cancel", job_id, asdict(wanted), as_json=json))


@jobs.command
def reprocess(
    *,
    entity_type: EntityType | None = None,
    entity_id: str | None = None,
    rendered_before: str | None = None,
    json: AsJson = False,
) -> None:
    """Make all thumbnails again, or those that match; for admins. Stop it with jobs cancel --batch-id.

    It goes on behind all other work, and what is waiting for it already is not asked for twice.

    Parameters
    ----------
    entity_type
        Only those of this kind of entity.
    entity_id
        Only those of this entity.
    rendered_before
        Only those that are older than this, such as 2026-03-01T09:00:00Z.
    """
    from ops.cli import jobs_actions

    wanted = {"entity_type": entity_type, "entity_id": entity_id, "rendered_before": rendered_before}
    run(jobs_actions.reprocess(wanted, as_json=json))


@jobs.command
def pause(name: Pausable, /, *, reason: str, until: Until = None, span: For = None, json: AsJson = False) -> None:
    """Begin no more work of a priority or in a stage; for admins. What runs ends, what waits stays queued.

    Parameters
    ----------
    name
        The priority or the stage.
    reason
        Why, for those who wonder.
    """
    from ops.cli import durations, jobs_actions

    run(jobs_actions.pause(name, reason, durations.end(until, span), as_json=json))


@jobs.command
def resume(name: Pausable, /, *, json: AsJson = False) -> None:
    """Go on with a priority or a stage; for admins."""
    from ops.cli import jobs_actions

    run(jobs_actions.resume(name, as_json=json))


@jobs.command
def pauses(*, json: AsJson = False) -> None:
    """List what is paused, by whom, why and until when."""
    from ops.cli import jobs_actions

    run(jobs_actions.list_pauses(as_json=json))


@jobs.command
def priorities(*, json: AsJson = False) -> None:
    """List the priorities: what runs and waits in each, its bound and its pause; for admins."""
    from ops.cli import jobs_actions

    run(jobs_actions.list_priorities(as_json=json))


@jobs.command
def limit(priority: Priority, concurrency: int | None = None, /, *, json: AsJson = False) -> None:
    """Bound how many jobs of a priority run at once, or free it; for admins. What runs goes on.

    Parameters
    ----------
    concurrency
        At most so many; without it, as many as the workers can.
    """
    from ops.cli import jobs_actions

    run(jobs_actions.limit(priority, concurrency, as_json=json))

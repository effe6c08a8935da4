"""The commands ``episodes housekeeping …`` and ``episodes integrity``."""

from cyclopts import App

from models.housekeeping import TaskName
from ops.cli.options import AsJson, For, Limit, Until, run

housekeeping = App("housekeeping", help="See what is tidied up when; run a task now, or hold it back. For admins.")


@housekeeping.command(name="list")
def list_tasks(*, json: AsJson = False) -> None:
    """List the tasks, when each runs next, and what its last run did."""
    from ops.cli import housekeeping_actions

    run(housekeeping_actions.list_tasks(as_json=json))


@housekeeping.command(name="run")
def run_task(task: TaskName, /, *, detach: bool = False, json: AsJson = False) -> int:
    """Run a task now and wait for the end: exit 1 if it failed.

    Parameters
    ----------
    detach
        Do not wait for the end.
    """
    from ops.cli import housekeeping_actions

    return run(housekeeping_actions.run_task(task, detach=detach, as_json=json))


@housekeeping.command
def pause(task: TaskName, /, *, reason: str, until: Until = None, span: For = None, json: AsJson = False) -> None:
    """Begin no more runs of a task for a while.

    Parameters
    ----------
    reason
        Why, for those who wonder.
    """
    from ops.cli import durations, housekeeping_actions

    run(housekeeping_actions.pause(task, reason, durations.end(until, span), as_json=json))


@housekeeping.command
def resume(task: TaskName, /, *, json: AsJson = False) -> None:
    """Let a task go on as it is scheduled."""
    from ops.cli import housekeeping_actions

    run(housekeeping_actions.resume(task, as_json=json))


@housekeeping.command
def orphans(*, limit: Limit = 100, json: AsJson = False) -> None:
    """List objects in the storage that nothing refers to.

    Parameters
    ----------
    limit
        At most so many, up to 1,000.
    """
    from ops.cli import housekeeping_actions

    run(housekeeping_actions.list_orphans(limit, as_json=json))


def integrity(*, limit: Limit = 50, json: AsJson = False) -> int:
    """Tell whether all stored files are what they were, and which are not: exit 1 if there are some. For admins.

    Parameters
    ----------
    limit
        List at most so many.
    """
    from ops.cli import housekeeping_actions

    return run(housekeeping_actions.integrity(limit, as_json=json))

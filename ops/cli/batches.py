"""The commands ``episodes batches …``: files that were sent together."""

from cyclopts import App

from ops.cli.options import AsJson, Limit, run

batches = App("batches", help="Look at files that were sent together; stop them, or start again what failed.")


@batches.command(name="list")
def list_batches(
    *,
    name: str | None = None,
    created_by: str | None = None,
    finished: bool | None = None,
    limit: Limit = 20,
    json: AsJson = False,
) -> None:
    """List batches, the newest first.

    Parameters
    ----------
    name
        Only batches with this in their name.
    created_by
        Only batches that this person opened.
    finished
        Only batches that are over.
    limit
        At most so many.
    """
    from ops.cli import batches_actions

    filters = {"name": name, "created_by": created_by, "finished": "true" if finished else None}
    run(batches_actions.list_batches(filters, limit, as_json=json))


@batches.command
def show(batch_id: str, /, *, json: AsJson = False) -> None:
    """Show how a batch stands, and what to do about what failed."""
    from ops.cli import batches_actions

    run(batches_actions.show(batch_id, as_json=json))


@batches.command
def watch(batch_id: str, /, *, json: AsJson = False) -> int:
    """Wait until a batch is over: exit 0 if all of it succeeded, else 1."""
    from ops.cli import batches_actions

    return run(batches_actions.watch(batch_id, as_json=json))


@batches.command
def cancel(batch_id: str, /, *, json: AsJson = False) -> None:
    """Stop what of a batch is queued or running; it takes no more files then."""
    from ops.cli import batches_actions

    run(batches_actions.change("cancel", batch_id, as_json=json))


@batches.command
def retry(batch_id: str, /, *, json: AsJson = False) -> None:
    """Start again what of a batch failed, or what was cancelled with it."""
    from ops.cli import batches_actions

    run(batches_actions.change("retry", batch_id, as_json=json))


@batches.command
def close(batch_id: str, /, *, json: AsJson = False) -> None:
    """Let a batch take no more files, so that it ends when its last one has."""
    from ops.cli import batches_actions

    run(batches_actions.change("close", batch_id, as_json=json))

"""The commands ``episodes webhooks …``: who is told of what, and what came of it."""

from typing import Annotated

from cyclopts import App, Parameter

from models.entities import EntityName
from ops.cli.options import AsJson, Limit, run

webhooks = App("webhooks", help="Be told of what happens: make webhooks, test them, see each delivery and repeat it.")
Event = Annotated[list[str], Parameter("--event", help="Such as job.failed, batch.ended or entity.*; several times.")]


@webhooks.command(name="list")
def list_webhooks(*, limit: Limit = 50, json: AsJson = False) -> None:
    """List your webhooks, or all of them where you are an admin."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.list_webhooks(limit, as_json=json))


@webhooks.command
def add(
    url: str,
    /,
    *,
    event: Event,
    entity_type: EntityName | None = None,
    show_id: str | None = None,
    json: AsJson = False,
) -> None:
    """Make a webhook, and print its secret this once.

    Parameters
    ----------
    entity_type
        Only of this kind of thing.
    show_id
        Only of this show and what belongs to it.
    """
    from ops.cli import webhooks_actions

    filters = {"entity_type": entity_type, "show_id": show_id}
    run(webhooks_actions.add(url, event, filters, as_json=json))


@webhooks.command
def show(webhook_id: str, /, *, json: AsJson = False) -> None:
    """Show a webhook: what it is told of, and whether that arrives."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.show(webhook_id, as_json=json))


@webhooks.command(name="test")
def send_test(webhook_id: str, /, *, json: AsJson = False) -> int:
    """Send a test delivery and wait for what comes of it: exit 1 if it did not arrive."""
    from ops.cli import webhooks_actions

    return run(webhooks_actions.send_test(webhook_id, as_json=json))


@webhooks.command
def deliveries(webhook_id: str, /, *, limit: Limit = 20, json: AsJson = False) -> None:
    """List deliveries, the newest first, with what the receiver said last."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.deliveries(webhook_id, limit, as_json=json))


@webhooks.command
def retry(webhook_id: str, delivery_id: str, /, *, json: AsJson = False) -> None:
    """Deliver once more what arrived or was given up."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.retry(webhook_id, delivery_id, as_json=json))


@webhooks.command
def enable(webhook_id: str, /, *, json: AsJson = False) -> None:
    """Let a webhook that was switched off be told again."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.enable(webhook_id, as_json=json))


@webhooks.command
def remove(webhook_id: str, /) -> None:
    """Remove a webhook with its deliveries."""
    from ops.cli import webhooks_actions

    run(webhooks_actions.remove(webhook_id))

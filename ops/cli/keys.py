"""The commands ``episodes keys …``: API keys for machines."""

from cyclopts import App

from models.roles import Role
from ops.cli.options import AsJson, For, Limit, Until, run

keys = App("keys", help="Keys for machines, which stand wherever a token does. For admins.")


@keys.command(name="list")
def list_keys(*, limit: Limit = 50, json: AsJson = False) -> None:
    """List keys, the newest first: what each may do, until when, and when it was last sent."""
    from ops.cli import keys_actions

    run(keys_actions.list_keys(limit, as_json=json))


@keys.command
def add(
    name: str,
    /,
    *,
    role: Role,
    until: Until = None,
    span: For = None,
    network: str | None = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it, this once; it is good for a year if nothing is said.

    Parameters
    ----------
    name
        What it is for.
    role
        What it may do.
    network
        The network that it is good in, such as 10.1.0.0/16.
    """
    from ops.cli import durations, keys_actions

    run(keys_actions.add(name, role, durations.end(until, span), network, as_json=json))


@keys.command
def revoke(key_id: str, /) -> None:
    """Take a key back: within a second it opens nothing."""
    from ops.cli import keys_actions

    run(keys_actions.revoke(key_id))

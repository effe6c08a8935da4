"""What the commands ``episodes keys …`` do with the server, and how they show it."""

from typing import Final

from models.roles import Role
from ops.cli.actions import Row, first
from ops.cli.sign_in import connected
from ops.ingest import output

KEYS: Final = "/api/v1/api-keys"
SHOWN: Final = ("key_id", "name", "role", "network", "expires_at", "last_used_at", "revoked_at")


async def list_keys(limit: int, *, as_json: bool) -> None:
    """Print the newest keys."""
    async with connected("admin") as client:
        rows, total = await first(client, KEYS, limit, {})
    if as_json:
        print(output.dump(rows))
        return
    names = ("key", "name", "role", "network", "good until", "last used", "revoked")
    output.console().print(output.rows(names, [[row[name] for name in SHOWN] for row in rows]))
    output.console().print(f"{len(rows)} of {total} keys")


async def add(name: str, role: Role, expires_at: str | None, network: str | None, *, as_json: bool) -> None:
    """Make one and print it: as a line alone, so that a script can keep it, or all of it as JSON."""
    said: Row = {"expires_at": expires_at, "network": network}
    fields = {"name": name, "role": role} | {key: value for key, value in said.items() if value is not None}
    async with connected("admin") as client:
        made = (await client.post(KEYS, Row, fields)).data
    print(output.dump(made) if as_json else made["key"])


async def revoke(key_id: str) -> None:
    """Take it back."""
    async with connected("admin") as client:
        await client.delete(f"{KEYS}/{key_id}")

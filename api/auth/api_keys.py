"""Verifying keys for machines: each is looked up, and what was found is good for less than a second.

So a key that is revoked is refused within a second by every process, with no message between them, and one that is used
a thousand times a second costs the database one question.
"""

import time
from typing import Final

from api.auth.caller import Caller
from models.access import keys
from models.access.keys import Grant
from models.db.connection import Pool, borrow
from models.errors import Unauthorized

GOOD_SECONDS: Final = 0.8
REMEMBERED: Final = 1024


class ApiKeys:
    """The keys that this process has seen lately."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen: dict[str, tuple[Caller, float]] = {}

    def known(self, key: str) -> Caller | None:
        """Whose key this is, if it was looked up within the last moment."""
        caller, until = self._seen.get(key) or (None, 0.0)
        fresh = caller is not None and time.monotonic() < until and time.time() < caller.expires_at
        return caller if fresh else None

    async def caller(self, key: str) -> Caller:
        """Whose key this is.

        Raises:
            Unauthorized: saying why it opens nothing.
        """
        if known := self.known(key):
            return known
        until = time.monotonic() + GOOD_SECONDS  # from before the question: what it finds may change meanwhile
        async with borrow(self._pool) as connection:
            caller = _caller(await keys.grant(connection, key))
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = caller, until
        return caller


def _caller(grant: Grant | None) -> Caller:
    if grant is None:
        raise Unauthorized("there is no such api key")
    if grant.revoked:
        raise Unauthorized(f"the api key {grant.name} was revoked")
    if grant.expires_at <= time.time():
        raise Unauthorized(f"the api key {grant.name} has expired")
    return Caller(keys.SUBJECT + grant.name, grant.role, grant.expires_at, grant.network)

"""How many rows match, counted again only when something has changed.

A snapshot of PostgreSQL names the transactions that a query sees, and the same snapshot sees the same rows. So a count
is true for as long as no transaction has changed anything, whichever process it was of.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from models import database
from models.database import Connection
from models.paging import COUNT_LIMIT

REMEMBERED: Final = 1024
CAPPED_SECONDS: Final = 60.0  # for so long there are still more than the limit; nobody is told how many more


class _Count(msgspec.Struct):
    snapshot: str
    total: int
    counted_at: float = msgspec.field(default_factory=time.monotonic)

    @property
    def capped(self) -> bool:
        return self.total > COUNT_LIMIT and time.monotonic() < self.counted_at + CAPPED_SECONDS


class Totals:
    """The last counts, by what was counted."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Count] = OrderedDict()

    async def count(self, connection: Connection, name: str, query: bytes, params: Mapping[str, Any]) -> int:
        """What ``name`` is the name of: ``query`` gives the snapshot, and ``%(total)s`` where it is ``%(snapshot)s``.

        Not for a transaction that has written: its rows are in no snapshot but its own.
        """
        known = self._known.get(name) or _Count("", 0)
        if known.capped:
            return known.total
        found = await database.row(
            connection, _Count, query, {**params, "snapshot": known.snapshot, "total": known.total}
        )
        assert found is not None  # noqa: S101  (a count has its row)
        self._keep(name, found)
        return found.total

    def _keep(self, name: str, count: _Count) -> None:
        self._known[name] = count
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

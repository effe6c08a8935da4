"""How many rows match, counted again only when something has changed.

A snapshot of PostgreSQL names the transactions that a query sees; two queries with the same snapshot see the same rows.
So a kept count is right while the snapshot is the same, whichever process counted.
"""

import time
from collections import OrderedDict
from typing import Final

import msgspec

from models.db.paging import COUNT_LIMIT

REMEMBERED: Final = 1024
SNAPSHOT: Final = "select concat(current_database(), ' ', pg_current_snapshot())"
CAPPED_SECONDS: Final = 60.0  # for so long there are still more than the limit; nobody is told how many more


class SnapshotCount(msgspec.Struct):
    """A total, and the snapshot it was counted in."""

    snapshot: str = ""
    total: int = 0
    counted_at: float = msgspec.field(default_factory=time.monotonic)

    @property
    def capped(self) -> bool:
        """Whether it was above the largest total that a list shows, a few seconds ago."""
        return self.total > COUNT_LIMIT and time.monotonic() < self.counted_at + CAPPED_SECONDS

    def params(self) -> dict[str, str | int | bool]:
        """What a query needs to know of it, so as not to count again."""
        return {"snapshot": self.snapshot, "total": self.total, "capped": self.capped}


class Totals:
    """The last counts, by what was counted."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, SnapshotCount] = OrderedDict()

    def last(self, name: str) -> SnapshotCount:
        """The last count of what ``name`` is the name of."""
        return self._known.get(name) or SnapshotCount()

    def keep(self, name: str, count: SnapshotCount) -> None:
        """Remember a count, but not that of a transaction that has written: its rows are in no snapshot but its own."""
        self._known[name] = count
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

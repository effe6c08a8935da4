"""The bounds of a JSON document, measured on its bytes: nothing is built of what is too large to be kept.

The database holds what is written to the same bounds.
"""

from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

LONGEST: Final = 64 * 1024  # bytes, without spaces between values
MOST_KEYS: Final = 1000  # of all its objects
MOST_LEVELS: Final = 32

_STEPS: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_STEPS))


class Extent(NamedTuple):
    """How much there is in a JSON text."""

    keys: int
    values: int  # that stand behind another
    containers: int
    outside: bytes  # of strings

    @property
    def levels(self) -> int:
        """How deep objects and arrays lie in each other."""
        brackets = self.outside.translate(None, _NO_BRACKETS)
        return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def strings(raw: bytes) -> int:
    """At least half of the strings in a JSON text, and no more than there are."""
    return (raw.count(b'"') - raw.count(b'\\"')) // 2


def extent(raw: bytes) -> Extent:
    """What a JSON text holds; as fast as memory, where it has few strings."""
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    outside = b"".join(plain.split(b'"')[::2])
    return Extent(outside.count(b":"), outside.count(b","), outside.count(b"{") + outside.count(b"["), outside)


def surely_fit(raw: bytes) -> bool:
    """Whether no document in a JSON text can be beyond a bound, at a glance."""
    few = raw.count(b"{") + raw.count(b"[") <= MOST_LEVELS
    return few and len(raw) <= LONGEST and raw.count(b":") <= MOST_KEYS


def beyond(raw: bytes) -> str | None:
    """Which bound a document in valid JSON is beyond, in words."""
    if len(raw) > LONGEST and (size := len(msgspec.json.format(raw, indent=-1))) > LONGEST:
        return f"this may have {LONGEST:,} bytes as JSON, and has {size:,}"
    found = extent(raw)
    if found.keys > MOST_KEYS:
        return f"this may have {MOST_KEYS:,} keys in all, and has {found.keys:,}"
    if found.levels > MOST_LEVELS:
        return f"this may have {MOST_LEVELS} levels, and has {found.levels}"
    return None

"""What a soak sends: pictures, a fifth of them seen before, a twentieth hostile in one of five ways."""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from msgspec import Struct

from tests import media

PICTURES: Final = [media.jpeg(size) for size in ((320, 180), (180, 320), (640, 360))]
SEEN: Final = frozenset({"stored", "duplicate"})  # whichever of two is first
DUPLICATES: Final = 5  # one in so many
HOSTILE: Final = 20
FIRST_ALONE: Final = 10  # before that many there is nothing to repeat


class File(Struct):
    """Bytes, how their job may end, and what else its sender says; ``data`` is None where the object is missing."""

    data: bytes | None
    ends: frozenset[str]
    more: dict[str, Any] = {}


def files(rng: Random, count: int) -> Iterator[File]:
    """So many, one after the other."""
    seen: list[bytes] = []
    for number in range(count):
        if number % HOSTILE == HOSTILE - 1:
            yield _hostile(rng, number // HOSTILE)
        elif number % DUPLICATES == DUPLICATES - 1 and number > FIRST_ALONE:
            yield File(rng.choice(seen), SEEN)
        else:
            seen.append(_new(rng))
            yield File(seen[-1], SEEN)


def _new(rng: Random) -> bytes:
    """The same picture with other bytes: what follows the end of a JPEG does not count."""
    return rng.choice(PICTURES) + rng.randbytes(16)


def _hostile(rng: Random, number: int) -> File:
    whole = _new(rng)
    kinds = (
        File(b"", frozenset({"EMPTY_FILE"})),
        File(whole[: len(whole) // 2] + rng.randbytes(16), frozenset({"CORRUPT_FILE"})),
        File(b"MZ" + rng.randbytes(500), frozenset({"UNSUPPORTED_MEDIA_TYPE"})),
        File(None, frozenset({"SOURCE_MISSING"})),
        File(whole, frozenset({"HASH_MISMATCH"}), {"sha256": "0" * 64}),
    )
    return kinds[number % len(kinds)]

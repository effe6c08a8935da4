"""What a soak sends: pictures, a fifth of them seen before, a twentieth hostile in one of nine ways."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final
from uuid import uuid4

from msgspec import Struct, field

from tests import media
from tests.chaos.poisoned_decoder import POISON
from tests.work import sha256

PICTURES: Final = [media.jpeg(size) for size in ((320, 180), (180, 320), (640, 360))]
SEEN: Final = frozenset({"stored", "duplicate"})  # whichever of two is first
DUPLICATES: Final = 5  # one in so many
HOSTILE: Final = 20
FIRST_ALONE: Final = 10  # before that many there is nothing to repeat
START: Final = 2  # bytes of a JPEG before its first segment


class File(Struct):
    """Bytes, how their job may end, what else its sender says, and where it is put.

    ``data`` is None where the object is missing.
    """

    data: bytes | None
    ends: frozenset[str]
    more: dict[str, Any] = {}
    key: str = field(default_factory=lambda: f"clip/{uuid4()}-soak.jpg")


def files(rng: Random, count: int) -> Iterator[File]:
    """So many, one after the other."""
    seen: list[bytes] = []
    for number in range(count):
        if number % HOSTILE == HOSTILE - 1:
            yield _hostile(rng, number // HOSTILE)
        elif number % DUPLICATES == DUPLICATES - 1 and number > FIRST_ALONE:
            yield _good(rng.choice(seen))
        else:
            seen.append(_new(rng))
            yield _good(seen[-1])


def _good(data: bytes) -> File:
    """Announced, so that wrong bytes are told from the first read on."""
    return File(data, SEEN, {"sha256": sha256(data)})


def _new(rng: Random) -> bytes:
    """The same picture with other bytes: what follows the end of a JPEG does not count."""
    return rng.choice(PICTURES) + rng.randbytes(16)


def _torn(rng: Random) -> bytes:
    """The first half of a picture, with other bytes in a comment before it: no tail that could complete it."""
    whole = rng.choice(PICTURES)
    note = b"\xff\xfe\x00\x12" + rng.randbytes(16)
    return whole[:START] + note + whole[START : len(whole) // 2]


def _said(data: bytes | None, code: str, **more: str) -> File:
    return File(data, frozenset({code}), more)


KINDS: Final[tuple[Callable[[Random], File], ...]] = (
    lambda _: _said(b"", "EMPTY_FILE"),
    lambda rng: _said(_torn(rng), "CORRUPT_FILE"),
    lambda rng: _said(b"MZ" + rng.randbytes(500), "UNSUPPORTED_MEDIA_TYPE"),
    lambda _: _said(None, "SOURCE_MISSING"),
    lambda rng: _said(_new(rng), "HASH_MISMATCH", sha256="0" * 64),
    lambda rng: _said(_new(rng) + POISON, "DECODER_KILLED"),
    lambda _: _said(media.HOSTILE["bomb.png"](), "FILE_TOO_LARGE"),
    lambda _: _said(media.HOSTILE["text-bomb.png"](), "CORRUPT_FILE"),
    lambda _: _said(media.HOSTILE["huge.jpg"](), "FILE_TOO_LARGE"),
)


def _hostile(rng: Random, number: int) -> File:
    return KINDS[number % len(KINDS)](rng)

"""TIFFs of every kind, written by hand: Pillow writes only what it reads."""

import struct
import zlib
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from tests.media import scene

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
SIZE: Final = (64, 36)
LETTERS: Final = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 16: "Q"}  # of a tag's type
WHOLE: Final = {8: "B", 16: "H", 32: "I"}
FRACTIONS: Final = {16: "e", 32: "f", 64: "d"}
Tag = tuple[int, Sequence[int] | bytes]


class Tiff:
    """A file that grows: data and directories in any order, the first directory named at the end."""

    def __init__(self, order: str = "<", *, big: bool = False) -> None:
        self.order, self.big = order, big
        self._data = bytearray(16)

    def put(self, data: bytes) -> int:
        """Append data: where it is."""
        at = len(self._data)
        self._data += data + bytes(len(data) % 2)
        return at

    def directory(self, tags: dict[int, Tag], following: int = 0) -> int:
        """Append a directory: where it is."""
        entries = [self._entry(tag, *tags[tag]) for tag in sorted(tags)]
        count, end = ("Q", "Q") if self.big else ("H", "I")
        return self.put(self._pack(count, len(entries)) + b"".join(entries) + self._pack(end, following))

    def done(self, first: int) -> bytes:
        """The file."""
        letters = b"II" if self.order == "<" else b"MM"
        head = self._pack("HHHQ", 43, 8, 0, first) if self.big else self._pack("HI", 42, first)
        return letters + head + bytes(self._data[len(head) + 2 :])

    def _entry(self, tag: int, kind: int, values: Sequence[int] | bytes) -> bytes:
        packed = values if isinstance(values, bytes) else self._pack(f"{len(values)}{LETTERS[kind]}", *values)
        room = 8 if self.big else 4
        field = packed if len(packed) <= room else self._pack("Q" if self.big else "I", self.put(packed))
        return self._pack("HHQ" if self.big else "HHI", tag, kind, len(values)) + field.ljust(room, b"\0")

    def _pack(self, letters: str, *values: int) -> bytes:
        return struct.pack(self.order + letters, *values)


def page(file: Tiff, size: tuple[int, int], data: bytes, **more: Tag) -> dict[int, Tag]:
    """The tags of a picture of grey bytes, and what else is said (``t254``: a tag by its number)."""
    tags: dict[int, Tag] = {256: (4, [size[0]]), 257: (4, [size[1]]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])}
    tags |= {273: (4, [file.put(data)]), 277: (3, [1]), 278: (4, [size[1]]), 279: (4, [len(data)])}
    return tags | {int(name[1:]): tag for name, tag in more.items()}


def grey(size: tuple[int, int], level: int) -> bytes:
    """The bytes of a grey picture."""
    return bytes([level]) * (size[0] * size[1])


def of_scene(
    mode: str = "RGB",
    *,
    order: str = "<",
    big: bool = False,
    bits: int = 8,
    kind: int = UNSIGNED,
    separate: bool = False,
    alpha: int = 0,
    white_is_zero: bool = False,
    differences: bool = False,
    orientation: int = 1,
) -> bytes:
    """The scene in numbers of a kind, packed by zlib; ``alpha`` is 1 or 2 where there is one."""
    image = scene(SIZE).convert(mode)
    levels = [[255 - value if white_is_zero else value for value in band.tobytes()] for band in image.split()]
    levels += [[255] * len(levels[0])] * bool(alpha)
    planes = [[level] for level in levels] if separate else [levels]
    file = Tiff(order, big=big)
    packed = [zlib.compress(_numbers(plane, order, bits, kind, differences)) for plane in planes]
    tags: dict[int, Tag] = {
        256: (4, [SIZE[0]]),
        257: (4, [SIZE[1]]),
        258: (3, [bits] * len(levels)),
        259: (3, [8]),
        262: (3, [{"L": 0 if white_is_zero else 1, "RGB": 2, "CMYK": 5}[mode]]),
        273: (4, [file.put(data) for data in packed]),
        274: (3, [orientation]),
        277: (3, [len(levels)]),
        278: (4, [SIZE[1]]),
        279: (4, [len(data) for data in packed]),
        284: (3, [2 if separate else 1]),
        317: (3, [(3 if kind == FLOAT else 2) if differences else 1]),
        339: (3, [kind] * len(levels)),
    }
    return file.done(file.directory(tags | ({338: (3, [alpha])} if alpha else {})))


def _numbers(bands: list[list[int]], order: str, bits: int, kind: int, differences: bool) -> bytes:
    letter = FRACTIONS[bits] if kind == FLOAT else WHOLE[bits].lower() if kind == SIGNED else WHOLE[bits]
    most: Any = 1.0 if kind == FLOAT else 2 ** (bits - (kind == SIGNED)) - 1
    values = [
        level * most / 255 if kind == FLOAT else level * most // 255 for level in chain(*zip(*bands, strict=True))
    ]
    width = SIZE[0] * len(bands)
    rows = [values[at : at + width] for at in range(0, len(values), width)]
    if not differences:
        return b"".join(struct.pack(f"{order}{width}{letter}", *row) for row in rows)
    return b"".join(
        _float_differences(row, letter, bits // 8, len(bands))
        if kind == FLOAT
        else _differences(row, order, bits, len(bands))
        for row in rows
    )


def _differences(row: list[int], order: str, bits: int, step: int) -> bytes:
    before = [0] * step + row
    return struct.pack(
        f"{order}{len(row)}{WHOLE[bits]}", *((a - b) % 2**bits for a, b in zip(row, before, strict=False))
    )


def _float_differences(row: list[Any], letter: str, size: int, step: int) -> bytes:
    packed = struct.pack(f">{len(row)}{letter}", *row)
    sorted_by_weight = b"".join(packed[weight::size] for weight in range(size))
    before = bytes(step) + sorted_by_weight
    return bytes((a - b) % 256 for a, b in zip(sorted_by_weight, before, strict=False))


def with_preview(how: str) -> bytes:
    """A picture of 400×300, light, and a small dark preview that a reader meets first."""
    file = Tiff()
    full = page(file, (400, 300), grey((400, 300), 200))
    small: dict[str, Tag] = {"t254": (4, [1])} if how != "old" else {"t255": (3, [2])}
    if how == "below":
        small["t330"] = (4, [file.directory(full)])
        return file.done(file.directory(page(file, (40, 30), grey((40, 30), 20), **small)))
    return file.done(file.directory(page(file, (40, 30), grey((40, 30), 20), **small), file.directory(full)))


def raw(maker: bytes, *, order: str = "<", dng: bool = False) -> bytes:
    """A camera's raw file: a preview, and below it what the sensor saw."""
    file = Tiff(order)
    sensor = page(file, (400, 300), grey((400, 300), 90), t254=(4, [0]), t262=(3, [32803]))
    more: dict[str, Tag] = {"t254": (4, [1]), "t271": (2, maker), "t330": (4, [file.directory(sensor)])}
    more |= {"t50706": (1, [1, 4, 0, 0])} if dng else {}
    return file.done(file.directory(page(file, (40, 30), grey((40, 30), 20), **more)))


def compressed(method: int) -> bytes:
    """A TIFF that names a way of compression."""
    file = Tiff()
    return file.done(file.directory(page(file, (40, 30), bytes(200), t259=(3, [method]))))

"""Colours that a picture tells by numbers instead of a profile: a transfer function, primaries, or an exponent."""

import struct
from pathlib import Path
from typing import Final

from PIL import Image

from pipeline.media.colour.tone_mapping import Colours, code, shown

LOOKED_AT: Final = 65536  # bytes before a picture's pixels
PNG_START: Final = 8
NUMBERS: Final = b"colrnclx"  # what AVIF calls them
UNKNOWN: Final = Colours(2, 2)
USUAL_EXPONENT: Final = 1 / 2.2
ALIKE: Final = 0.02  # what an exponent may differ by, and still mean sRGB
EXPONENTS: Final = (0.2, 1.5)  # others are mistakes


def in_srgb(image: Image.Image) -> Image.Image:
    """An RGB picture whose `info` has what was told of its colours."""
    exponent = image.info.get("exponent")
    if exponent is not None:
        return image.point(_levels(exponent) * 3)
    return shown(image, image.info.get("colours", UNKNOWN))


def note_colours(image: Image.Image, path: Path) -> None:
    """Put into a picture's `info` what its file tells of its colours; of a profile, Pillow has taken care."""
    if image.format not in ("PNG", "AVIF") or "icc_profile" in image.info:
        return
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    colours = _of_png(head) if image.format == "PNG" else _of_avif(head)
    exponent = image.info.get("gamma")
    if colours is not None:
        image.info["colours"] = colours
    elif exponent is not None and "srgb" not in image.info and _matters(exponent):
        image.info["exponent"] = exponent


def _of_png(head: bytes) -> Colours | None:
    at = PNG_START
    while at + 12 <= len(head):
        length, name = struct.unpack_from(">I4s", head, at)
        if name == b"cICP":
            return Colours(transfer=head[at + 9], primaries=head[at + 8])
        at += 12 + length
    return None


def _of_avif(head: bytes) -> Colours | None:
    at = head.find(NUMBERS)
    if not 0 <= at <= len(head) - 12:
        return None
    primaries, transfer = struct.unpack_from(">HH", head, at + len(NUMBERS))
    return Colours(transfer, primaries)


def _matters(exponent: float) -> bool:
    return EXPONENTS[0] <= exponent <= EXPONENTS[1] and abs(exponent - USUAL_EXPONENT) > ALIKE


def _levels(exponent: float) -> list[int]:
    return [round(255 * code((level / 255) ** (1 / exponent))) for level in range(256)]

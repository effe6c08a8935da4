"""Colours as a picture's profile means them, told in sRGB. A profile is judged by what it does, never by its name."""

import io
from functools import lru_cache
from typing import Final

from PIL import Image, ImageChops, ImageCms

SRGB: Final = ImageCms.createProfile("sRGB")
MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
STEPS: Final = range(0, 256, 51)
KEPT: Final = 8  # transforms: most pictures of one camera carry one profile
ALIKE: Final = 2  # of 255: what two writings of sRGB differ by
LIT: Final = 128  # of 255: a profile under which paper is darker than this is broken


def managed(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB; as it is where the profile is broken, does nothing, or is of other colours."""
    mode = _mode(profile)
    if mode == "L" and image.mode == "RGB" and _grey(image):
        image = image.convert("L")
    transform = _transform(profile, mode) if mode == image.mode else None
    return transform.apply(image) if transform else image


def _grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox())


@lru_cache(KEPT)
def _mode(profile: bytes) -> str | None:
    """The mode of the pictures that a profile speaks of."""
    try:
        return MODES.get(ImageCms.getOpenProfile(io.BytesIO(profile)).profile.xcolor_space.strip())
    except (ImageCms.PyCMSError, OSError, ValueError):  # the last, where its letters are none
        return None


@lru_cache(KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns colours into sRGB, where there is anything to turn: a quick one tells, a precise one is for pixels."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        quick = ImageCms.buildTransform(opened, SRGB, mode, "RGB", flags=ImageCms.Flags.NOOPTIMIZE)
        return ImageCms.buildTransform(opened, SRGB, mode, "RGB") if _worthwhile(quick, mode) else None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _worthwhile(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform changes colours, and leaves white lighter than black."""
    before = _samples(mode)
    after = transform.apply(before)
    changed = ImageChops.difference(before.convert("RGB"), after).getextrema()
    tones = after.convert("L").tobytes()
    return tones[0] < LIT <= tones[-1] and (
        mode == "CMYK" or any(isinstance(most, tuple) and most[1] > ALIKE for most in changed)
    )


@lru_cache
def _samples(mode: str) -> Image.Image:
    """Colours from all over, black first and white last."""
    if mode == "CMYK":
        pixels = bytes((255, 255, 255, 255, 0, 0, 0, 0))
    elif mode == "L":
        pixels = bytes(STEPS)
    else:
        pixels = bytes(value for red in STEPS for green in STEPS for blue in STEPS for value in (red, green, blue))
    return Image.frombytes(mode, (len(pixels) // len(mode), 1), pixels)

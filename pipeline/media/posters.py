"""Whether a frame can stand for a clip: neither black, nor flat, nor blurred."""

from itertools import accumulate
from math import sqrt
from typing import Final

import msgspec
from PIL import Image, ImageFilter

DARK: Final = 48  # of 255: a frame whose lights are darker than this is black, or still fading in
FLAT: Final = 20  # of 255: less than this between shadows and lights is a wall, a sheet, a fade
SOFT: Final = 0.25  # edges that reach less than this share of the contrast are out of focus or in motion
BRIGHT: Final = 150  # of 255: lights, contrast and edges that leave nothing to wish for
RICH: Final = 110
CRISP: Final = 70
MOST_WORTH: Final = sqrt(RICH * CRISP)
GRAINY: Final = 12  # edges below this are noise
LAPLACE: Final = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=2, offset=128)


class Tones(msgspec.Struct, frozen=True, kw_only=True):
    """Three numbers of 0–255: how light the lights are, how far from the shadows, how steep the steepest edges."""

    lights: int
    contrast: int
    edges: int

    @property
    def good(self) -> bool:
        """Whether the frame can be shown."""
        lit = self.lights >= DARK and self.contrast >= FLAT
        return lit and self.edges >= max(GRAINY, SOFT * self.contrast)

    @property
    def fine(self) -> bool:
        """Whether a better frame would not look better."""
        return self.lights >= BRIGHT and self.contrast >= RICH and self.edges >= CRISP

    @property
    def score(self) -> float:
        """The higher the better, among frames of one scene."""
        return sqrt(self.contrast * self.edges)

    @property
    def worth(self) -> float:
        """The same among scenes: a card of black and white letters is not worth more than a face."""
        return sqrt(min(self.contrast, RICH) * min(self.edges, CRISP))


def look_at(grey: Image.Image) -> Tones:
    """Judge a small grey picture, best of about 640 pixels width: smaller ones hide a blur."""
    tones = grey.histogram()
    shadows, lights = _level(tones, 0.05), _level(tones, 0.95)
    return Tones(lights=lights, contrast=lights - shadows, edges=_steepest(grey))


def _steepest(grey: Image.Image) -> int:
    """How strong the strongest half percent of edges is: a sharp subject counts, however soft what is behind it."""
    inner = grey.filter(LAPLACE).crop((1, 1, max(2, grey.width - 1), max(2, grey.height - 1)))
    slopes = inner.histogram()
    strengths = [slopes[128]] + [slopes[128 + step] + slopes[128 - step] for step in range(1, 128)]
    return 2 * _level(strengths, 0.995)


def _level(histogram: list[int], share: float) -> int:
    """The level that ``share`` of the pixels does not exceed."""
    wanted = share * sum(histogram)
    return next(level for level, seen in enumerate(accumulate(histogram)) if seen >= wanted)

"""Colours of films as a screen of sRGB shows them: HDR comes down to SDR, wide gamuts come in.

A table of 33³ colours, computed once for each way of writing them, stands for the formulas; Pillow looks up between
its entries. A clip in the usual colours passes by all this.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from math import exp
from typing import Final

import av
import msgspec
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc
from PIL import Image, ImageFilter

Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]

REFERENCE_WHITE: Final = 203.0  # nits of a white sheet of paper in HDR (BT.2408): white in SDR
HLG_PEAK: Final = 1000.0  # nits of the screen that HLG is graded on
PQ_PEAK: Final = 10_000.0
HD_LINES: Final = 720  # from here on, a clip that tells no matrix means BT.709
SRGB_LINE: Final = 0.0031308  # light up to which sRGB is a straight line
HLG_SQUARE: Final = 0.5  # code up to which HLG is a square
GRID: Final = 33
LEVELS: Final = 256
# How bright the brightest part of a picture is, in whites; a table is made for the next of these.
PEAKS: Final = (1.25, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
KNEE: Final = 0.6  # of white: what is darker stays as it is, what is brighter than white finds room above
HIGHLIGHTS: Final = 0.005  # of all pixels: brighter ones are glints, which may be cut off

FROM_BT2020: Final[Matrix] = (
    (1.660491, -0.587641, -0.072850),
    (-0.124550, 1.132900, -0.008349),
    (-0.018151, -0.100579, 1.118730),
)
FROM_P3: Final[Matrix] = (
    (1.224940, -0.224940, 0.0),
    (-0.042057, 1.042057, 0.0),
    (-0.019638, -0.078636, 1.098274),
)
AS_THEY_ARE: Final[Matrix] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
GAMUTS: Final[dict[int, Matrix]] = {
    ColorPrimaries.BT2020.value: FROM_BT2020,
    ColorPrimaries.SMPTE431.value: FROM_P3,
    ColorPrimaries.SMPTE432.value: FROM_P3,
}


class Colours(msgspec.Struct, frozen=True):
    """How a frame's colours are written: by which transfer function, for which primaries."""

    transfer: int
    primaries: int

    @property
    def usual(self) -> bool:
        """Whether they can be shown as they are."""
        return not self.hdr and self.primaries not in GAMUTS

    @property
    def hdr(self) -> bool:
        """Whether light is written beyond white."""
        return self.transfer in HDR


def colours_of(frame: av.VideoFrame) -> Colours:
    """What a frame says of itself; HDR that names no primaries has those of BT.2020."""
    transfer, primaries = frame.color_trc, frame.color_primaries
    if transfer in HDR and primaries == ColorPrimaries.UNSPECIFIED:
        primaries = ColorPrimaries.BT2020.value
    return Colours(transfer, primaries)


def matrix_of(frame: av.VideoFrame) -> int:
    """The matrix between a frame's YCbCr and RGB. One not told, or strange, follows from the primaries or the size."""
    if frame.colorspace in MATRICES:
        return frame.colorspace
    if colours_of(frame).primaries == ColorPrimaries.BT2020:
        return Colorspace.BT2020
    return Colorspace.ITU709 if min(frame.width, frame.height) >= HD_LINES else Colorspace.ITU601


def shown(image: Image.Image, colours: Colours) -> Image.Image:
    """An RGB picture in sRGB."""
    if colours.usual:
        return image
    peak = max(_peak(channel.histogram(), colours) for channel in image.split())
    return image.filter(_table(colours, peak))


def shown_grey(image: Image.Image, colours: Colours) -> Image.Image:
    """The same of a grey picture, to judge it by."""
    if not colours.hdr:
        return image
    return image.point(_greys(colours, _peak(image.histogram(), colours)))


def _pq(code: float) -> float:
    """Light of a PQ code (SMPTE ST 2084), in whites."""
    root = code ** (1 / 78.84375)
    light = max(0.0, root - 0.8359375) / (18.8515625 - 18.6875 * root)
    return float(light ** (1 / 0.1593017578125)) * PQ_PEAK / REFERENCE_WHITE


def _hlg(code: float) -> float:
    """Light of an HLG code (BT.2100), in whites. The screen's gamma works on each channel, as SDR screens do it."""
    scene = code * code / 3 if code <= HLG_SQUARE else (exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return float(scene**1.2) * HLG_PEAK / REFERENCE_WHITE


def _srgb(code: float) -> float:
    return code / 12.92 if code <= SRGB_LINE * 12.92 else float(((code + 0.055) / 1.055) ** 2.4)


def code(light: float) -> float:
    """What sRGB writes for some light, both 0 to 1."""
    if light <= SRGB_LINE:
        return max(0.0, 12.92 * light)
    return float(1.055 * min(1.0, light) ** (1 / 2.4) - 0.055)


HDR: Final[dict[int, Callable[[float], float]]] = {
    ColorTrc.SMPTE2084.value: _pq,
    ColorTrc.ARIB_STD_B67.value: _hlg,
}
MATRICES: Final = frozenset({1, 4, 5, 6, 7, 9})  # BT.709, FCC, BT.601 of two lands, SMPTE 240M, BT.2020


def _peak(histogram: Sequence[int], colours: Colours) -> float:
    """The brightest light that counts, in whites, rounded up to the next that has a table."""
    if not colours.hdr:
        return PEAKS[0]
    left, level = HIGHLIGHTS * sum(histogram), LEVELS - 1
    while level and (left := left - histogram[level]) >= 0:
        level -= 1
    light = HDR[colours.transfer](level / (LEVELS - 1))
    return next((peak for peak in PEAKS if light <= peak), PEAKS[-1])


def _dimmed(light: float, peak: float) -> float:
    """Light up to ``peak`` brought below white: a straight line up to the knee, from there a curve that never bends."""
    if light <= KNEE or peak <= PEAKS[0]:
        return light
    slope = (peak - KNEE) / (1 - KNEE)
    share = (light - KNEE) / (peak - KNEE)
    return KNEE + (1 - KNEE) * slope * share / (1 + (slope - 1) * share)


@cache
def _greys(colours: Colours, peak: float) -> list[int]:
    light = HDR[colours.transfer]
    return [round(255 * code(_dimmed(light(level / (LEVELS - 1)), peak))) for level in range(LEVELS)]


@cache
def _table(colours: Colours, peak: float) -> ImageFilter.Color3DLUT:
    light = HDR.get(colours.transfer, _srgb)
    lights = [light(step / (GRID - 1)) for step in range(GRID)]
    red, green, blue = (_shares(row, lights) for row in GAMUTS.get(colours.primaries, AS_THEY_ARE))
    table: list[float] = []
    for b, g, r in product(range(GRID), repeat=3):  # red runs fastest
        table += _toned(_sum(red, r, g, b), _sum(green, r, g, b), _sum(blue, r, g, b), peak)
    return ImageFilter.Color3DLUT(GRID, table)


def _sum(shares: list[list[float]], red: int, green: int, blue: int) -> float:
    return shares[0][red] + shares[1][green] + shares[2][blue]


def _shares(row: Row, lights: list[float]) -> list[list[float]]:
    """What each step of each channel adds to one channel of the screen."""
    return [[share * light for light in lights] for share in row]


def _toned(red: float, green: float, blue: float, peak: float) -> tuple[float, float, float]:
    """A colour as codes, dimmed by its brightest channel so that its hue stays."""
    brightest = max(red, green, blue)
    dim = _dimmed(brightest, peak) / brightest if brightest > KNEE else 1.0
    return code(red * dim), code(green * dim), code(blue * dim)

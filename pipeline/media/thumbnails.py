"""Three JPEGs of one picture: one decode, scaled as it is read, then each size from the one before."""

from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from pipeline.media.colour.primaries import in_srgb, note_colours
from pipeline.media.colour.profiles import managed
from pipeline.media.image_formats.orientation import SIDEWAYS
from pipeline.media.images import open_image, turn
from pipeline.media.protocol import RenderedThumbnail, SizeVariant

Size = tuple[int, int]

VARIANTS: Final[tuple[tuple[SizeVariant, Size], ...]] = (
    ("primary", (1280, 720)),
    ("medium", (640, 360)),
    ("small", (320, 180)),
)
PRIMARY: Final[Size] = VARIANTS[0][1]
QUALITY: Final = 85
LIGHT: Final = 200  # of 255: a drawing lighter than this would vanish on white
WHITE: Final = (255, 255, 255)
CHARCOAL: Final = (52, 52, 56)


def thumbnails(source: Path, folder: Path) -> list[RenderedThumbnail]:
    """Write ``primary.jpg``, ``medium.jpg`` and ``small.jpg`` of a picture into a folder that exists.

    They are upright, cropped to 16:9 around the centre, sRGB, and carry nothing of the original's metadata.

    Raises:
        Rejected: CORRUPT_FILE, or FILE_TOO_LARGE over 120 megapixels.
    """
    image, way = _read(source)
    size = PRIMARY[::-1] if way in SIDEWAYS else PRIMARY
    covered = cover(_plain_mode(image), size)
    return write_thumbnails(covered if way is None else covered.transpose(way), folder)


def write_thumbnails(image: Image.Image, folder: Path) -> list[RenderedThumbnail]:
    """Write the three sizes of an upright picture; ``image`` may have any size and mode."""
    picture = _srgb(cover(image, PRIMARY))
    written = []
    for variant, size in VARIANTS:
        picture = picture.reduce(picture.width // size[0])  # each half of the last: the mean of four pixels
        written.append(_write(picture, variant, folder))
    return written


def cover(image: Image.Image, size: Size) -> Image.Image:
    """Scale and crop around the centre, in one step, so that ``size`` is filled."""
    if image.size == size:
        return image
    box = crop(image.size, size)
    # Hamming costs half of bicubic, and looks the same at the factors between one and two that a draft leaves.
    shrinks = box[2] - box[0] > size[0]
    kernel = Image.Resampling.HAMMING if shrinks else Image.Resampling.BICUBIC
    return image.resize(size, kernel, box=box, reducing_gap=2.0)


def crop(have: Size, want: Size) -> tuple[int, int, int, int]:
    """What of ``have`` has the shape of ``want``, in whole pixels: never a hair outside the picture."""
    width = min(have[0], max(1, round(have[1] * want[0] / want[1])))
    height = min(have[1], max(1, round(have[0] * want[1] / want[0])))
    left, top = (have[0] - width) // 2, (have[1] - height) // 2
    return left, top, left + width, top + height


def _read(source: Path) -> tuple[Image.Image, Image.Transpose | None]:
    """Decode a picture at about the size we need, and how it must be turned: only what is left of it will be."""
    with open_image(source) as image:
        way = turn(image)
        image.draft(None, PRIMARY[::-1] if way in SIDEWAYS else PRIMARY)
        image.load()
        note_colours(image, source)
        return image, way


def _plain_mode(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: 8 bits a channel, no palette, alpha kept."""
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        return _eight_bits(image)
    if image.mode == "La":  # alpha multiplied in already
        image = image.convert("LA")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, its own range spread over black to white when it is not the usual one."""
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else _range(image)
    scale = 255 / max(high - low, 1e-9)
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _range(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    return (low, high) if isinstance(low, float | int) and isinstance(high, float | int) else (0, 255)


def _srgb(image: Image.Image) -> Image.Image:
    flat = _flatten(image) if image.mode in ("RGBA", "LA") else image
    profile = image.info.get("icc_profile")
    picture = managed(flat, profile) if profile else flat
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    picture = picture if profile else in_srgb(picture)
    picture.info = {}  # Pillow would write a JPEG's comment again
    return picture


def _flatten(image: Image.Image) -> Image.Image:
    """See-through pictures lie on white, light ones (a white logo) on charcoal."""
    small = image.resize((64, 36))
    seen = ImageStat.Stat(small.convert("L"), small.getchannel("A").convert("1", dither=Image.Dither.NONE))
    paper = Image.new("RGB", image.size, CHARCOAL if seen.count[0] and seen.mean[0] > LIGHT else WHITE)
    paper.paste(image.convert("RGB"), mask=image.getchannel("A"))
    paper.info = image.info
    return paper


def _write(picture: Image.Image, variant: SizeVariant, folder: Path) -> RenderedThumbnail:
    path = folder / f"{variant}.jpg"
    picture.save(path, "JPEG", quality=QUALITY)
    width, height = picture.size
    return RenderedThumbnail(
        size_variant=variant, path=str(path), width=width, height=height, file_size=path.stat().st_size
    )

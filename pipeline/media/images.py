"""Opening pictures: seven formats and no others, a limit of pixels, and which way is up."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

# Four plugins that Pillow would otherwise look for by loading all of them.
from PIL import AvifImagePlugin, ExifTags, Image, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from models.errors import Rejected
from pipeline.media.decode_errors import decoding
from pipeline.media.image_formats.orientation import SIDEWAYS, UPRIGHT
from pipeline.media.image_formats.tiff import RedirectedTiff, main_directory, starts_elsewhere
from pipeline.media.image_formats.tiff_samples import SampledTiff, is_for_us
from pipeline.media.image_formats.unsupported import unreadable

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP")  # JPEG opens MPO, too
MAX_PIXELS: Final = 120_000_000  # a phone's 108 megapixels pass; decoded, this is half a gigabyte

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # as many decoders run as there are cores


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open a picture of one of the seven formats, to be read and nothing else: what is raised inside is its fault.

    Only its header is read yet; a picture that the caller has loaded is good for work after the file is closed.

    Raises:
        Rejected: CORRUPT_FILE, here or while the caller reads; UNSUPPORTED_MEDIA_TYPE, when it is of a kind that our
            decoder does not read, which is no damage; FILE_TOO_LARGE over 120 megapixels.
        Fault: INTERNAL, when the file is not there or the machine is in trouble.
    """
    with _reading(path), path.open("rb") as file, _opened(file) as image:
        yield image


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        with decoding("picture"), _bombs_are_errors():
            yield
    except Rejected as error:
        if error.code != "CORRUPT_FILE":
            raise
        raise unreadable(path) or error from error.__cause__


def _opened(file: IO[bytes]) -> Image.Image:
    """A picture; of a TIFF the one that others are smaller copies of."""
    directory = main_directory(file)
    file.seek(0)
    if directory and is_for_us(directory):
        file.seek(0)
        return _within_bounds(SampledTiff(file))
    if directory and starts_elsewhere(directory):
        return _within_bounds(RedirectedTiff(directory))
    file.seek(0)
    return Image.open(file, formats=FORMATS)


def _within_bounds(image: Image.Image) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


@contextmanager
def _bombs_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not spoil a picture
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            message = f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels, which is the most we take."
            raise Rejected("FILE_TOO_LARGE", message) from error


def turn(image: Image.Image) -> Image.Transpose | None:
    """How an opened picture must be turned to stand upright, or None."""
    if image.format == "TIFF":  # its decoder has turned it already
        return None
    if image.format == "PNG" and "exif" not in image.info:  # do not decode the picture to look behind it
        return None
    try:
        return UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF does not make a broken picture
        return None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels as a person sees them."""
    width, height = image.size
    return (height, width) if turn(image) in SIDEWAYS else (width, height)

from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from models.errors import Rejected
from pipeline.media.inspect import inspect
from pipeline.media.render import render
from tests import media, tiffs
from tests.tiffs import FLOAT, SIGNED, of_scene

KINDS = {
    "8 bits": partial(of_scene),
    "16 bits": partial(of_scene, bits=16),
    "32 bits": partial(of_scene, bits=32),
    "floats of 16 bits": partial(of_scene, bits=16, kind=FLOAT),
    "floats of 32 bits": partial(of_scene, bits=32, kind=FLOAT),
    "floats of 64 bits": partial(of_scene, bits=64, kind=FLOAT),
    "floats and alpha": partial(of_scene, bits=32, kind=FLOAT, alpha=2),
    "differences of 16 bits": partial(of_scene, bits=16, alpha=2, differences=True),
    "differences of 32 bits": partial(of_scene, bits=32, differences=True),
    "differences of floats": partial(of_scene, bits=32, kind=FLOAT, differences=True),
    "CMYK": partial(of_scene, "CMYK"),
    "CMYK and alpha": partial(of_scene, "CMYK", alpha=2),
    "CMYK of 16 bits and alpha": partial(of_scene, "CMYK", bits=16, alpha=2),
    "alpha of 16 bits": partial(of_scene, bits=16, alpha=2),
    "alpha multiplied in": partial(of_scene, bits=32, alpha=1),
    "grey and alpha": partial(of_scene, "L", alpha=2),
    "grey and alpha multiplied in": partial(of_scene, "L", alpha=1),
    "grey of 16 bits": partial(of_scene, "L", bits=16),
    "grey of 16 bits and alpha": partial(of_scene, "L", bits=16, alpha=2),
    "grey of 32 bits": partial(of_scene, "L", bits=32),
    "signed grey": partial(of_scene, "L", bits=16, kind=SIGNED),
    "grey floats": partial(of_scene, "L", bits=32, kind=FLOAT),
    "grey floats of 16 bits": partial(of_scene, "L", bits=16, kind=FLOAT),
    "white is zero": partial(of_scene, "L", white_is_zero=True),
    "white is zero in 16 bits": partial(of_scene, "L", bits=16, white_is_zero=True),
}
SPREAD = frozenset(name for name in KINDS if name.startswith(("signed", "grey floats", "grey of 32")))  # over all tones
PLANES = [name for name in KINDS if KINDS[name].keywords.get("alpha") or KINDS[name].args != ("L",)]


def shown(folder: Path, data: bytes) -> Image.Image:
    (folder / "source.tif").write_bytes(data)
    seen = inspect(folder / "source.tif")
    assert (seen.mime_type, seen.width, seen.height) == ("image/tiff", *tiffs.SIZE)
    with Image.open(render(folder / "source.tif", folder, "image")[0].path) as image:
        image.load()
        return image


def is_the_scene(image: Image.Image, name: str) -> bool:
    seen, meant = media.corners(image), list(media.CORNERS)
    if "grey" not in name and "white" not in name:
        return all(map(partial(media.near, by=12), seen, meant))
    light = [round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in meant]
    if name in SPREAD:
        return sorted(range(4), key=lambda corner: seen[corner]) == sorted(range(4), key=lambda corner: light[corner])
    return all(media.near(one, (other,) * 3, 12) for one, other in zip(seen, light, strict=True))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", True)])
def test_numbers_of_every_kind_show_the_picture_in_either_order_of_bytes(
    tmp_path: Path, name: str, order: str, big: bool
) -> None:
    assert is_the_scene(shown(tmp_path, KINDS[name](order=order, big=big)), name)


@pytest.mark.parametrize("name", PLANES)
def test_colours_in_planes_of_their_own_show_the_picture(tmp_path: Path, name: str) -> None:
    assert is_the_scene(shown(tmp_path, KINDS[name](order=">", separate=True)), name)


@pytest.mark.parametrize(("order", "big"), [("<", True), (">", False), (">", True)])
def test_a_bigtiff_of_usual_numbers_shows_the_picture(tmp_path: Path, order: str, big: bool) -> None:
    assert is_the_scene(shown(tmp_path, of_scene(order=order, big=big)), "8 bits")


@pytest.mark.parametrize(
    "data", [of_scene(bits=32, kind=FLOAT, orientation=3), of_scene(order=">", big=True, orientation=3)]
)
def test_a_tiff_of_unusual_numbers_stands_as_its_orientation_says(tmp_path: Path, data: bytes) -> None:
    image = shown(tmp_path, data)
    assert media.near(media.corners(image)[0], media.CORNERS[3])


@pytest.mark.parametrize("how", ["above", "old", "below"])
def test_a_preview_is_not_taken_for_the_picture(tmp_path: Path, how: str) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(tiffs.with_preview(how))
    seen = inspect(path)
    assert (seen.width, seen.height) == (400, 300)
    with Image.open(render(path, tmp_path, "image")[0].path) as image:
        assert media.near(media.corners(image)[0], (200, 200, 200), 4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiffs.raw(b"Test Cam\0", dng=True), "a raw camera file (DNG)"),
        (tiffs.raw(b"NIKON CORPORATION\0"), "a raw camera file (Nikon NEF)"),
        (tiffs.raw(b"SONY\0"), "a raw camera file (Sony ARW)"),
        (tiffs.raw(b"PENTAX Corporation\0", order=">"), "a raw camera file (Pentax PEF)"),
        (tiffs.raw(b"SAMSUNG\0"), "a raw camera file (Samsung SRW)"),
        (tiffs.raw(b"Somebody\0"), "a raw camera file"),
        (b"IIRO\x08\0\0\0" + bytes(64), "a raw camera file (Olympus ORF)"),
        (b"IIU\0\x18\0\0\0" + bytes(64), "a raw camera file (Panasonic RW2)"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "a raw camera file (Canon CR2)"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(64), "a raw camera file (Fujifilm RAF)"),
    ],
)
def test_a_cameras_raw_file_is_called_so(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "photo").write_bytes(data)
    with pytest.raises(Rejected) as caught:
        inspect(tmp_path / "photo", name="photo.tif")
    assert caught.value.code == "UNSUPPORTED_MEDIA_TYPE"
    assert words in caught.value.message

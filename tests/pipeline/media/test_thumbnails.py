import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from models.errors import Rejected
from models.media.types import MediaKind
from pipeline.media.render import render
from pipeline.media.thumbnails import PRIMARY, cover, crop, thumbnails
from tests import media

SIZES = {"primary": (1280, 720), "medium": (640, 360), "small": (320, 180)}


def made(folder: Path, data: bytes) -> dict[str, Image.Image]:
    """The three thumbnails of a picture, opened."""
    source = folder / "source"
    source.write_bytes(data)
    return {thumbnail.size_variant: opened(Path(thumbnail.path)) for thumbnail in thumbnails(source, folder)}


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def middle(image: Image.Image) -> tuple[int, ...]:
    pixel = image.getpixel((image.width // 2 + 3, image.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


def one_colour(colour: media.Colour, kind: str = "JPEG", mode: str = "RGB", **options: bytes) -> bytes:
    return media.encoded(Image.new("RGB", (400, 300), colour).convert(mode), kind, **options)


@pytest.mark.parametrize("name", media.PICTURES)
def test_every_format_comes_out_upright_and_in_its_colours(tmp_path: Path, name: str) -> None:
    for variant, image in made(tmp_path, media.PICTURES[name]()).items():
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SIZES[variant])
        assert all(map(media.near, media.corners(image), media.CORNERS)), (variant, media.corners(image))


def test_what_is_said_of_a_thumbnail_is_true(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(media.jpeg())
    for thumbnail in thumbnails(tmp_path / "source", tmp_path):
        path = Path(thumbnail.path)
        assert path == tmp_path / f"{thumbnail.size_variant}.jpg"
        assert thumbnail.file_size == path.stat().st_size
        assert (thumbnail.width, thumbnail.height) == opened(path).size


# At these the shape of a thumbnail is no whole number of pixels, and arithmetic in fractions leaves the picture.
AWKWARD = [(1411, 793), (2820, 1586), (681, 372), (3414, 973), (793, 1411), (973, 3414)]


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 2), (1, 3000), (3000, 1), (33, 17), (1280, 720), (1281, 719), (3000, 4000), *AWKWARD]
)
def test_every_size_in_gives_the_three_sizes_out(tmp_path: Path, size: media.Size) -> None:
    images = made(tmp_path, media.encoded(media.scene(size), "JPEG"))
    assert {variant: image.size for variant, image in images.items()} == SIZES


SIDE = st.integers(1, 5000)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK"])
@given(
    size=st.tuples(SIDE, st.integers(1, 3)) | st.tuples(st.integers(1, 3), SIDE) | st.tuples(SIDE, st.integers(1, 60))
)
@settings(max_examples=25, deadline=None)
def test_a_picture_of_any_size_is_scaled_to_what_is_asked_for(mode: str, size: media.Size) -> None:
    assert cover(Image.new(mode, size), PRIMARY).size == PRIMARY


@given(
    size=st.tuples(st.integers(1, 66_000), st.integers(1, 66_000)), want=st.sampled_from([*SIZES.values(), (720, 1280)])
)
@settings(max_examples=300, deadline=None)
def test_the_crop_of_any_size_lies_inside_it_in_the_middle_and_in_shape(size: media.Size, want: media.Size) -> None:
    left, top, right, bottom = crop(size, want)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert abs(left - (size[0] - right)) <= 1
    assert abs(top - (size[1] - bottom)) <= 1
    assert abs((right - left) * want[1] - (bottom - top) * want[0]) <= max(want)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(900, 1600), (1600, 500)])
def test_the_crop_keeps_the_centre(tmp_path: Path, orientation: int, size: media.Size) -> None:
    image = made(tmp_path, media.jpeg(size, orientation=orientation))["primary"]
    for x in (-1, 1):
        for y in (-1, 1):
            place = image.getpixel((640 + x * 550, 360 + y * 300))
            assert isinstance(place, tuple)
            assert media.near(place, media.CORNERS[(x > 0) + 2 * (y > 0)])


def test_a_wide_gamut_picture_comes_out_as_srgb_means_it(tmp_path: Path) -> None:
    # sRGB's red, as Display P3 and Adobe RGB write it.
    p3 = made(tmp_path, one_colour((234, 51, 35), icc_profile=media.DISPLAY_P3))["primary"]
    assert media.near(middle(p3), (255, 0, 0), 10)
    adobe = made(tmp_path, one_colour((219, 0, 0), icc_profile=media.ADOBE_RGB))["primary"]
    assert media.near(middle(adobe), (255, 0, 0), 10)


@pytest.mark.parametrize("name", ["GIMP built-in Linear sRGB", "sRGB IEC61966-2.1", "Linear Rec709"])
def test_a_profile_is_judged_by_what_it_does_and_not_by_its_name(tmp_path: Path, name: str) -> None:
    linear = media.profile(*media.SRGB_COLORANTS, gamma=1, name=name)
    image = made(tmp_path, one_colour((55, 55, 55), icc_profile=linear))["primary"]
    assert media.near(middle(image), (128, 128, 128), 3)


def test_a_profile_that_does_nothing_changes_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = media.encoded(media.scene(), "PNG", icc_profile=srgb)
    plain = made(tmp_path, media.encoded(media.scene(), "PNG"))["primary"].tobytes()
    assert made(tmp_path, data)["primary"].tobytes() == plain


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_obeyed(tmp_path: Path, mode: str) -> None:
    data = media.encoded(
        Image.new(mode, (40, 30), 55 if mode == "L" else (55, 255)), "PNG", icc_profile=media.grey_profile(1)
    )
    assert media.near(middle(made(tmp_path, data)["primary"]), (128, 128, 128), 3)


def test_a_grey_profile_in_a_picture_of_colours_is_passed_over(tmp_path: Path) -> None:
    image = made(tmp_path, one_colour((200, 80, 40), icc_profile=media.grey_profile(1)))["primary"]
    assert media.near(middle(image), (200, 80, 40), 6)


def test_a_profile_under_which_white_is_dark_is_passed_over(tmp_path: Path) -> None:
    dark = media.profile([0.001] * 3, [0.001] * 3, [0.001] * 3, gamma=1)
    image = made(tmp_path, one_colour((200, 80, 40), icc_profile=dark))["primary"]
    assert media.near(middle(image), (200, 80, 40), 6)


def test_a_profile_of_another_mode_is_passed_over(tmp_path: Path) -> None:
    image = made(tmp_path, one_colour((90, 90, 90), mode="L", icc_profile=media.DISPLAY_P3))["primary"]
    assert media.near(middle(image), (90, 90, 90), 4)


@pytest.mark.parametrize("broken", [b"nonsense" * 40, media.DISPLAY_P3[:16] + b"\xffGB " + media.DISPLAY_P3[20:]])
def test_a_broken_profile_is_passed_over(tmp_path: Path, broken: bytes) -> None:
    image = made(tmp_path, one_colour((200, 80, 40), icc_profile=broken))["primary"]
    assert media.near(middle(image), (200, 80, 40), 6)


def test_sixteen_bits_of_grey_become_eight(tmp_path: Path) -> None:
    assert media.near(middle(made(tmp_path, media.grey16(32768))["primary"]), media.GREY, 3)
    assert media.near(middle(made(tmp_path, media.grey16(65535))["primary"]), (255, 255, 255), 3)


def test_floating_point_pixels_are_spread_over_black_to_white(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").convert("F").point(lambda value: value / 255)
    image = made(tmp_path, media.encoded(ramp, "TIFF"))["primary"]
    tones = image.convert("L").tobytes()
    assert min(tones) < 80
    assert max(tones) > 175


def test_black_and_white_pixels_become_grey(tmp_path: Path) -> None:
    image = made(tmp_path, media.encoded(media.scene().convert("1"), "PNG"))["small"]
    assert image.mode == "RGB"


def test_the_see_through_part_is_white(tmp_path: Path) -> None:
    image = made(tmp_path, media.see_through(media.RED))["primary"]
    assert media.near(media.corners(image)[0], (255, 255, 255), 4)
    assert media.near(middle(image), media.RED)


def test_a_white_drawing_does_not_vanish(tmp_path: Path) -> None:
    image = made(tmp_path, media.see_through((255, 255, 255)))["primary"]
    assert max(media.corners(image)[0]) < 80
    assert media.near(middle(image), (255, 255, 255), 4)


def test_nothing_of_the_original_travels_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at her flat"
    data = media.encoded(media.scene(), "JPEG", exif=exif, comment=b"by A. Nonymous", icc_profile=media.DISPLAY_P3)
    for image in made(tmp_path, data).values():
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_lines_stay_sharp(tmp_path: Path) -> None:
    image = made(tmp_path, media.encoded(media.scene((2560, 1440)), "JPEG", quality=95))["primary"].convert("L")
    row = image.crop((500, 360, 780, 361)).tobytes()
    assert max(abs(left - right) for left, right in pairwise(row)) > 60


@pytest.mark.parametrize("name", [name for name in media.HOSTILE if name.startswith("truncated")])
def test_a_truncated_picture_is_rejected_as_corrupt(tmp_path: Path, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        made(tmp_path, media.HOSTILE[name]())
    assert caught.value.code == "CORRUPT_FILE"
    assert caught.value.message == "The picture is damaged or incomplete and cannot be opened."


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_truncated_jpeg_is_noticed_even_when_decoded_small(tmp_path: Path, share: float) -> None:
    with pytest.raises(Rejected):
        made(tmp_path, media.cut(media.jpeg((5200, 3000)), share))


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_a_sound_without_a_cover_shows_its_waveform(tmp_path: Path, suffix: str) -> None:
    primary = Path(render(media.tone(tmp_path / f"tone{suffix}"), tmp_path, "audio")[0].path)
    image = opened(primary)
    assert image.size == (1280, 720)
    assert not media.near(middle(image), (32, 33, 38)), "there is ink in the middle"
    assert media.near(media.corners(image)[0], (32, 33, 38)), "and none at the quiet beginning"


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.3])
def test_the_shortest_sound_has_three_thumbnails(tmp_path: Path, seconds: float) -> None:
    written = render(media.tone(tmp_path / "click.wav", seconds), tmp_path, "audio")
    assert {one.size_variant: (one.width, one.height) for one in written} == SIZES


def test_a_sound_shows_its_cover(tmp_path: Path) -> None:
    cover = one_colour(media.BLUE)
    primary = Path(render(media.tone(tmp_path / "song.mp3", cover=cover), tmp_path, "audio")[0].path)
    assert media.near(middle(opened(primary)), media.BLUE)


@pytest.mark.parametrize("kind", ["document"])
def test_a_document_has_no_thumbnails(tmp_path: Path, kind: MediaKind) -> None:
    (tmp_path / "script.txt").write_text("Scene 1.")
    assert render(tmp_path / "script.txt", tmp_path, kind) == []

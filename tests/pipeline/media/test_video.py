import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from models.errors import Rejected
from ops.seed.drawing import encode
from pipeline.media.posters import look_at
from pipeline.media.video import poster, probe, video_thumbnails
from tests import media

MB = 1024 * 1024
ALL_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".webm": "video/webm"}


def type_of(path: Path) -> str:
    return TYPES.get(path.suffix, "video/x-msvideo")


def shows_scene(image: Image.Image) -> bool:
    return all(media.near(seen, meant, 40) for seen, meant in zip(media.corners(image), media.CORNERS, strict=True))


def sharpness(image: Image.Image) -> int:
    row = image.convert("L").crop((0, image.height // 2, image.width, image.height // 2 + 1)).tobytes()
    return max(abs(left - right) for left, right in pairwise(row))


@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
def test_a_black_lead_in_is_passed_over(tmp_path: Path, suffix: str) -> None:
    path = media.clip(tmp_path / f"clip{suffix}", media.flat(12) + media.moving(12))
    assert shows_scene(poster(path, type_of(path)))


@pytest.mark.parametrize("colour", [media.BLACK, media.GREY, (255, 255, 255), (14, 12, 18)])
def test_a_flat_lead_in_without_another_key_frame_is_passed_over(tmp_path: Path, colour: media.Colour) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(30, colour) + media.moving(10), keyframes=1000)
    assert shows_scene(poster(path))


def test_a_blurred_lead_in_is_passed_over(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.blurred(12, (640, 360)) + media.moving(12, (640, 360)))
    assert sharpness(poster(path)) > 80


def fading(colour: media.Colour, count: int) -> list[Image.Image]:
    """From a colour to the scene."""
    start = Image.new("RGB", (320, 180), colour)
    return [Image.blend(start, media.scene((320, 180)), step / count) for step in range(count)]


@pytest.mark.parametrize("suffix", ALL_SUFFIXES)
@pytest.mark.parametrize("colour", [media.BLACK, media.GREY, (255, 255, 255)])
def test_a_fade_is_waited_for_to_its_end(tmp_path: Path, suffix: str, colour: media.Colour) -> None:
    path = media.clip(tmp_path / f"clip{suffix}", media.flat(6, colour) + fading(colour, 36) + media.moving(12))
    seen = media.corners(poster(path, type_of(path)))
    assert all(media.near(colour, meant, 26) for colour, meant in zip(seen, media.CORNERS, strict=True)), seen


@pytest.mark.parametrize("seconds", [1, 3, 8])
@pytest.mark.parametrize("keyframes", [12, 1000])
def test_a_slow_fade_is_waited_for_to_its_end(tmp_path: Path, seconds: int, keyframes: int) -> None:
    frames = fading(media.BLACK, 24 * seconds) + media.moving(24)
    seen = media.corners(poster(media.clip(tmp_path / "clip.mp4", frames, keyframes=keyframes)))
    assert all(media.near(colour, meant, 26) for colour, meant in zip(seen, media.CORNERS, strict=True)), seen


def test_a_lens_that_looks_for_its_focus_is_waited_for(tmp_path: Path) -> None:
    sharp = media.scene((640, 360))
    pulled = [sharp.filter(ImageFilter.GaussianBlur(8 - step / 6)) for step in range(48)]
    path = media.clip(tmp_path / "clip.mp4", pulled + media.moving(12, (640, 360)), keyframes=1000)
    assert sharpness(poster(path)) > 180


def test_a_dim_beginning_gives_way_to_what_follows(tmp_path: Path) -> None:
    dim = [Image.blend(Image.new("RGB", frame.size), frame, 0.3) for frame in media.moving(48)]
    assert shows_scene(poster(media.clip(tmp_path / "clip.mp4", dim + media.moving(120))))


def test_a_card_of_letters_is_not_preferred_to_the_scene(tmp_path: Path) -> None:
    card = Image.new("RGB", (320, 180))
    ImageDraw.Draw(card).text((60, 60), "THE END", fill=(255, 255, 255), font=ImageFont.load_default(50))
    assert shows_scene(poster(media.clip(tmp_path / "clip.mp4", media.moving(24) + [card] * 96)))


def test_of_frames_that_are_as_good_the_first_is_taken(tmp_path: Path) -> None:
    later = [Image.eval(frame, lambda value: 255 - value) for frame in media.moving(24)]
    path = media.clip(tmp_path / "clip.mp4", media.flat(6) + media.moving(6) + later)
    assert shows_scene(poster(path))


SPENT = """
import resource, sys
from pathlib import Path
from pipeline.media.video import poster
poster(Path(sys.argv[1]), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
"""


@pytest.mark.parametrize("broken", [0.02, 0.98])
def test_a_search_among_thousands_of_damaged_packets_ends_soon(tmp_path: Path, broken: float) -> None:
    path = media.clip(tmp_path / "clip.avi", media.flat(1200, size=(64, 36)) + media.moving(24, (64, 36)))
    data, rng = bytearray(path.read_bytes()), Random(media.SEED)
    for at in [match.start() for match in re.finditer(b"00dc", data[: data.index(b"idx1")])]:
        if rng.random() < broken:
            data[at + 8 : at + 20] = rng.randbytes(12)
    path.write_bytes(data)
    command = [sys.executable, "-c", SPENT, str(path), "video/x-msvideo"]
    spent = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert spent.returncode or float(spent.stdout) < 8, "one that cannot be shown at all is refused"


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (18, 400), (400, 18), (680, 382), (1410, 794), (2820, 1586)])
def test_a_clip_of_any_size_has_three_thumbnails(tmp_path: Path, size: media.Size) -> None:
    path = media.clip(tmp_path / "clip.avi", media.moving(2, size) if min(size) > 20 else media.flat(2, size=size))
    assert [(one.width, one.height) for one in video_thumbnails(path, tmp_path, "video/x-msvideo")][:3] == [
        (1280, 720),
        (640, 360),
        (320, 180),
    ]


def test_a_good_frame_late_in_the_clip_is_found(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(24 * 20) + media.moving(24 * 4))
    assert shows_scene(poster(path))


def test_of_nothing_but_bad_frames_the_best_is_taken(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(12) + media.blurred(12) + media.flat(12))
    assert max(poster(path).convert("L").histogram()[100:]) > 0


def test_a_clip_that_is_black_throughout_still_has_three_thumbnails(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(12))
    written = video_thumbnails(path, tmp_path)
    assert [(one.width, one.height) for one in written] == [(1280, 720), (640, 360), (320, 180)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("turn", "mirrored", "laid"),
    [
        (0, False, None),
        (90, False, Image.Transpose.ROTATE_270),
        (180, False, Image.Transpose.ROTATE_180),
        (-90, False, Image.Transpose.ROTATE_90),
        (0, True, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_the_display_matrix_is_obeyed(
    tmp_path: Path, suffix: str, turn: int, mirrored: bool, laid: Image.Transpose | None
) -> None:
    # FFmpeg's degrees run against the clock: turned by 90, what was stored lying on its right side stands.
    stored = [frame if laid is None else frame.transpose(laid) for frame in media.moving(6)]
    path = media.clip(tmp_path / f"clip{suffix}", stored, turn=turn, mirrored=mirrored)
    image, seen = poster(path, type_of(path)), probe(path, type_of(path))
    assert image.size == (seen.width, seen.height) == (320, 180)
    assert shows_scene(image)


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.moving(4, (240, 180)), aspect=(4, 3))
    assert poster(path).size == (320, 180)
    assert (probe(path).width, probe(path).height) == (240, 180)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720)])
def test_colours_are_read_by_the_matrix_that_they_were_written_by(tmp_path: Path, size: media.Size) -> None:
    encode(tmp_path / "clip.mp4", size, media.moving(3, size))  # BT.709, and says so
    seen = media.corners(poster(tmp_path / "clip.mp4"))
    assert all(media.near(colour, meant, 6) for colour, meant in zip(seen, media.CORNERS, strict=True)), seen


def test_a_clip_of_one_frame_is_a_clip(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.moving(1))
    assert probe(path).width == 320
    assert shows_scene(poster(path))


def test_a_clip_without_a_decodable_picture_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "holed.mp4").write_bytes(media.holed_clip(tmp_path))
    with pytest.raises(Rejected) as caught:
        poster(tmp_path / "holed.mp4")
    assert caught.value.code == "CORRUPT_FILE"


def test_a_few_broken_pictures_do_not_spoil_a_clip(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.moving(48), keyframes=6)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 1000
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    assert poster(path).size == (320, 180)


LOOK = """
import re, sys
from pathlib import Path
from pipeline.media.inspect import inspect
from pipeline.media.video import video_thumbnails
path = Path(sys.argv[1])
inspect(path)
video_thumbnails(path, path.parent)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_a_clip_of_two_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(6) + media.moving(18))
    _grow(path, 2048 * MB)
    peak = subprocess.run([sys.executable, "-c", LOOK, path], check=True, capture_output=True, text=True).stdout
    assert path.stat().st_size > 2048 * MB
    assert int(peak) * 1024 < 200 * MB


def _grow(path: Path, by: int) -> None:
    """Put a hole of so many bytes between the pictures and their index: a box that means nothing."""
    data = path.read_bytes()
    index = data.index(b"moov") - 4
    with path.open("r+b") as file:
        file.seek(index)
        file.write((1).to_bytes(4, "big") + b"free" + by.to_bytes(8, "big"))
        file.seek(index + by)
        file.write(data[index:])


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (640, 360)])
def test_any_size_of_picture_can_be_judged(size: media.Size) -> None:
    assert not look_at(Image.new("L", size)).good


def test_noise_in_the_dark_is_not_a_good_frame() -> None:
    noise = Image.effect_noise((640, 360), 12).point(lambda value: max(0, value - 120))
    assert not look_at(noise).good


def test_a_sharp_subject_before_a_soft_background_is_good() -> None:
    soft = media.blurred(1, (640, 360))[0]
    soft.paste(media.scene((200, 120)), (220, 120))
    assert look_at(soft.convert("L")).good

from pathlib import Path

import pytest
from PIL import Image

from pipeline.media.inspect import inspect
from pipeline.media.render import render
from pipeline.media.video import poster
from tests import films, media
from tests.films import BT2020, BT2020_10, DCI_P3, DISPLAY_P3, HLG, HLG_PHONE, PQ, PQ_CAMERA, Writing

X265 = {"preset": "ultrafast"}
X264 = {"preset": "ultrafast", "crf": "10"}


def x265(writing: Writing) -> dict[str, str]:
    """What makes HEVC tell its colours inside the picture, too."""
    primaries = {BT2020: "bt2020", DISPLAY_P3: "smpte432", DCI_P3: "smpte431"}[writing.primaries]
    transfer = {PQ: "smpte2084", HLG: "arib-std-b67", BT2020_10: "bt2020-10"}.get(writing.transfer, "iec61966-2-1")
    matrix = {1: "bt709", 9: "bt2020nc"}[writing.matrix]
    told = f"colorprim={primaries}:transfer={transfer}:colormatrix={matrix}:crf=12"
    spread = "full" if writing.full else "limited"
    return {**X265, "x265-params": f"log-level=none:{told}:range={spread}"}


def primary(path: Path) -> Image.Image:
    """The largest thumbnail, by the way that every file takes."""
    assert inspect(path).kind == "video"
    return Image.open(render(path, path.parent, "video")[0].path)


@pytest.mark.parametrize("name", ["phone.mov", "phone.mp4", "phone.mkv"])
@pytest.mark.parametrize("writing", [HLG_PHONE, PQ_CAMERA, HLG_PHONE._replace(full=True)])
def test_hdr_is_shown_as_sdr(tmp_path: Path, name: str, writing: Writing) -> None:
    path = films.write_bars(tmp_path / name, "libx265", writing, x265(writing))
    assert films.shows_bars(primary(path)), films.bars(primary(path))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0"}),
        ("clip.mkv", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0"}),
        ("clip.mp4", "libx264", X264),
    ],
)
@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_hdr_of_another_codec_is_shown_as_sdr(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], transfer: int
) -> None:
    writing = Writing(BT2020, transfer, 9)
    path = films.write_bars(tmp_path / name, codec, writing, options)
    assert films.shows_bars(primary(path), 24), films.bars(primary(path))


@pytest.mark.parametrize(
    "writing",
    [
        Writing(BT2020, BT2020_10, 9, bits=10),
        Writing(DISPLAY_P3, films.SRGB, 1, bits=10),
        Writing(DCI_P3, films.SRGB, 1, bits=10),
        Writing(DISPLAY_P3, PQ, 9, bits=10),
    ],
)
def test_a_wide_gamut_is_shown_in_srgb(tmp_path: Path, writing: Writing) -> None:
    path = films.write_bars(tmp_path / "clip.mov", "libx265", writing, x265(writing))
    assert films.shows_bars(primary(path)), films.bars(primary(path))


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_each_matrix_and_range_is_read_as_it_was_written(tmp_path: Path, matrix: int, full: bool) -> None:
    path = films.write_bars(tmp_path / "clip.mp4", "libx264", Writing(matrix=matrix, full=full), X264)
    assert films.shows_bars(primary(path), 8), films.bars(primary(path))


@pytest.mark.parametrize("matrix", [3, 8, 10, 11, 13, 14])
def test_a_matrix_that_nobody_knows_does_not_make_a_clip_damaged(tmp_path: Path, matrix: int) -> None:
    path = films.write_bars(tmp_path / "clip.mp4", "libx264", Writing(matrix=6), X264, (2, 2, matrix, 1))
    assert films.shows_bars(primary(path), 40)


def test_what_is_brighter_than_white_has_room_above_it(tmp_path: Path) -> None:
    writing = PQ_CAMERA._replace(white=1000.0)
    path = films.write_bars(tmp_path / "clip.mov", "libx265", writing, x265(writing))
    seen = films.bars(poster(path, "video/quicktime"))
    red, green, blue, white, black, skin, yellow, grey = seen
    assert min(white) >= 235
    assert max(black) < 60
    assert red[0] > 200 > red[1] + 60
    assert white[0] > grey[0] + 15, "and is still told from what is darker"
    assert blue[2] > blue[0] + 100
    assert green[1] > green[0] + 60
    assert skin[0] > skin[2]
    assert yellow[0] > yellow[2] + 100


@pytest.mark.parametrize("name", ["picture.png", "picture.avif"])
@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_an_hdr_picture_is_shown_as_sdr(tmp_path: Path, name: str, transfer: int) -> None:
    films.write_bar_picture(tmp_path / name, transfer)
    seen = Image.open(render(tmp_path / name, tmp_path, "image")[0].path)
    assert films.shows_bars(seen, 24), films.bars(seen)


@pytest.mark.parametrize("exponent", [1.0, 0.55556, 0.45455])
def test_a_png_that_tells_an_exponent_is_shown_by_it(tmp_path: Path, exponent: float) -> None:
    picture = films.bar_picture().point(
        [round(255 * (films.light(level / 255) ** exponent)) for level in range(256)] * 3
    )
    data = media.png_with(picture, b"gAMA", round(exponent * 100_000).to_bytes(4, "big"))
    (tmp_path / "picture.png").write_bytes(data)
    seen = Image.open(render(tmp_path / "picture.png", tmp_path, "image")[0].path)
    assert films.shows_bars(seen), films.bars(seen)


def test_a_png_that_is_said_to_be_srgb_is_shown_as_it_is(tmp_path: Path) -> None:
    data = media.png_with(films.bar_picture(), b"gAMA", (100_000).to_bytes(4, "big"), b"sRGB", b"\0")
    (tmp_path / "picture.png").write_bytes(data)
    seen = Image.open(render(tmp_path / "picture.png", tmp_path, "image")[0].path)
    assert films.shows_bars(seen), films.bars(seen)

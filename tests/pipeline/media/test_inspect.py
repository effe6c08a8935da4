from pathlib import Path

import pytest

from models.errors import Fault, Rejected
from pipeline.media.inspect import inspect
from pipeline.media.render import render
from tests import media, tiffs


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(path: Path, name: str = "") -> Rejected:
    with pytest.raises(Rejected) as caught:
        inspect(path, name=name or path.name)
    return caught.value


@pytest.mark.parametrize("name", media.PICTURES)
def test_a_picture_is_measured_upright(tmp_path: Path, name: str) -> None:
    seen = inspect(put(tmp_path, name, media.PICTURES[name]()))
    types = {"jpg": "jpeg", "tif": "tiff"}
    suffix = name.rsplit(".", 1)[1]
    assert seen.mime_type == f"image/{types.get(suffix, suffix)}"
    assert (seen.kind, seen.width, seen.height) == ("image", 640, 360)


@pytest.mark.parametrize(
    ("suffix", "mime_type", "codec"),
    [
        (".mp4", "video/mp4", "h264"),
        (".mov", "video/quicktime", "h264"),
        (".mkv", "video/x-matroska", "h264"),
        (".webm", "video/webm", "vp9"),
        (".avi", "video/x-msvideo", "mpeg4"),
    ],
)
def test_a_clip_is_measured(tmp_path: Path, suffix: str, mime_type: str, codec: str) -> None:
    seen = inspect(media.clip(tmp_path / f"clip{suffix}", media.moving(36)))
    assert (seen.mime_type, seen.kind, seen.codec) == (mime_type, "video", codec)
    assert (seen.width, seen.height) == (320, 180)
    assert seen.duration_seconds == pytest.approx(1.5, abs=0.05)
    assert seen.frame_rate == pytest.approx(24, abs=0.1)


@pytest.mark.parametrize("turn", [90, -90])
def test_a_clip_held_upright_is_taller_than_wide(tmp_path: Path, turn: int) -> None:
    seen = inspect(media.clip(tmp_path / "clip.mov", media.moving(4), turn=turn))
    assert (seen.width, seen.height) == (180, 320)


@pytest.mark.parametrize(
    ("suffix", "mime_type", "codec"),
    [
        (".mp3", "audio/mpeg", "mp3"),
        (".m4a", "audio/mp4", "aac"),
        (".mp4", "audio/mp4", "aac"),
        (".wav", "audio/wav", "pcm_s16le"),
        (".flac", "audio/flac", "flac"),
        (".ogg", "audio/ogg", "opus"),
    ],
)
def test_a_sound_is_measured(tmp_path: Path, suffix: str, mime_type: str, codec: str) -> None:
    seen = inspect(media.tone(tmp_path / f"tone{suffix}", 1.0))
    assert (seen.mime_type, seen.kind, seen.codec) == (mime_type, "audio", codec)
    assert seen.duration_seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "data", "mime_type"),
    [
        ("script.txt", "Szene 1. Lala öffnet den Schrank.\n".encode(), "text/plain"),
        ("windows.txt", "Scene 1. The café, the fiancée.\n".encode("cp1252"), "text/plain"),
        ("wide.txt", "Scene 1.\n".encode("utf-16"), "text/plain"),
        ("cut-in-a-letter.txt", ("x" * 8191 + "é").encode(), "text/plain"),
        ("script.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj <<>> endobj\nstartxref\n9\n%%EOF\n", "application/pdf"),
    ],
)
def test_a_script_is_a_document(tmp_path: Path, name: str, data: bytes, mime_type: str) -> None:
    seen = inspect(put(tmp_path, name, data), name=name)
    assert (seen.mime_type, seen.kind) == (mime_type, "document")


def test_the_name_is_not_believed(tmp_path: Path) -> None:
    path = put(tmp_path, "portrait.jpg", media.PICTURES["rgb.png"]())
    assert inspect(path, name="portrait.jpg").mime_type == "image/png"


def test_an_empty_file_is_rejected_as_empty(tmp_path: Path) -> None:
    assert refusal(put(tmp_path, "empty.jpg", b"")).code == "EMPTY_FILE"


def test_a_text_called_jpg_is_told_for_what_it_is(tmp_path: Path) -> None:
    error = refusal(put(tmp_path, "notes.jpg", b"Notes on the third look.\n"))
    assert error.code == "UNSUPPORTED_MEDIA_TYPE"
    assert error.message.startswith("The file is called .jpg but looks like a text file. We take JPEG, PNG")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phone.heic", "a HEIC picture"),
        ("drawing.svg", "an SVG drawing"),
        ("archive.png", "a ZIP archive"),
        ("postscript.jpg", "a PostScript drawing"),
        ("one-byte.jpg", "no kind of file we know"),
    ],
)
def test_an_unsupported_file_is_named_and_what_we_take_is_said(tmp_path: Path, name: str, words: str) -> None:
    error = refusal(put(tmp_path, name, media.HOSTILE[name]()))
    assert error.code == "UNSUPPORTED_MEDIA_TYPE"
    assert f"looks like {words}. We take JPEG" in error.message


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_clip_that_breaks_off_is_rejected_as_corrupt(tmp_path: Path, suffix: str, share: float) -> None:
    whole = media.clip(tmp_path / f"whole{suffix}", media.moving(24)).read_bytes()
    assert refusal(put(tmp_path, f"cut{suffix}", media.cut(whole, share))).code == "CORRUPT_FILE"


def test_a_clip_of_nonsense_pictures_is_rejected_as_corrupt(tmp_path: Path) -> None:
    assert refusal(put(tmp_path, "holed.mp4", media.holed_clip(tmp_path))).code == "CORRUPT_FILE"


def test_a_live_recording_without_a_length_is_taken(tmp_path: Path) -> None:
    whole = bytearray(media.clip(tmp_path / "whole.webm", media.moving(12)).read_bytes())
    at = whole.index(bytes.fromhex("18538067")) + 4
    whole[at : at + 8] = b"\x01" + b"\xff" * 7  # "unknown", as browsers write it
    assert inspect(put(tmp_path, "live.webm", bytes(whole))).codec == "vp9"


def test_a_picture_with_broken_exif_is_still_a_picture(tmp_path: Path) -> None:
    data = media.jpeg(orientation=6)
    broken = data.replace(b"Exif\0\0MM\0*", b"Exif\0\0MM\xff\xff").replace(b"Exif\0\0II*\0", b"Exif\0\0II\xff\xff")
    assert broken != data
    assert inspect(put(tmp_path, "look.jpg", broken)).kind == "image"


def test_too_many_pixels_are_told_by_the_header(tmp_path: Path) -> None:
    error = refusal(put(tmp_path, "bomb.png", media.png_bomb()))
    assert error.code == "FILE_TOO_LARGE"
    assert "120 million pixels" in error.message


@pytest.mark.parametrize("scans", [101, 20_000])
def test_a_jpeg_of_more_passes_than_any_real_one_is_refused_before_it_is_drawn(tmp_path: Path, scans: int) -> None:
    error = refusal(put(tmp_path, "scans.jpg", media.scans(scans)))
    assert error.code == "CORRUPT_FILE"
    assert "more than 100 passes" in error.message


@pytest.mark.parametrize("scans", [1, 100])
def test_a_jpeg_of_some_passes_is_a_picture(tmp_path: Path, scans: int) -> None:
    assert inspect(put(tmp_path, "scans.jpg", media.scans(scans))).width == 640


def test_passes_are_not_counted_in_what_lies_inside_or_behind_a_picture(tmp_path: Path) -> None:
    inside = media.encoded(media.scene(), "JPEG", progressive=True, comment=b"\xff\xda\0\x08" * 200)
    for data in (inside, media.jpeg() + media.scans(200), media.jpeg(progressive=True) + media.scans(200)):
        assert inspect(put(tmp_path, "look.jpg", data)).width == 640


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (media.jpeg_frame(0xC1, bits=12), "a JPEG with 12 bits a colour"),
        (media.jpeg_frame(0xC3, bits=16), "a lossless JPEG with 16 bits a colour"),
        (media.jpeg_frame(0xF7), "a JPEG-LS picture"),
        (media.jpeg_frame(0xC0, colours=2), "a JPEG with 2 colours"),
        (media.png((b"CgBI", bytes(4)), media.header(8, 8), (b"IDAT", bytes(8)), (b"IEND", b"")), "a PNG as Apple's"),
        (media.bmp(depth=2), "a BMP with 2 bits a pixel"),
        (media.bmp(depth=16, packed=3), "a BMP with 16 bits a pixel in an order of its own"),
        (media.bmp(depth=0, packed=4), "a BMP with a JPEG inside"),
        (tiffs.compressed(50002), "a TIFF with JPEG XL compression"),
        (tiffs.compressed(34887), "a TIFF with LERC compression"),
        (tiffs.compressed(50001), "a TIFF with WebP compression"),
        (tiffs.of_scene("RGB", bits=16, kind=tiffs.SIGNED), "a TIFF with 3 samples a pixel of 16 bits, signed"),
    ],
)
def test_a_picture_that_our_decoder_cannot_read_is_named_and_not_called_damaged(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = put(tmp_path, "look", data)
    with pytest.raises(Rejected) as caught:
        render(path, tmp_path, inspect(path).kind)
    assert caught.value.code == "UNSUPPORTED_MEDIA_TYPE"
    assert caught.value.message.startswith(f"The picture is {words}")
    assert "Save it as a usual JPEG, PNG or TIFF" in caught.value.message


def test_a_file_that_is_not_there_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        inspect(tmp_path / "gone.jpg")
    assert caught.value.code == "INTERNAL"
    assert str(tmp_path) not in caught.value.message

import struct
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import Rejected
from pipeline.media.inspect import inspect
from pipeline.media.render import render
from tests import films, media
from tests.pipeline.media.test_inspect import put, refusal

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
BEHIND = {
    "what a camera adds": Random(1).randbytes(3000) + b"8db42d694ccc418790edff439fe026bf",
    "what a server adds": b"<!-- served by cache -->\r\n",
    "a block of nothing": bytes(512),
    "a note that breaks off": struct.pack(">I4s", 4000, b"free") + b"notes",
}
SAMPLES = 22_050
UNKNOWN = (0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A clip of each container, and an MP4 with its index first, and one of fragments."""
    folder = tmp_path_factory.mktemp("clips")
    paths = {suffix: media.clip(folder / f"clip{suffix}", media.moving(24)) for suffix in SUFFIXES}
    paths["fast"] = films.remuxed(paths[".mp4"], folder / "fast.mp4", movflags="+faststart")
    paths["fragments"] = films.remuxed(paths[".mp4"], folder / "parts.mp4", movflags="frag_keyframe+empty_moov")
    return {name: path.read_bytes() for name, path in paths.items()}


@pytest.mark.parametrize("kind", [*SUFFIXES, "fast", "fragments"])
@pytest.mark.parametrize("behind", BEHIND)
def test_a_clip_with_something_behind_its_end_is_complete(
    tmp_path: Path, clips: dict[str, bytes], kind: str, behind: str
) -> None:
    path = put(tmp_path, "clip", clips[kind] + BEHIND[behind])
    seen = inspect(path)
    assert seen.kind == "video"
    assert seen.duration_seconds == pytest.approx(1.0, abs=0.05)
    assert len(render(path, tmp_path, "video")) >= 3


@pytest.mark.parametrize("kind", [*SUFFIXES, "fast", "fragments"])
@settings(max_examples=12, deadline=None)
@given(share=st.floats(0.02, 0.97))
def test_a_clip_that_breaks_off_anywhere_is_incomplete(
    tmp_path_factory: pytest.TempPathFactory, clips: dict[str, bytes], kind: str, share: float
) -> None:
    path = put(tmp_path_factory.mktemp("cut"), "cut", media.cut(clips[kind], share))
    assert refusal(path).code == "CORRUPT_FILE"


@pytest.mark.parametrize("length", [0, 1, 0x7FFF_0000, 0xFFFF_FFFF])
def test_an_mp4_is_held_to_its_samples_not_to_the_length_of_their_box(
    tmp_path: Path, clips: dict[str, bytes], length: int
) -> None:
    data = clips["fast"]
    lying = films.patched(data, data.index(b"mdat") - 4, big=True, value=length)
    assert inspect(put(tmp_path, "whole.mp4", lying)).duration_seconds == pytest.approx(1.0, abs=0.05)
    assert refusal(put(tmp_path, "cut.mp4", lying[:-900])).code == "CORRUPT_FILE"


@pytest.mark.parametrize("field", ["whole", "pictures"])
@pytest.mark.parametrize("length", [0, 100, 10_000_000, 0xFFFF_FFFF])
def test_an_avi_with_one_wrong_length_is_complete(
    tmp_path: Path, clips: dict[str, bytes], field: str, length: int
) -> None:
    data = clips[".avi"]
    at = 4 if field == "whole" else data.index(b"movi") - 4
    seen = inspect(put(tmp_path, "clip.avi", films.patched(data, at, big=False, value=length)))
    assert seen.kind == "video"
    assert seen.duration_seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("length", [0, 10, 10_000_000])
def test_a_matroska_whose_whole_has_a_wrong_length_is_complete(
    tmp_path: Path, clips: dict[str, bytes], length: int
) -> None:
    data = clips[".mkv"]
    at = data.index(bytes.fromhex("18538067")) + 4
    lying = data[:at] + ((1 << 56) | length).to_bytes(8, "big") + data[at + 8 :]
    assert inspect(put(tmp_path, "clip.mkv", lying)).codec == "h264"


@pytest.mark.parametrize("riff", [None, *UNKNOWN, 4, 1_000_000])
@pytest.mark.parametrize("data", [None, *UNKNOWN, 2 * SAMPLES + 1, 2 * SAMPLES + 44, 1_000_000])
def test_a_wav_is_incomplete_only_when_both_of_its_lengths_say_so(
    tmp_path: Path, riff: int | None, data: int | None
) -> None:
    path = put(tmp_path, "sound.wav", films.wav(SAMPLES, riff=riff, data=data))
    if riff == data == 1_000_000:
        assert refusal(path).message == "The sound file is incomplete: it breaks off before its end."
    else:
        assert inspect(path).duration_seconds == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("behind", [b"LIST\xff\xff\0\0abc", b"id3 \x40\0\0\0", b"notes of the recorder" * 9])
def test_a_wav_with_something_behind_its_sound_is_complete(tmp_path: Path, behind: bytes) -> None:
    seen = inspect(put(tmp_path, "sound.wav", films.wav(SAMPLES, behind=behind)))
    assert seen.duration_seconds == pytest.approx(0.5, abs=0.01)


def test_a_wav_of_more_than_four_gigabytes_tells_its_length_elsewhere(tmp_path: Path) -> None:
    data = films.wav(SAMPLES, riff=0xFFFF_FFFF, data=0xFFFF_FFFF, name=b"RF64")
    assert inspect(put(tmp_path, "sound.wav", data)).duration_seconds == pytest.approx(0.5, abs=0.001)


@given(share=st.floats(0.01, 0.99))
@settings(max_examples=12, deadline=None)
def test_a_wav_that_breaks_off_is_incomplete(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = put(tmp_path_factory.mktemp("cut"), "cut.wav", media.cut(films.wav(SAMPLES), share))
    assert refusal(path).code in ("CORRUPT_FILE", "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "behind", [b"TAG" + b"A" * 125, struct.pack("<8sIIII8x", b"APETAGEX", 2000, 32, 0, 1 << 31), bytes(4000)]
)
def test_an_mp3_with_tags_behind_its_sound_is_as_long_as_its_sound(tmp_path: Path, behind: bytes) -> None:
    path = media.tone(tmp_path / "tone.mp3", 1.0)
    seconds = inspect(path).duration_seconds
    assert inspect(put(tmp_path, "tagged.mp3", path.read_bytes() + behind)).duration_seconds == pytest.approx(
        seconds, abs=0.1
    )


@pytest.mark.parametrize("samples", [1, 50, 1000])
def test_a_sound_of_a_moment_is_a_sound(tmp_path: Path, samples: int) -> None:
    path = put(tmp_path, "click.wav", films.wav(samples))
    assert inspect(path).duration_seconds == pytest.approx(samples / 44100, abs=0.001)
    assert len(render(path, tmp_path, "audio")) >= 3


@pytest.mark.parametrize(
    ("name", "codec", "sound", "mime_type"),
    [
        ("memo.webm", "libopus", "flt", "audio/webm"),
        ("sound.mkv", "aac", "fltp", "audio/x-matroska"),
        ("sound.mkv", "flac", "s16", "audio/x-matroska"),
        ("sound.mov", "aac", "fltp", "audio/mp4"),
        ("sound.mov", "pcm_s16le", "s16", "audio/mp4"),
        ("sound.mp4", "aac", "fltp", "audio/mp4"),
    ],
)
def test_sound_alone_in_a_film_container_is_sound(
    tmp_path: Path, name: str, codec: str, sound: str, mime_type: str
) -> None:
    films.silence(tmp_path / name, codec, 1.0, sound=sound)
    seen = inspect(tmp_path / name)
    assert (seen.kind, seen.mime_type) == ("audio", mime_type)
    assert seen.duration_seconds == pytest.approx(1.0, abs=0.05)
    assert [one.width for one in render(tmp_path / name, tmp_path, "audio")][:3] == [1280, 640, 320]


@pytest.mark.parametrize("char", ["\v", "\f", "\a", "\b", "\x1b", "\x1e", "\x1f"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_text_with_the_control_characters_of_word_processors_is_a_text(
    tmp_path: Path, char: str, encoding: str
) -> None:
    text = f"INT. STUDIO – DAY\n\nLALA\nThis one,{char}or nothing.\n"
    assert inspect(put(tmp_path, "script.txt", text.encode(encoding))).mime_type == "text/plain"


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b"\x1a" * 100])
@pytest.mark.parametrize("text", ["INT. STUDIO – DAY\n".encode(), "The café.\n".encode("cp1252")])
def test_a_text_with_the_end_mark_of_dos_is_a_text(tmp_path: Path, text: bytes, end: bytes) -> None:
    assert inspect(put(tmp_path, "script.txt", text + end)).mime_type == "text/plain"


@pytest.mark.parametrize("data", [b"a script\0of zeros\n" * 9, b"\x89PNG\r\n\x1a\n", b"\x01\x02\x03\x04" * 9])
def test_what_is_no_text_is_still_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Rejected):
        inspect(put(tmp_path, "script.txt", data))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("СЦЕНА 1. Лала открывает шкаф.\n", "cp1251"),
        ("СЦЕНА 1. Лала открывает шкаф.\n", "koi8-r"),
        ("ΣΚΗΝΗ 1. Η Λάλα ανοίγει.\n", "cp1253"),
        ("סצנה 1. לאלה פותחת.\n", "cp1255"),
        ("مشهد 1. لالا تفتح.\n", "cp1256"),
        ("ฉาก 1 ลาล่าเปิดตู้\n", "cp874"),
        ("場面1。ララは戸棚を開ける。\n", "cp932"),
        ("第一场。拉拉打开衣柜。\n", "gb18030"),
        ("장면 1. 랄라가 옷장을 연다.\n", "cp949"),
        ("Szene 1. Lala öffnet den Schrank.\n", "utf-16-le"),
        ("СЦЕНА 1. Лала открывает шкаф.\n", "utf-16-be"),
    ],
)
def test_a_text_is_a_text_in_the_usual_encoding_of_any_land(tmp_path: Path, text: str, encoding: str) -> None:
    assert inspect(put(tmp_path, "script.txt", text.encode(encoding))).mime_type == "text/plain"


@pytest.mark.parametrize("control", list(range(1, 32)))
def test_a_text_with_any_one_control_character_is_a_text(tmp_path: Path, control: int) -> None:
    text = f"INT. STUDIO - DAY{chr(control)}\n\nThis one, or nothing.\n"
    assert inspect(put(tmp_path, "script.txt", text.encode())).mime_type == "text/plain"


def test_a_text_that_is_filled_up_with_zeros_is_a_text(tmp_path: Path) -> None:
    assert inspect(put(tmp_path, "script.txt", b"Scene 1.\n" + bytes(500))).mime_type == "text/plain"


@pytest.mark.parametrize("behind", [b"\n\n", bytes(5000), b" \r\n\x1a"])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"\xef\xbb\xbf"])
def test_a_pdf_is_complete_whatever_blank_stands_around_it(tmp_path: Path, before: bytes, behind: bytes) -> None:
    data = before + b"%PDF-1.7\n1 0 obj <<>> endobj\nstartxref\n9\n%%EOF\n" + behind
    assert inspect(put(tmp_path, "script.pdf", data), name="script.pdf").mime_type == "application/pdf"


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_flac_behind_notes_of_id3_is_a_flac(tmp_path: Path, length: int) -> None:
    films.silence(tmp_path / "sound.flac", "flac", 1.0, sound="s16")
    size = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    data = b"ID3\x03\0\0" + size + bytes(length) + (tmp_path / "sound.flac").read_bytes()
    path = put(tmp_path, "tagged.flac", data)
    assert (inspect(path).mime_type, inspect(path).codec) == ("audio/flac", "flac")
    (tmp_path / "drawn").mkdir()
    assert len(render(path, tmp_path / "drawn", "audio")) == 3


def test_sound_alone_in_an_avi_is_told_to_be_so(tmp_path: Path) -> None:
    films.silence(tmp_path / "sound.avi", "pcm_s16le", 1.0, sound="s16")
    error = refusal(tmp_path / "sound.avi")
    assert error.code == "UNSUPPORTED_MEDIA_TYPE"
    assert error.message.startswith("The video holds sound, but no pictures.")


@pytest.mark.parametrize("first", [b"free", b"skip"])
def test_a_film_that_begins_with_free_space_is_a_film(tmp_path: Path, first: bytes) -> None:
    data = media.clip(tmp_path / "clip.mov", media.moving(12)).read_bytes()
    box = int.from_bytes(data[:4], "big").to_bytes(4, "big") + first  # in the place of what names the format
    assert inspect(put(tmp_path, "old.mov", box + data[8:])).mime_type == "video/quicktime"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"caff\0\1\0\0desc", "a CAF sound file"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "an MXF video"),
        ((b"G@\0\x10" + bytes(184)) * 5, "an AVCHD or transport-stream video"),
        ((bytes(4) + b"G@\0\x10" + bytes(184)) * 5, "an AVCHD or transport-stream video"),
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\0\0\0\x18ftyphevc\0\0\0\0", "a HEIC picture"),
        (b"FORM\0\0\0\0AIFC", "an AIFF sound file"),
    ],
)
def test_what_we_do_not_take_is_named_by_its_content(tmp_path: Path, start: bytes, words: str) -> None:
    error = refusal(put(tmp_path, "renamed.mp4", start + bytes(2000)))
    assert (error.code, f"looks like {words}" in error.message) == ("UNSUPPORTED_MEDIA_TYPE", True)


def test_a_wav_of_the_long_kind_out_of_a_pipe_is_as_long_as_it_plays(tmp_path: Path) -> None:
    data = bytearray(films.wav(SAMPLES, riff=0xFFFF_FFFF, data=0xFFFF_FFFF, name=b"RF64"))
    data[20:28] = data[28:36] = bytes(8)
    assert inspect(put(tmp_path, "sound.wav", bytes(data))).duration_seconds == pytest.approx(0.5, abs=0.001)

import struct
from pathlib import Path

import pytest

from pipeline.media.inspect import inspect
from tests import films, media
from tests.pipeline.media.test_inspect import put

LAZY = {"deadline": "realtime", "cpu-used": "8"}
QUICK = {"preset": "ultrafast"}


@pytest.mark.parametrize("quiet_first", [False, True])
def test_an_mp3_of_varying_bit_rate_is_as_long_as_it_plays(tmp_path: Path, quiet_first: bool) -> None:
    seconds = films.vbr_mp3(tmp_path / "sound.mp3", quiet_first)
    assert inspect(tmp_path / "sound.mp3").duration_seconds == pytest.approx(seconds, abs=0.1)


def test_two_mp3_files_in_one_are_as_long_as_both(tmp_path: Path) -> None:
    data = media.tone(tmp_path / "tone.mp3", 2.0).read_bytes()
    assert inspect(put(tmp_path, "twice.mp3", data + data)).duration_seconds == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize(
    ("format", "codec", "sound"),
    [
        ("webm", "libopus", "flt"),
        ("matroska", "aac", "fltp"),
        ("matroska", "pcm_s16le", "s16"),
        ("flac", "flac", "s16"),
        ("wav", "pcm_s16le", "s16"),
    ],
)
def test_a_sound_out_of_a_pipe_is_as_long_as_it_plays(tmp_path: Path, format: str, codec: str, sound: str) -> None:
    pipe = films.Pipe()
    films.silence(pipe, codec, 2.0, format=format, sound=sound)
    seen = inspect(put(tmp_path, "sound", bytes(pipe.data)))
    assert seen.kind == "audio"
    assert seen.duration_seconds == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("format", "codec", "options"),
    [("webm", "libvpx-vp9", LAZY), ("matroska", "libx264", QUICK), ("avi", "mpeg4", {"b": "1000000"})],
)
def test_a_clip_out_of_a_pipe_is_as_long_as_it_plays(
    tmp_path: Path, format: str, codec: str, options: dict[str, str]
) -> None:
    seen = inspect(put(tmp_path, "clip", films.live_clip(codec, format, media.moving(48), **options)))
    assert seen.kind == "video"
    assert seen.frame_rate == pytest.approx(24, abs=0.1)
    assert seen.duration_seconds == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("frames", [0, 5, 4000])
def test_an_avi_is_as_long_as_its_index(tmp_path: Path, frames: int) -> None:
    data = media.clip(tmp_path / "clip.avi", media.moving(36)).read_bytes()
    lying = films.patched(data, data.index(b"strh") + 8 + 32, big=False, value=frames)
    assert inspect(put(tmp_path, "lying.avi", lying)).duration_seconds == pytest.approx(1.5, abs=0.01)


def test_a_clip_is_as_long_as_its_edit_list_shows_of_it(tmp_path: Path) -> None:
    data = media.clip(tmp_path / "clip.mp4", media.moving(48)).read_bytes()
    shorter = films.patched(data, data.index(b"elst") + 12, big=True, value=1000)
    assert inspect(put(tmp_path, "edited.mp4", shorter)).duration_seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", QUICK),
        ("clip.mov", "libx264", QUICK),
        ("clip.mkv", "libx264", QUICK),
        ("clip.webm", "libvpx-vp9", LAZY),
    ],
)
def test_the_frame_rate_of_frames_at_their_own_times_is_their_mean(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    rate = films.uneven_clip(tmp_path / name, codec, media.SEED, **options)
    assert inspect(tmp_path / name).frame_rate == pytest.approx(rate, rel=0.03)


@pytest.mark.parametrize("told", [0.1, 100.0])
def test_a_flac_is_as_long_as_it_plays_whatever_its_header_tells(tmp_path: Path, told: float) -> None:
    films.silence(tmp_path / "sound.flac", "flac", 2.0, sound="s16")
    data = bytearray((tmp_path / "sound.flac").read_bytes())
    data[22:26] = round(told * 48000).to_bytes(4, "big")  # the lower bits of the number of samples
    assert inspect(put(tmp_path, "lying.flac", bytes(data))).duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("told", [100.0, 1_000_000.0])
def test_a_matroska_is_as_long_as_it_plays_whatever_its_header_tells(tmp_path: Path, told: float) -> None:
    data = bytearray(media.clip(tmp_path / "clip.mkv", media.moving(48)).read_bytes())
    place = data.index(bytes.fromhex("448988")) + 3
    data[place : place + 8] = struct.pack(">d", told)
    assert inspect(put(tmp_path, "lying.mkv", bytes(data))).duration_seconds == pytest.approx(2.0, abs=0.1)

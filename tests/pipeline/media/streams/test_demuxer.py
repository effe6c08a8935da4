import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import av
import pytest

from models.errors import Rejected
from pipeline.media.inspect import inspect
from pipeline.media.render import render
from tests import films, media
from tests.pipeline.media.test_inspect import put, refusal


def encode(path: Path, codec: str, pixels: str) -> Path:
    """Two frames by a codec."""
    with av.open(path, "w") as container:
        stream = cast("av.VideoStream", container.add_stream(cast("Any", codec), 24, options={"strict": "-2"}))
        stream.width, stream.height, stream.pix_fmt = 320, 180, pixels
        for image in media.moving(2):
            frame = av.VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mov", "prores_ks", "yuv422p10le"),
        ("clip.mov", "mjpeg", "yuvj420p"),
        ("clip.mov", "qtrle", "rgb24"),
        ("clip.mov", "png", "rgb24"),
        ("clip.mov", "cfhd", "yuv422p10le"),
        ("clip.avi", "huffyuv", "yuv422p"),
        ("clip.avi", "ffv1", "yuv420p"),
        ("clip.avi", "rawvideo", "yuv420p"),
        ("clip.avi", "mjpeg", "yuvj420p"),
        ("clip.mkv", "mpeg2video", "yuv420p"),
    ],
)
def test_what_studios_write_is_taken(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = encode(tmp_path / name, codec, pixels)
    assert inspect(path).codec == codec.removesuffix("_ks")
    assert len(render(path, tmp_path, "video")) >= 3


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.avi", "cinepak", "rgb24"),
        ("clip.avi", "asv1", "yuv420p"),
        ("clip.avi", "zmbv", "bgr0"),
        ("clip.mkv", "snow", "yuv420p"),
        ("clip.mov", "svq1", "yuv410p"),
    ],
)
def test_a_codec_that_is_not_on_the_list_is_refused_by_its_name(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    path = encode(tmp_path / name, codec, pixels)
    error = refusal(path)
    assert error.code == "UNSUPPORTED_MEDIA_TYPE"
    assert f"({codec})" in error.message
    with pytest.raises(Rejected):
        render(path, tmp_path, "video")


def test_a_codec_that_nobody_knows_is_refused_by_the_name_in_the_file(tmp_path: Path) -> None:
    mp4 = media.clip(tmp_path / "clip.mp4", media.moving(4)).read_bytes()
    avi = media.clip(tmp_path / "clip.avi", media.moving(4)).read_bytes()
    mkv = media.clip(tmp_path / "clip.mkv", media.moving(4)).read_bytes()
    unknown = {
        "xyz1": mp4.replace(b"avc1\0", b"xyz1\0"),
        "XYZ1": avi.replace(b"FMP4", b"XYZ1"),
        "V_MPEG4/ISO/XYZ": mkv.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"),
        "0x9999": films.wav().replace(b"\x10\0\0\0\1\0\1\0", b"\x10\0\0\0\x99\x99\1\0"),
    }
    for name, data in unknown.items():
        error = refusal(put(tmp_path, "unknown", data))
        assert (error.code, name in error.message) == ("UNSUPPORTED_MEDIA_TYPE", True), error.message


def test_an_encrypted_clip_is_told_to_be_encrypted(tmp_path: Path) -> None:
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
    clear = media.clip(tmp_path / "clear.mp4", media.moving(4))
    error = refusal(films.remuxed(clear, tmp_path / "locked.mp4", **options))
    assert (error.code, "encrypted" in error.message) == ("UNSUPPORTED_MEDIA_TYPE", True), error.message


OPENED = """
import sys
import av, av.logging
from pathlib import Path
from pipeline.media.streams.demuxer import open_container
av.logging.set_level(av.logging.ERROR)
with av.logging.Capture() as said, open_container(Path(sys.argv[1]), sys.argv[2]) as container:
    opened = [stream.type for stream in container.streams if stream.codec_context.is_open]
refused = sum("not on whitelist" in message for _, _, message in said)
print(len(opened), refused > 0)
"""


@pytest.mark.parametrize(("name", "mime_type"), [("clip.mp4", "video/mp4"), ("clip.webm", "video/webm")])
def test_a_look_at_the_streams_opens_no_decoder(tmp_path: Path, name: str, mime_type: str) -> None:
    path = media.clip(tmp_path / name, media.moving(4))
    look = subprocess.run(
        [sys.executable, "-c", OPENED, path, mime_type], check=True, capture_output=True, text=True, timeout=60
    )
    assert look.stdout.split() == ["0", "True"]

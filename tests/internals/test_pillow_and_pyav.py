"""What we lean on in Pillow and PyAV."""

import io
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import AvifImagePlugin, Image, ImageFile, TiffImagePlugin

from pipeline.media.streams.demuxer import _described, open_container
from tests import media
from tests.internals.table import checks

SIZE = (3, 2)


@checks("unpacking")
def test_libtiff_unpacks_a_directory_of_a_file_in_memory_into_a_picture() -> None:
    pixels, file = bytes(range(6)), io.BytesIO()
    Image.frombytes("L", SIZE, pixels).save(file, "TIFF", compression="tiff_lzw")
    (offset,) = struct.unpack("<I", file.getvalue()[4:8])
    image = Image.new("L", SIZE)
    decoder: Any = Image._getdecoder("L", "libtiff", ("L", 0, offset), ())
    decoder.setimage(image.im, (0, 0, *SIZE))
    assert decoder.decode(file.getvalue())[1] >= 0
    assert image.tobytes() == pixels
    broken: Any = Image._getdecoder("L", "libtiff", ("L", 0, offset), ())
    broken.setimage(image.im, (0, 0, *SIZE))
    assert broken.decode(b"II*\0" + bytes(40))[1] < 0


class Grey(ImageFile.ImageFile):
    """Opens nothing, and is grey once it is loaded."""

    format = "GREY"

    def _open(self) -> None:
        self._size, self._mode = SIZE, "L"

    def load(self) -> Any:
        if self._im is None:
            self.im = Image.new("L", SIZE, 9).im
        return Image.Image.load(self)


@checks("opened picture")
def test_a_picture_is_what_its_class_sets_when_it_opens_and_loads() -> None:
    picture = Grey(io.BytesIO(b"grey"))
    assert (picture.size, picture.mode, picture.format) == (SIZE, "L", "GREY")
    assert picture.convert("RGB").getpixel((2, 1)) == (9, 9, 9)


@checks("tiff")
def test_a_tiff_begins_with_one_of_the_prefixes_and_is_known_by_its_kind_of_samples() -> None:
    assert TiffImagePlugin.PREFIXES[-1] == b"MM+\0"
    big: Any = TiffImagePlugin.ImageFileDirectory_v2(b"MM+\0\0\x08\0\0" + struct.pack(">Q", 77))
    assert (big.prefix, big.next) == (b"MM", 77)
    assert TiffImagePlugin.OPEN_INFO[b"II", 2, (1,), 1, (8, 8, 8), ()] == ("RGB", "RGB")


@checks("avif threads")
def test_a_decoder_of_an_avif_takes_as_many_threads_as_we_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "AVIF")

    class Decoder(Exception):
        pass

    def decoder(_: bytes, __: str, threads: int) -> None:
        asked.append(threads)
        raise Decoder

    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 3)
    monkeypatch.setattr("PIL._avif.AvifDecoder", decoder)
    with pytest.raises(Decoder):
        Image.open(file, formats=["AVIF"])
    assert asked == [3]


@checks("description")
def test_ffmpeg_describes_a_track_by_its_number_and_codec(tmp_path: Path) -> None:
    with open_container(media.tone(tmp_path / "a.wav", 0.1), "audio/wav") as container:
        track = container.streams.audio[0]
        assert re.search(rf"Stream #0:{track.index}\b.*?: Audio: pcm_s16le \(", _described(container))
        assert track.codec_context.codec.canonical_name == "pcm_s16le"

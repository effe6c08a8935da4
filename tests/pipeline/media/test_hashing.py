import hashlib
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from pipeline.media.hashing import HashingWriter

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", [0, 1, 999, 65_537])
def test_what_is_written_is_hashed_and_counted_on_the_way(tmp_path: Path, rng: Random, size: int) -> None:
    chunks = [rng.randbytes(size) for _ in range(10)]
    with HashingWriter(tmp_path / "download") as writer:
        for chunk in chunks:
            writer.write(chunk)
    data = b"".join(chunks)
    assert (tmp_path / "download").read_bytes() == data
    assert writer.size == len(data)
    assert writer.hexdigest() == hashlib.sha256(data).hexdigest()


def test_a_large_file_is_hashed_in_constant_memory(tmp_path: Path) -> None:
    chunk = bytes(1_000_000)
    tracemalloc.start()
    with HashingWriter(tmp_path / "large") as writer:
        for _ in range(100):
            writer.write(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (writer.size, peak < 2_000_000) == (100_000_000, True)


def test_a_writer_starts_the_file_anew(tmp_path: Path) -> None:
    (tmp_path / "download").write_bytes(b"half of an earlier try")
    with HashingWriter(tmp_path / "download") as writer:
        pass
    assert (writer.hexdigest(), (tmp_path / "download").stat().st_size) == (EMPTY, 0)

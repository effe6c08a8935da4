import hashlib
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from pipeline.hashing import HashingWriter, sha256_of

SEED = 7
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_empty_file_has_the_known_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == EMPTY


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 65_537])
def test_the_size_of_the_chunks_does_not_change_the_hash(tmp_path: Path, size: int) -> None:
    data = Random(SEED).randbytes(size)
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(tmp_path / "file", chunk_size=1000) == hashlib.sha256(data).hexdigest()


def test_a_large_file_is_hashed_in_constant_memory(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    sha256_of(tmp_path / "large")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_what_is_written_is_hashed_and_counted_on_the_way(tmp_path: Path) -> None:
    chunks = [Random(SEED + number).randbytes(number * 100) for number in range(10)]
    with HashingWriter(tmp_path / "download") as writer:
        for chunk in chunks:
            writer.write(chunk)
    data = b"".join(chunks)
    assert (tmp_path / "download").read_bytes() == data
    assert writer.size == len(data)
    assert writer.hexdigest() == sha256_of(tmp_path / "download")


def test_a_writer_starts_the_file_anew(tmp_path: Path) -> None:
    (tmp_path / "download").write_bytes(b"half of an earlier try")
    with HashingWriter(tmp_path / "download"):
        pass
    assert sha256_of(tmp_path / "download") == EMPTY

"""References to stored objects, and file names fit to be part of one."""

import random
import re

import pytest

from models.errors import Invalid
from models.media.references import Reference, parse, safe_name


@pytest.mark.parametrize("key", ["a", "clip/x.jpg", "a b", "a%20b", "日本.jpg", "a?b#c", "a\u00a0b", "é\U0001f600"])
def test_a_reference_is_a_bucket_and_a_key(key: str) -> None:
    assert parse(f"s3://bucket/{key}") == Reference("bucket", key)
    assert str(parse(f"s3://bucket/{key}")) == f"s3://bucket/{key}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "http://bucket/key",
        "s3://b//k",
        "s3://b/../k",
        "s3://b/k/",
    ]
    + [f"s3://bucket/a{unseen}b" for unseen in "\n\r\t\0\x01\x7f\x85\u2028\ud800"]
    + ["s3://buc\nket/key", "s3://bucket/key\n"],
)
def test_what_is_no_reference_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(Invalid) as error:
        parse(text)
    assert error.value.field == "source_reference"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("look.jpg", "look.jpg"),
        ("日本.jpg", "file.jpg"),
        ("日本", "file"),
        ("été à Paris.JPG", "t-Paris.JPG"),
        (".jpg", "jpg"),
        ("..", "file"),
        ("", "file"),
        ("/", "file"),
        ("a/b/../../c.mp4", "c.mp4"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("look.", "look"),
        ("look.日本", "look"),
        ("-rf.mov", "rf.mov"),
        ("x" * 300 + ".jpg", "x" * 196 + ".jpg"),
        ("日" * 300 + ".jpg", "file.jpg"),
        ("look." + "x" * 300, "look." + "x" * 20),
    ],
)
def test_a_file_name_is_reduced_and_keeps_its_ending(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_no_file_name_escapes(rng: random.Random) -> None:
    for _ in range(5_000):
        name = "".join(rng.choices("ab.-_/\\ é日\0\n%", k=rng.randrange(260)))
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,200}", safe_name(name)), name
        assert safe_name(name).strip("."), name

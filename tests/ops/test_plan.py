"""Which files are found, and what is told of them before any server is asked."""

import os
from pathlib import Path

import pytest

from ops.errors import CommandError
from ops.ingest import title_of
from ops.outcome import Failed
from ops.plan import File, Item, Target, find, printable, read, type_of

CLIP = Target("clip")


def names(files: list[File]) -> list[str]:
    return [file.name for file in files]


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


async def plan(*paths: Path, target: Target = CLIP) -> dict[str, Item | str]:
    found = [(file.name, item) async for file, item in read(find(paths, target))]
    return {name: item.why.code if isinstance(item, Failed) else item for name, item in found}


def test_files_are_sorted_and_hidden_ones_skipped(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "day/c.jpg", ".hidden.jpg", ".git/d.jpg"):
        touch(tmp_path / "in" / name)
    assert names(find([tmp_path / "in"], CLIP)) == ["in/a.jpg", "in/b.jpg", "in/day/c.jpg"]


def test_a_name_does_not_depend_on_where_the_folder_is_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "in" / "a.jpg")
    monkeypatch.chdir(tmp_path / "in")
    assert names(find([Path()], CLIP)) == names(find([tmp_path / "in"], CLIP)) == ["in/a.jpg"]


def test_a_path_given_twice_is_one_file(tmp_path: Path) -> None:
    path = touch(tmp_path / "in" / "a.jpg")
    assert len(find([tmp_path / "in", path, path], CLIP)) == 1


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    assert names(find([tmp_path / "in"], CLIP)) == ["in/a.jpg"]


async def test_a_link_that_leads_nowhere_fails_alone(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "b.jpg").symlink_to(tmp_path / "gone.jpg")
    planned = await plan(tmp_path / "in")
    assert isinstance(planned["in/a.jpg"], Item)
    assert planned["in/b.jpg"] == "UNREADABLE"


async def test_a_file_that_vanishes_fails_alone(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.jpg")
    files = find([path], CLIP)
    path.unlink()
    ((_, item),) = [pair async for pair in read(files)]
    assert isinstance(item, Failed)
    assert item.why.code == "UNREADABLE"


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert find([tmp_path], CLIP) == []


def test_a_path_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or folder"):
        find([tmp_path / "nothing"], CLIP)


async def test_what_cannot_be_sent_is_told_without_a_server(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "empty.jpg", b"")
    touch(tmp_path / "in" / "notes.txt")
    with touch(tmp_path / "in" / "huge.png").open("ab") as huge:
        huge.truncate(10 * 1024 * 1024 + 1)
    assert await plan(tmp_path / "in") == {
        "in/empty.jpg": "EMPTY_FILE",
        "in/huge.png": "FILE_TOO_LARGE",
        "in/notes.txt": "UNSUPPORTED_MEDIA_TYPE",
    }


async def test_a_script_may_be_text(tmp_path: Path) -> None:
    planned = await plan(touch(tmp_path / "script.txt"), target=Target("episode", "e", "script"))
    assert isinstance(planned["script.txt"], Item)


async def test_results_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    sizes = [3_000_000, 10, 2_000_000, 20, 1_000_000, 30]
    for index, size in enumerate(sizes):
        touch(tmp_path / f"{index}.jpg", b"x" * size)
    items = [item async for _, item in read(find([tmp_path], CLIP))]
    assert [item.size for item in items if isinstance(item, Item)] == sizes


def test_a_name_without_an_ending_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    assert type_of(touch(tmp_path / "photo", b"\xff\xd8\xff\xe0" + bytes(300))) == "image/jpeg"
    assert type_of(touch(tmp_path / "photo.jpeg", b"text")) == "image/jpeg"
    assert type_of(touch(tmp_path / "clip.MKV", b"text")) == "video/x-matroska"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("summer_look-03.jpg", "Summer look 03"),
        ("day1/IMG_2041.JPG", "IMG 2041"),
        ("__.png", "Untitled"),
        ("über..das--kleid.webp", "Über das kleid"),
    ],
)
def test_a_title_is_the_file_name_made_readable(name: str, title: str) -> None:
    assert title_of(name) == title


def test_a_name_cannot_play_with_the_terminal() -> None:
    assert printable("red\x1b[31m.jpg") == "red�[31m.jpg"
    assert printable(os.fsdecode(b"bad\xff.jpg")) == "bad�.jpg"

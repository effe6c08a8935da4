"""Which files are found, and what is told of them before any server is asked."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.client.errors import FileFailed
from ops.errors import CommandError
from ops.ingest.junk import Junk, told
from ops.ingest.plan import Item, LocalFile, Target, find, named, printable, read, type_of
from ops.ingest.run import title_of

CLIP = Target("clip")


def names(files: list[LocalFile]) -> list[str]:
    return [file.name for file in files]


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


async def plan(*paths: Path, target: Target = CLIP) -> dict[str, Item | str]:
    found = [(file.name, item) async for file, item in read(find(paths, target))]
    return {name: item.why.code if isinstance(item, FileFailed) else item for name, item in found}


def test_files_are_sorted_and_hidden_ones_skipped(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "day/c.jpg", ".hidden.jpg", ".git/d.jpg"):
        touch(tmp_path / "in" / name)
    assert names(find([tmp_path / "in"], CLIP)) == ["in/a.jpg", "in/b.jpg", "in/day/c.jpg"]


SYSTEM = (
    "Thumbs.db",
    "THUMBS.DB",
    "desktop.ini",
    "Icon\r",
    ".DS_Store",
    "._look.jpg",
    "to the looks.lnk",
    "Thumbs.db:encryptable",
)
OF_BROWSERS = ("half.jpg.part", "dl.jpg.crdownload", "look.tmp", "~$script.docx", ".~lock.script.odt#", "a.jpg~")
UNFINISHED = (*OF_BROWSERS, "take.mp4.ytdl", "take.mp4.part-Frag3", "take.mov.dtapart", "take.mov.unfinished")
OF_CAMERAS = ("MVI_0001.THM", "DJI_0001.LRF", "GX010001.LRV", "C0001M01.XML", "DJI_0001.SRT", "INDEX.BDM", "00001.CPI")
SIDECARS = (*OF_CAMERAS, "look.xmp", "IMG_0001.AAE", "card.mhl", "A001C001.rmd", "IMG_0001.jpg.json")
JUNK = {"system file": SYSTEM, "unfinished file": UNFINISHED, "sidecar": SIDECARS, "hidden file": (".hidden.jpg",)}
JUNK_FOLDERS = ("@eaDir/look.jpg", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", ".Trashes")
CARD = ("PRIVATE/M4ROOT/THMBNL/C0001T01.JPG", "PRIVATE/M4ROOT/SUB/C0001S03.MP4", "looks.download/look.jpg")


def test_what_is_no_picture_and_no_film_is_skipped_and_counted(tmp_path: Path) -> None:
    for names_of in JUNK.values():
        for name in names_of:
            touch(tmp_path / "in" / name)
    for folder in JUNK_FOLDERS:
        touch(tmp_path / "in" / folder / "look.jpg")
    for name in (*CARD, "PRIVATE/M4ROOT/CLIP/C0001.MP4", "look.jpg"):
        touch(tmp_path / "in" / name)
    skipped: Counter[Junk] = Counter()
    found = find([tmp_path / "in"], CLIP, skipped)
    assert names(found) == ["in/look.jpg", "in/PRIVATE/M4ROOT/CLIP/C0001.MP4"]
    wanted = {kind: len(names_of) for kind, names_of in JUNK.items()}
    assert skipped == wanted | {"system folder": len(JUNK_FOLDERS) + len(CARD)}
    assert told(Counter({"sidecar": 1, "system file": 3})) == "skipped: 3 system files, 1 sidecar"


def test_junk_that_is_named_is_skipped_unless_it_is_meant_for_an_entity(tmp_path: Path) -> None:
    paths = [touch(tmp_path / "in" / name) for name in ("Thumbs.db", "look.jpg", "@eaDir/small.jpg")]
    assert names(find([*paths[:2], tmp_path / "in" / "@eaDir"], CLIP)) == ["look.jpg"]
    assert names(find([paths[0]], Target("clip", "e"))) == ["Thumbs.db"]


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
    assert isinstance(item, FileFailed)
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


async def test_a_refusal_is_safe_on_a_terminal_whatever_the_ending(tmp_path: Path) -> None:
    touch(tmp_path / os.fsdecode(b"look.\xff\x1b[1m"))
    ((_, item),) = [pair async for pair in read(find([tmp_path / os.fsdecode(b"look.\xff\x1b[1m")], CLIP))]
    assert isinstance(item, FileFailed)
    assert "This is a .\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[1m file" in item.why.message


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
        ("Screenshot 2026-05-12 at 4.42.48\u202fPM.jpg", "Screenshot 2026 05 12 at 4 42 48\u202fPM"),
        ("Look\u00a0final.jpg", "Look\u00a0final"),
        ("夏\u3000コーデ.jpg", "夏\u3000コーデ"),
        ("👩\u200d🎤 stage.jpg", "👩\u200d🎤 stage"),
        ("نمی\u200cخواهم.jpg", "نمی\u200cخواهم"),
        ("\N{KATAKANA LETTER KA}\N{COMBINING KATAKANA-HIRAGANA VOICED SOUND MARK}.jpg", "ガ"),
        ("\u3000.jpg", "Untitled"),
    ],
)
def test_a_title_is_the_file_name_made_readable(name: str, title: str) -> None:
    assert title_of(name) == title


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_of_a_name_only_what_would_break_the_line_is_replaced(name: str) -> None:
    assert len(f"{named(name)}.".splitlines()) == 1
    kept = [letter for letter, old in zip(named(name), name, strict=True) if letter == old]
    assert kept == [letter for letter in name if unicodedata.category(letter) not in ("Cc", "Zl", "Zp")]
    assert len(f"{printable(name)}.".splitlines()) == 1


def test_a_name_cannot_play_with_the_terminal() -> None:
    assert printable("\u202egpj.exe") == "\N{REPLACEMENT CHARACTER}gpj.exe"
    assert printable("red\x1b[31m.jpg") == "red�[31m.jpg"
    assert printable(os.fsdecode(b"bad\xff.jpg")) == "bad�.jpg"

"""What somebody reaches who has taken over a decoder: a real one, started as a worker starts it."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from models import dev_issuer, kernel
from models.errors import Fault
from models.kernel import Walls
from pipeline.media.inspect import inspect
from pipeline.media.protocol import RenderedThumbnail
from pipeline.media.render import render
from pipeline.media.sandbox import Sandbox
from tests import media
from tests.pipeline.media.isolation.compromised_decoder import DEEDS, NEEDS
from tests.stack import Stack

pytestmark = pytest.mark.programs

HERE = Path(__file__).parent
COMPROMISED = (sys.executable, "-P", str(HERE / "compromised_decoder.py"))

CLIPS = ("clip.mp4", "clip.mov", "clip.mkv", "clip.webm", "clip.avi")
SOUNDS = ("tone.mp3", "tone.m4a", "tone.wav", "tone.flac", "tone.ogg", "cover.mp3")
# What shows that those tests would see a hole: each is done where there is no cage, and nothing is harmed by it.
HARMLESS = (
    "read the worker's environment",
    "read the worker's command line",
    "read the issuer's key",
    "sign a token",
    "read the passwords",
    "read where the database is",
    "list the home",
    "walk through everything",
    "read another task's file",
    "read another task's file through its own root",
    "watch another task's folder",
    "read who has an account",
    "connect to the API",
    "connect to the database as its owner",
    "ask a name server",
    "connect to a socket that is a file",
    "connect to a socket without a file",
    "ask whether the worker lives",
    "have the worker signalled about a file",
    "hold the worker",
    "start a shell",
    "start processes",
    "have memory that is a file",
)
WITHOUT_LANDLOCK = (
    "read the worker's memory",
    "trace the worker",
    "connect to the API",
    "connect to the database as its owner",
    "ask whether the worker lives",
    "start a shell",
    "start processes",
    "cut another task's file",
    "lay a link that leads out",
    "lay a pipe",
)
WITHOUT_SECCOMP = (
    "read the worker's environment",
    "read the issuer's key",
    "read another task's file",
    "write into the home",
    "trace the worker",
    "start a shell",
)


def without(what: str, *program: str) -> tuple[str, ...]:
    """A program on a kernel that lacks something."""
    return (sys.executable, "-P", str(HERE / "older_kernel.py"), what, *program)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Path:
    """A home with all that is worth stealing."""
    home = tmp_path_factory.mktemp("cage") / "home"
    dev_issuer.key(home)
    (home / "services.json").write_text(json.dumps({"postgres_password": "hush"}))
    (home / "server.json").write_text(json.dumps({"environment": services}))
    (home / "scratch" / "1-another").mkdir(parents=True)
    (home / "scratch" / "1-another" / "source").write_bytes(media.jpeg())
    return home


@pytest.fixture(scope="module")
def told(home: Path, services: dict[str, str], server: Stack) -> Iterator[dict[str, str]]:
    """What the intruder knows already."""
    with socket.socket(socket.AF_UNIX) as listening:
        place = home.parent / "socket"
        listening.bind(str(place))
        listening.listen()
        yield {
            "home": str(home),
            "other": str(home / "scratch" / "1-another" / "source"),
            "database": services["MIGRATION_DATABASE_URL"],
            "port": str(server.port),
            "socket": str(place),
        }


@pytest.fixture(scope="module")
def own(home: Path) -> Path:
    """The file of the task that the intruder was given."""
    (home / "scratch" / "2-own").mkdir()
    path = home / "scratch" / "2-own" / "source"
    path.write_bytes(media.jpeg())
    return path


@pytest.fixture(scope="module")
async def caged(home: Path) -> AsyncIterator[Sandbox]:
    decoders = Sandbox(processes=1, program=COMPROMISED, scratch=home / "scratch")
    yield decoders
    await decoders.close()


@pytest.fixture(scope="module")
async def free(home: Path) -> AsyncIterator[Sandbox]:
    decoders = Sandbox(processes=1, program=COMPROMISED, scratch=home / "scratch", cage="off")
    yield decoders
    await decoders.close()


@pytest.fixture(scope="module")
async def older(home: Path) -> AsyncIterator[Sandbox]:
    decoders = Sandbox(processes=1, program=without("landlock", *COMPROMISED), scratch=home / "scratch")
    yield decoders
    await decoders.close()


@pytest.fixture(scope="module")
async def simpler(home: Path) -> AsyncIterator[Sandbox]:
    decoders = Sandbox(processes=1, program=without("seccomp", *COMPROMISED), scratch=home / "scratch")
    yield decoders
    await decoders.close()


@pytest.fixture(scope="module")
async def decoders() -> AsyncIterator[Sandbox]:
    """As workers have them."""
    real = Sandbox(processes=1, cage="required")
    yield real
    await real.close()


def sample(folder: Path, name: str) -> Path:
    """A file of each kind that we take."""
    path = folder / name
    if name in CLIPS:
        return media.clip(path, media.moving(12))
    if name in SOUNDS:
        return media.tone(path, 0.5, cover=media.encoded(media.scene((64, 64)), "JPEG") if "cover" in name else None)
    texts = {
        "script.pdf": b"%PDF-1.7\n1 0 obj <<>> endobj\nstartxref\n9\n%%EOF\n",
        "script.txt": "Szene 1. Öffne.".encode(),
    }
    path.write_bytes(texts[name] if name in texts else media.PICTURES[name]())
    return path


def hashes(written: Sequence[RenderedThumbnail]) -> list[str]:
    return [hashlib.sha256(Path(one.path).read_bytes()).hexdigest() for one in written]


async def outcome(decoders: Sandbox, own: Path, told: dict[str, str], deed: str) -> str:
    return (await decoders.inspect(own, name=json.dumps(told | {"deed": deed}))).codec or ""


def inode(path: Path) -> int:
    return path.stat().st_ino


def refused(outcome: str) -> bool:
    """By the kernel, and not for want of something to reach."""
    words = ("Permission denied", "not permitted", "not implemented", "refused by the kernel", "cross-device")
    bad = "connection is bad"  # as the database's library says where it gets no socket
    return outcome.startswith("refused: ") and any(word in outcome for word in (*words, bad))


def snapshot(home: Path) -> dict[str, tuple[object, ...]]:
    """All that could be changed of what is not the intruder's."""
    others = (path for path in home.rglob("*") if "decoder-" not in str(path) and path.name != "scratch")
    found = {path: path.lstat() for path in others}
    return {str(path): (seen.st_mode, seen.st_uid, seen.st_size, seen.st_mtime_ns) for path, seen in found.items()}


async def test_both_walls_stand_here(caged: Sandbox) -> None:
    await caged.warm()
    assert caged.walls == Walls(kernel.landlock(), seccomp=True)
    assert caged.walls.missing == []


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_decoder_that_was_taken_over_cannot(
    caged: Sandbox, own: Path, told: dict[str, str], home: Path, deed: str
) -> None:
    before = snapshot(home)
    assert refused(await outcome(caged, own, told, deed))
    assert snapshot(home) == before


@pytest.mark.parametrize("deed", HARMLESS)
async def test_without_a_cage_it_could(free: Sandbox, own: Path, told: dict[str, str], deed: str) -> None:
    assert not (await outcome(free, own, told, deed)).startswith("refused")


@pytest.mark.parametrize("need", NEEDS)
async def test_in_its_cage_it_can(caged: Sandbox, own: Path, told: dict[str, str], need: str) -> None:
    assert not (await outcome(caged, own, told, need)).startswith("refused")


@pytest.mark.parametrize("deed", WITHOUT_LANDLOCK)
async def test_where_landlock_is_missing_it_still_cannot(
    older: Sandbox, own: Path, told: dict[str, str], deed: str
) -> None:
    assert refused(await outcome(older, own, told, deed))


@pytest.mark.parametrize("deed", WITHOUT_SECCOMP)
async def test_where_seccomp_is_missing_it_still_cannot(
    simpler: Sandbox, own: Path, told: dict[str, str], deed: str
) -> None:
    assert refused(await outcome(simpler, own, told, deed))


async def test_a_decoder_says_which_walls_it_has(older: Sandbox, simpler: Sandbox) -> None:
    await older.warm()
    await simpler.warm()
    assert (older.walls, simpler.walls) == (Walls(0, seccomp=True), Walls(kernel.landlock(), seccomp=False))


@pytest.mark.parametrize("what", ["landlock", "seccomp"])
async def test_where_all_walls_are_required_it_does_not_begin_with_one(own: Path, what: str) -> None:
    decoders = Sandbox(processes=1, program=without(what, *COMPROMISED), cage="required")
    with pytest.raises(Fault) as caught:
        await decoders.inspect(own)
    assert caught.value.code == "INTERNAL"


@pytest.mark.parametrize(("what", "name"), [("landlock", "Landlock"), ("seccomp", "seccomp")])
def test_where_all_walls_are_required_a_worker_does_not_start_without_one(what: str, name: str) -> None:
    nowhere = {"DATABASE_URL": "postgresql://x:y@127.0.0.1:1/x", "REDIS_URL": "redis://:y@127.0.0.1:1/0"}
    environ = {"PATH": os.defpath, "EPISODES_DOTENV": "", **nowhere, "DECODER_CAGE": "required"}
    command = without(what, sys.executable, "-m", "pipeline.worker")
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout.count("\n")) == (1, 1)  # what it stands on
    assert ended.stderr == f"DECODER_CAGE: required, but the kernel, or the container around this, has no {name}\n"


async def test_of_root_it_keeps_no_power_but_to_pass_through_closed_folders(
    caged: Sandbox, own: Path, told: dict[str, str]
) -> None:
    seen = json.loads(await outcome(caged, own, told, "tell its privileges"))
    assert seen["effective"] in (0, 1 << 1, 1 << 2)
    assert seen["threads"] > 0


async def test_its_file_is_the_workers_own_and_no_copy(caged: Sandbox, own: Path, told: dict[str, str]) -> None:
    assert await outcome(caged, own, told, "tell which file it has") == str(inode(own))


async def test_nothing_of_a_task_is_there_at_the_next(caged: Sandbox, own: Path, told: dict[str, str]) -> None:
    assert await outcome(caged, own, told, "leave something behind") == "left"
    assert await outcome(caged, own, told, "tell what is in its folder") == "in/source"


@pytest.mark.parametrize("name", [*media.PICTURES, *CLIPS, *SOUNDS, "script.pdf", "script.txt"])
async def test_every_format_is_drawn_inside_as_outside(decoders: Sandbox, tmp_path: Path, name: str) -> None:
    source = sample(tmp_path, name)
    seen = await decoders.inspect(source, name=name)
    assert seen == inspect(source, name=name)
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    inside = await decoders.render(source, tmp_path / "inside", seen.kind)
    assert hashes(inside) == hashes(render(source, tmp_path / "outside", seen.kind))

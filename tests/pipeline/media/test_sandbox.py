import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import pytest
from structlog.testing import capture_logs

from models.entities import MB
from models.errors import Fault, JobError, Rejected
from pipeline.media import sandbox as module
from pipeline.media.sandbox import Sandbox
from tests import media

pytestmark = pytest.mark.programs

MISBEHAVING = (sys.executable, str(Path(__file__).parent / "misbehaving_decoder.py"))
QUICK = 5.0  # seconds within which a hostile file is done with


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """The real decoders, as workers have them."""
    decoders = Sandbox(processes=2)
    yield decoders
    await decoders.close()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where misbehaving decoders have their cells; our environment also holds secrets that they must not see."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        patch.setenv("DATABASE_URL", "postgresql://hush")
        yield folder


@pytest.fixture(scope="module")
async def wild(scratch: Path) -> AsyncIterator[Sandbox]:
    """One decoder that misbehaves when the file's name asks for it."""
    decoder = Sandbox(
        processes=1,
        cpu_seconds=1,
        wall_seconds=20,
        memory_bytes=1024 * MB,
        file_bytes=4 * MB,
        program=MISBEHAVING,
        scratch=scratch,
    )
    yield decoder
    await decoder.close()


async def told(decoder: Sandbox) -> tuple[int, str]:
    """The number of the decoder's process, and the names in its environment."""
    seen = await decoder.inspect(Path("tell"))
    return int(seen.mime_type), seen.codec or ""


def gone(process: int, seconds: float = 5.0) -> bool:
    """Whether a process has ended, or ends within some seconds."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def left(scratch: Path) -> list[Path]:
    """What decoders have in their folders."""
    return list(scratch.glob("decoder-*/**/*"))


def another_device(than: Path) -> Path:
    """A folder on another device, where the machine has one."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and memory.stat().st_dev != than.stat().st_dev else than


def read_only(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o444)
    return path


async def failure(decoder: Sandbox, deed: str) -> JobError:
    with pytest.raises(JobError) as caught:
        await decoder.inspect(Path(deed))
    return caught.value


async def test_a_picture_goes_through(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "look").write_bytes(media.jpeg(orientation=6))
    seen = await sandbox.inspect(tmp_path / "look", name="look.jpg")
    assert (seen.mime_type, seen.width, seen.height) == ("image/jpeg", 640, 360)
    written = await sandbox.render(tmp_path / "look", tmp_path, "image")
    assert [(one.size_variant, one.width, one.height) for one in written] == [
        ("primary", 1280, 720),
        ("medium", 640, 360),
        ("small", 320, 180),
    ]


async def test_a_clip_goes_through(sandbox: Sandbox, tmp_path: Path) -> None:
    path = media.clip(tmp_path / "clip.mp4", media.flat(6) + media.moving(6))
    assert (await sandbox.inspect(path)).codec == "h264"
    assert len(await sandbox.render(path, tmp_path, "video")) == 3


@pytest.mark.parametrize("name", media.HOSTILE)
async def test_a_hostile_file_is_refused_quickly(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(media.HOSTILE[name]())
    start = perf_counter()
    with pytest.raises(Rejected) as caught:
        await sandbox.render(path, tmp_path, (await sandbox.inspect(path, name=name)).kind)
    assert perf_counter() - start < QUICK
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("seed", range(5))
async def test_no_damage_to_a_good_file_kills_a_decoder(sandbox: Sandbox, tmp_path: Path, seed: int) -> None:
    for name, data in media.damaged(seed).items():
        path = tmp_path / name
        path.write_bytes(data)
        with suppress(Rejected):  # a Fault would say that a decoder died
            await sandbox.render(path, tmp_path, (await sandbox.inspect(path)).kind)


async def test_a_missing_file_is_our_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        await sandbox.inspect(tmp_path / "gone")
    assert caught.value.code == "INTERNAL"


@pytest.mark.parametrize("deed", ["segfault", "write", "leave"])
async def test_a_decoder_that_dies_is_told_and_replaced(wild: Sandbox, scratch: Path, deed: str) -> None:
    first, _ = await told(wild)
    error = await failure(wild, deed)
    assert isinstance(error, Fault)
    assert error.code == "DECODER_KILLED"
    assert error.poison
    assert gone(first)
    assert (await told(wild))[0] != first
    assert not [path for path in left(scratch) if path.is_file()], "what it had written goes with it"


async def test_who_uses_up_the_processors_time_is_refused_at_the_first_time(wild: Sandbox) -> None:
    first, _ = await told(wild)
    error = await failure(wild, "spin")
    assert (type(error), error.code, error.poison) == (Rejected, "CORRUPT_FILE", True)
    assert "takes far longer to draw than any picture" in error.message
    assert gone(first)
    assert (await told(wild))[0] != first


async def test_a_picture_has_less_of_the_processors_time_than_a_film(scratch: Path) -> None:
    decoder = Sandbox(processes=1, cpu_seconds=1000, picture_seconds=1, program=MISBEHAVING)
    picture = scratch / "spin"
    picture.write_bytes(media.jpeg())
    for work in (decoder.inspect(picture), decoder.render(picture, scratch, "image")):
        with pytest.raises(Rejected, match="takes far longer"):  # the clock would say TIMEOUT
            await work
    await decoder.close()


async def test_too_much_memory_is_refused_as_the_files_fault(wild: Sandbox) -> None:
    error = await failure(wild, "allocate")
    assert isinstance(error, Rejected)
    assert error.code == "CORRUPT_FILE"
    assert "memory" in error.message
    assert (await told(wild))[0]


@pytest.mark.parametrize("deed", ["mistake", "stumble"])
async def test_a_bug_of_ours_is_our_fault_and_our_log_tells_where_it_is(wild: Sandbox, deed: str) -> None:
    first, _ = await told(wild)
    with capture_logs() as lines:
        error = await failure(wild, deed)
    assert (type(error), error.code, error.poison) == (Fault, "INTERNAL", False)
    assert "damaged" not in error.message
    assert [f"in {deed}" in line["exception"] for line in lines if line["log_level"] == "error"] == [True]
    assert (await told(wild))[0] == first


async def test_a_folder_that_cannot_be_written_is_our_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "look").write_bytes(media.jpeg())
    with pytest.raises(Fault) as caught:
        await sandbox.render(tmp_path / "look", tmp_path / "gone", "image")
    assert caught.value.code == "INTERNAL"


async def test_too_many_open_files_are_our_fault(wild: Sandbox) -> None:
    error = await failure(wild, "open_many")
    assert (type(error), error.code) == (Fault, "INTERNAL")


async def test_a_decoder_that_hangs_is_stopped_by_the_wall_clock(scratch: Path) -> None:
    decoder = Sandbox(processes=1, wall_seconds=1.5, program=MISBEHAVING, cage="off", scratch=scratch)
    first, _ = await told(decoder)
    error = await failure(decoder, "breed")
    assert (type(error), error.code) == (Fault, "TIMEOUT")
    assert gone(first)
    assert gone(int((scratch / "grandchild").read_text())), "what it had started dies with it"
    await decoder.close()


async def test_a_library_that_prints_does_not_spoil_the_answers(wild: Sandbox) -> None:
    first, _ = await told(wild)
    assert (await wild.inspect(Path("babble"))).mime_type == "text/plain"
    assert (await told(wild))[0] == first


async def test_cancelling_kills_the_decoder_and_frees_its_place(wild: Sandbox) -> None:
    first, _ = await told(wild)
    work = asyncio.create_task(wild.inspect(Path("hang")))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert gone(first)
    assert (await told(wild))[0] != first


async def test_the_cpu_limit_is_each_tasks_own(wild: Sandbox) -> None:
    first, _ = await told(wild)
    path = Path(__file__)
    for _ in range(100):
        await wild.inspect(path, name="test.txt")
    assert (await told(wild))[0] == first


async def test_no_secret_reaches_a_decoder(wild: Sandbox) -> None:
    _, names = await told(wild)
    assert "PATH" in names
    assert "AWS" not in names
    assert "DATABASE" not in names


async def test_a_decoder_is_replaced_after_its_share(wild: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TASKS", 1)
    numbers = [(await told(wild))[0] for _ in range(3)]
    assert numbers[1] != numbers[2]
    assert gone(numbers[1])


async def test_no_more_decoders_run_than_asked_for_and_closing_leaves_no_zombie() -> None:
    decoders = Sandbox(processes=2, program=MISBEHAVING)
    numbers = {number for number, _ in await asyncio.gather(*(told(decoders) for _ in range(12)))}
    assert len(numbers) == 2
    await decoders.close()
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)  # a zombie would still be there to be signalled


@pytest.mark.parametrize("program", [("/nowhere/decoder",), (sys.executable, "-c", "import nothing_of_this_name")])
async def test_a_program_that_cannot_start_is_our_fault(program: tuple[str, ...]) -> None:
    decoders = Sandbox(processes=1, program=program)
    with pytest.raises(Fault) as caught:
        await decoders.inspect(Path("tell"))
    assert caught.value.code == "INTERNAL"


def test_it_works_on_a_loop_in_another_thread(tmp_path: Path) -> None:
    (tmp_path / "look").write_bytes(media.jpeg())
    widths: list[int | None] = []

    async def use() -> None:
        decoders = Sandbox(processes=1)
        widths.append((await decoders.inspect(tmp_path / "look")).width)
        await decoders.close()

    thread = threading.Thread(target=asyncio.run, args=(use(),))
    thread.start()
    thread.join()
    assert widths == [640]


ORPHAN = """
import asyncio, sys
from pathlib import Path
from pipeline.media.sandbox import Sandbox

async def main():
    decoders = Sandbox(processes=1, program=sys.argv[1:])
    print((await decoders.inspect(Path("tell"))).mime_type, flush=True)
    await decoders.inspect(Path("spin"))

asyncio.run(main())
"""


def test_no_decoder_outlives_a_worker_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN, *MISBEHAVING], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        decoder = int(worker.stdout.readline())
        assert not gone(decoder, 0)
        worker.send_signal(signal.SIGKILL)
    assert gone(decoder)


async def test_a_file_that_may_only_be_read_and_lies_on_another_device_is_looked_at_as_well(tmp_path: Path) -> None:
    decoders = Sandbox(processes=1, scratch=tmp_path)
    with TemporaryDirectory(dir=another_device(tmp_path)) as folder:
        path = read_only(Path(folder, "look"), media.jpeg())
        assert (await decoders.inspect(path)).width == 640
        assert len(await decoders.render(path, Path(folder), "image")) == 3
    await decoders.close()
    assert left(tmp_path) == []

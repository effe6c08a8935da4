"""Decoders in processes of their own, each with a memory cap, a CPU limit and a wall clock.

Files from outside are decoded here and nowhere else. A decoder does one thing at a time, told and answered as one
JSON line each; it has none of our secrets in its environment, it does not outlive us, and it sits in a cage
(`pipeline.media.isolation.cage`) from which it reaches one folder, its cell, that holds nothing but what it works on.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from models.build import PROJECT
from models.entities import MB, MediaKind
from models.errors import Broken, Fault, JobError, Rejected
from models.kernel import Walls
from models.media.types import Media
from models.settings import Cage
from pipeline.media.fair_semaphore import FairSemaphore
from pipeline.media.isolation.cell import Cell
from pipeline.media.protocol import (
    DecodeFailure,
    DecodeResult,
    DecodeTask,
    Done,
    Inspect,
    Limits,
    Ready,
    Refused,
    Render,
    RenderedThumbnail,
)

PROGRAM: Final = (sys.executable, "-P", "-m", "pipeline.media.decoder")
KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ")  # of our environment, in a decoder's
TASKS: Final = 200  # a decoder is replaced after so many, whatever a library may leak
SPARE: Final = 1  # decoder more than there are, for whose files none works while others' keep all busy
START_SECONDS: Final = 30.0  # for a decoder to be ready, on a machine that is busy
LONGEST_LINE: Final = MB
LONGEST_TRACE: Final = 8000  # characters of what broke in a decoder that our log takes

log = structlog.get_logger()
_answers: Final[msgspec.json.Decoder[DecodeResult]] = msgspec.json.Decoder(DecodeResult)


class Sandbox:
    """So many decoders, shared fairly, and one to spare; each is replaced when it dies, hangs or has done its share.

    It belongs to the event loop that first uses it, which may run in any thread that lives as long. ``walls`` are those
    of the decoder that was started last, None before the first. Files that lie where ``scratch`` is are not copied.
    """

    def __init__(
        self,
        *,
        processes: int | None = None,
        memory_bytes: int = 2048 * MB,
        cpu_seconds: int = 60,
        picture_seconds: int = 15,
        wall_seconds: float = 120.0,
        file_bytes: int = 64 * MB,
        program: Sequence[str] = PROGRAM,
        cage: Cage = "auto",
        scratch: Path | None = None,
    ) -> None:
        self.walls: Walls | None = None
        self._limits = Limits(
            memory_bytes=memory_bytes,
            cpu_seconds=cpu_seconds,
            picture_seconds=picture_seconds,
            file_bytes=file_bytes,
            parent=os.getpid(),
            cell="",
            cage=cage,
        )
        self._scratch = scratch
        self._wall_seconds = wall_seconds
        self._program = program
        self._processes = processes or os.cpu_count() or 1
        self._places = FairSemaphore(self._processes, SPARE)
        self._idle: list[_Decoder] = []
        self._all: set[_Decoder] = set()

    async def warm(self) -> None:
        """Start every decoder now, so that the first files need not wait for one."""
        while len(self._all) < self._processes + SPARE:
            self._idle.append(await self._start())

    @property
    def busy(self) -> int:
        """How many decoders work now."""
        return self._places.held

    async def inspect(self, path: Path, *, name: str = "") -> Media:
        """`pipeline.media.inspect.inspect` in a decoder.

        Raises:
            Rejected: as the function itself; CORRUPT_FILE, when the decoder used up its processor time.
            Fault: INTERNAL; DECODER_KILLED, when the decoder died; TIMEOUT, when its wall clock ran out.
            Broken: no decoder could be started.
        """
        done = await self._run(Inspect(path=_full(path), name=name))
        if done.media is None:
            raise _killed("answered nonsense")
        return done.media

    async def render(self, source: Path, folder: Path, kind: MediaKind) -> list[RenderedThumbnail]:
        """`pipeline.media.render.render` in a decoder; errors as `inspect`."""
        return (await self._run(Render(source=_full(source), folder=_full(folder), kind=kind))).thumbnails

    async def close(self) -> None:
        """End every decoder; what one of them was doing fails."""
        for decoder in tuple(self._all):
            await self._discard(decoder)

    async def _run(self, task: DecodeTask) -> Done:
        async with self._decoder() as decoder:
            answer = await decoder.perform(task, self._wall_seconds)
        if isinstance(answer, Refused):
            raise Rejected(answer.code, answer.message)
        if isinstance(answer, DecodeFailure):
            log.error("decoder broke", code=answer.code, exception=answer.trace[-LONGEST_TRACE:])
            raise Fault(answer.code, answer.message)
        return answer

    @asynccontextmanager
    async def _decoder(self) -> AsyncIterator["_Decoder"]:
        """A decoder to oneself. Whoever leaves with an error, or is cancelled, leaves a dead one behind."""
        async with self._places.place():
            decoder = await self._take()
            try:
                yield decoder
            except BaseException:
                await self._discard(decoder)
                raise
            if decoder.tasks >= TASKS:
                await self._discard(decoder)
            else:
                self._idle.append(decoder)

    async def _take(self) -> "_Decoder":
        """An idle decoder, or a new one: what died while it was idle is no file's fault."""
        while self._idle:
            decoder = self._idle.pop()
            if decoder.alive:
                return decoder
            await self._discard(decoder)
        return await self._start()

    async def _start(self) -> "_Decoder":
        try:
            decoder = await self._spawn(Cell.make(self._scratch))
        except OSError as error:
            raise _not_started() from error
        self._all.add(decoder)
        try:
            self.walls = await decoder.ready()
            self._refuse_gaps(self.walls)
        except BaseException:
            await self._discard(decoder)
            raise
        return decoder

    def _refuse_gaps(self, walls: Walls) -> None:
        if self._limits.cage == "required" and walls.missing:
            raise _not_started()

    async def _spawn(self, cell: Cell) -> "_Decoder":
        limits = msgspec.structs.replace(self._limits, cell=str(cell.folder))
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                msgspec.json.encode(limits).decode(),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_environment(cell),
                cwd="/",
                start_new_session=True,
                limit=LONGEST_LINE,
            )
        except BaseException:
            cell.remove()
            raise
        return _Decoder(process, cell)

    async def _discard(self, decoder: "_Decoder") -> None:
        self._all.discard(decoder)
        with suppress(ValueError):
            self._idle.remove(decoder)
        await decoder.kill()


class _Decoder:
    """One child process, asked one thing at a time."""

    def __init__(self, process: Process, cell: Cell) -> None:
        self.tasks = 0
        self._process = process
        self._cell = cell

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as the event loop has heard."""
        return self._process.returncode is None

    async def ready(self) -> Walls:
        """Wait for its first line: what goes wrong before it is not the fault of any file."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return msgspec.json.decode(await self._line(), type=Ready).walls
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise _not_started() from error

    async def perform(self, task: DecodeTask, seconds: float) -> DecodeResult:
        """Let a task's file into the cell, ask, and bring its pictures out; whatever happens, nothing is left there."""
        try:
            return self._brought_out(await self.ask(await self._admitted(task), seconds), task)
        finally:
            self._cell.clear()

    async def ask(self, task: DecodeTask, seconds: float) -> DecodeResult:
        self.tasks += 1
        try:
            async with asyncio.timeout(seconds):
                await self._write(msgspec.json.encode(task) + b"\n")
                return await self._read()
        except TimeoutError:
            message = f"Decoding the file took longer than {seconds:g} seconds and was stopped."
            raise Fault("TIMEOUT", message) from None
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise await self._death() from error

    async def _death(self) -> JobError:
        """Why there is no answer: the kernel's signal tells who used up its processor time."""
        await self._end()
        return _exhausted() if self._process.returncode == -signal.SIGXCPU else _killed("died")

    async def _write(self, line: bytes) -> None:
        if self._process.stdin is None:
            raise OSError("a decoder without a pipe for tasks")
        self._process.stdin.write(line)
        await self._process.stdin.drain()

    async def _read(self) -> DecodeResult:
        return _answers.decode(await self._line())

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise OSError("a decoder without a pipe for answers")
        return await self._process.stdout.readuntil(b"\n")

    async def _admitted(self, task: DecodeTask) -> DecodeTask:
        """The task as the decoder sees it."""
        if isinstance(task, Inspect):
            return msgspec.structs.replace(task, path=await self._cell.admit(task.path))
        source = await self._cell.admit(task.source)
        return msgspec.structs.replace(task, source=source, folder=str(self._cell.exit))

    def _brought_out(self, answer: DecodeResult, task: DecodeTask) -> DecodeResult:
        if not (isinstance(answer, Done) and isinstance(task, Render)):
            return answer
        try:
            moved = [self._cell.bring_out(one, task.folder) for one in answer.thumbnails]
        except ValueError as error:
            raise _killed("answered nonsense") from error
        except OSError as error:
            raise Fault("INTERNAL", "The thumbnails could not be written on our side.") from error
        return msgspec.structs.replace(answer, thumbnails=moved)

    async def kill(self) -> None:
        """End the decoder and all that it may have started, and wait until nothing is left of it."""
        await self._end()
        self._cell.remove()

    async def _end(self) -> None:
        if self._process.returncode is None:  # else its number may already be another's
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


def _not_started() -> Broken:
    return Broken("INTERNAL", "The program that decodes files could not be started on our side.")


def _killed(how: str) -> Fault:
    message = f"The program that decodes files {how} over this one; nothing else was harmed."
    return Fault("DECODER_KILLED", message, poison=True)


def _exhausted() -> Rejected:
    message = (
        "The file takes far longer to draw than any picture, film or sound of its kind, so we stopped. "
        "Open it in the program that it comes from, save it again, and send that."
    )
    return Rejected("CORRUPT_FILE", message, poison=True)


def _full(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - no look at the disk, which would hold up the loop


def _environment(cell: Cell) -> dict[str, str]:
    """Enough to find our own code, and not one secret."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "TMPDIR": str(cell.exit), "PYTHONPATH": str(PROJECT)}

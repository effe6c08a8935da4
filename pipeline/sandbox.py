"""Decoders in processes of their own, each with a memory cap, a CPU limit and a wall clock.

Files from outside are decoded here and nowhere else. A decoder does one thing at a time, told and answered as one
JSON line each; it has none of our secrets in its environment, and it does not outlive us.
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

from models.errors import Fault, JobError, Rejected
from models.media import MB, Kind, Media
from pipeline.decoder import Answer, Done, Failed, Inspect, Limits, Refused, Render, Task
from pipeline.thumbnails import Thumbnail

PROGRAM: Final = (sys.executable, "-P", "-m", "pipeline.decoder")
KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")  # of our environment, in a decoder's
TASKS: Final = 200  # a decoder is replaced after so many, whatever a library may leak
START_SECONDS: Final = 30.0  # for a decoder to be ready, on a machine that is busy
LONGEST_LINE: Final = MB
LONGEST_TRACE: Final = 8000  # characters of what broke in a decoder that our log takes

log = structlog.get_logger()
_answers: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)


class Sandbox:
    """So many decoders; each is started when first needed and replaced when it dies, hangs or has done its share.

    It belongs to the event loop that first uses it, which may run in any thread that lives as long.
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
    ) -> None:
        self._limits = Limits(
            memory_bytes=memory_bytes,
            cpu_seconds=cpu_seconds,
            picture_seconds=picture_seconds,
            file_bytes=file_bytes,
            parent=os.getpid(),
        )
        self._wall_seconds = wall_seconds
        self._program = program
        self._processes = processes or os.cpu_count() or 1
        self._places = asyncio.Semaphore(self._processes)
        self._idle: list[_Decoder] = []
        self._all: set[_Decoder] = set()

    async def warm(self) -> None:
        """Start every decoder now, so that the first files need not wait for one."""
        while len(self._all) < self._processes:
            self._idle.append(await self._start())

    async def inspect(self, path: Path, *, name: str = "") -> Media:
        """`pipeline.inspect.inspect` in a decoder.

        Raises:
            Rejected: as the function itself; CORRUPT_FILE, when the decoder used up its processor time.
            Fault: INTERNAL; DECODER_KILLED, when the decoder died; TIMEOUT, when its wall clock ran out.
        """
        done = await self._run(Inspect(path=_full(path), name=name))
        if done.media is None:
            raise _killed("answered nonsense")
        return done.media

    async def render(self, source: Path, folder: Path, kind: Kind) -> list[Thumbnail]:
        """`pipeline.render.render` in a decoder; errors as `inspect`."""
        task = Render(source=_full(source), folder=_full(folder), kind=kind)
        written = (await self._run(task)).thumbnails
        if any(os.path.dirname(thumbnail.path) != task.folder for thumbnail in written):  # noqa: PTH120 - text only
            raise _killed("answered nonsense")
        return written

    async def close(self) -> None:
        """End every decoder; what one of them was doing fails."""
        for decoder in tuple(self._all):
            await self._discard(decoder)

    async def _run(self, task: Task) -> Done:
        async with self._decoder() as decoder:
            answer = await decoder.ask(task, self._wall_seconds)
        if isinstance(answer, Refused):
            raise Rejected(answer.code, answer.message)
        if isinstance(answer, Failed):
            log.error("decoder broke", code=answer.code, exception=answer.trace[-LONGEST_TRACE:])
            raise Fault(answer.code, answer.message)
        return answer

    @asynccontextmanager
    async def _decoder(self) -> AsyncIterator["_Decoder"]:
        """A decoder to oneself. Whoever leaves with an error, or is cancelled, leaves a dead one behind."""
        async with self._places:
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
            decoder = _Decoder(await self._spawn())
        except OSError as error:
            raise _not_started() from error
        self._all.add(decoder)
        try:
            await decoder.ready()
        except BaseException:
            await self._discard(decoder)
            raise
        return decoder

    async def _spawn(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._program,
            msgspec.json.encode(self._limits).decode(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,
            limit=LONGEST_LINE,
        )

    async def _discard(self, decoder: "_Decoder") -> None:
        self._all.discard(decoder)
        with suppress(ValueError):
            self._idle.remove(decoder)
        await decoder.kill()


class _Decoder:
    """One child process, asked one thing at a time."""

    def __init__(self, process: Process) -> None:
        self.tasks = 0
        self._process = process

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as the event loop has heard."""
        return self._process.returncode is None

    async def ready(self) -> None:
        """Wait for its first line: what goes wrong before it is not the fault of any file."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._read()
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise _not_started() from error

    async def ask(self, task: Task, seconds: float) -> Answer:
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
        await self.kill()
        return _exhausted() if self._process.returncode == -signal.SIGXCPU else _killed("died")

    async def _write(self, line: bytes) -> None:
        if self._process.stdin is None:
            raise OSError("a decoder without a pipe for tasks")
        self._process.stdin.write(line)
        await self._process.stdin.drain()

    async def _read(self) -> Answer:
        if self._process.stdout is None:
            raise OSError("a decoder without a pipe for answers")
        return _answers.decode(await self._process.stdout.readuntil(b"\n"))

    async def kill(self) -> None:
        """End the decoder and all that it may have started, and wait until nothing is left of it."""
        if self._process.returncode is None:  # else its number may already be another's
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


def _not_started() -> Fault:
    return Fault("INTERNAL", "The program that decodes files could not be started on our side.")


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


def _environment() -> dict[str, str]:
    """Enough to find our own code, and not one secret."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1])}

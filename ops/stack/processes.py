"""Child processes: each in a session of its own, dying with its parent, started again when it dies alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from ops.errors import CommandError
from ops.stack import logs

LAUNCH: Final = Path(__file__).with_name("launch.py")
LONGEST_PAUSE: Final = 30.0  # seconds between two attempts to start what keeps dying
SETTLED: Final = 10.0  # seconds after which a start counts as having worked


class StartFailed(CommandError):
    """Something did not start; the message says what, and what to do about it."""


@dataclass(frozen=True)
class User:
    """Whom a child runs as; with ``passage`` it may enter directories that are closed to that user."""

    uid: int
    gid: int
    passage: bool = False
    low_ports: bool = False  # it may listen on those that are root's

    def __str__(self) -> str:
        wishes = {"passage": self.passage, "low-ports": self.low_ports}
        return ":".join((str(self.uid), str(self.gid), *(name for name, wish in wishes.items() if wish)))


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run: an absolute command, where, as whom, and how it is asked to stop."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | None = None  # None: the terminal of the parent
    directory: Path | None = None
    user: User | None = None
    input: bytes = b""  # for its standard input, at most what a pipe holds
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM  # sent by the kernel when the parent is gone
    patience: float = 4.0  # seconds from the stop signal to SIGKILL
    prepare: Callable[[], None] = field(default=lambda: None)
    ready: Callable[[], bool] = field(default=lambda: True)


class Process:
    """A program and the one process that runs it, if any."""

    def __init__(self, program: Command) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._early_deaths = 0
        self._due: float | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it lives."""
        return self._process.pid if self._process and self.alive else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._exit() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code when the process has ended; minus the number of the signal that ended it."""
        return self._exit()

    @property
    def ready(self) -> bool:
        """Whether the process runs and does its work."""
        return self.alive and self.program.ready()

    def spawn(self) -> None:
        """Start the process, without waiting until it is ready."""
        if not self.alive:
            self.program.prepare()
            self._process = _spawn(self.program)
            self._started = time.monotonic()
            self._due = None

    def start(self, within: float = 60.0) -> None:
        """Start the process and wait until it is ready.

        Raises:
            StartFailed: with the end of its log, when it dies or is not ready within that many seconds.
        """
        self.spawn()
        self.await_ready(within)

    def check(self) -> None:
        """Raise StartFailed, with the end of the log, if the process is dead."""
        if not self.alive:
            raise StartFailed(self._complaint())

    def await_ready(self, within: float = 60.0) -> None:
        """Wait until the process is ready. Raises StartFailed as ``start`` does."""
        deadline = time.monotonic() + within
        while not self.ready:
            self.check()
            if time.monotonic() > deadline:
                raise StartFailed(self._complaint())
            time.sleep(0.005)

    def run(self) -> int:
        """Run the program to its end; its exit code."""
        self.spawn()
        while (code := self._exit()) is None:
            time.sleep(0.005)
        return code

    def complete(self) -> None:
        """Run the program to its end. Raises StartFailed, with the end of its log, when it does not end with 0."""
        if self.run() != 0:
            raise StartFailed(self._complaint())

    def keep(self) -> bool:
        """Start the process again if it died alone: at once, or after growing pauses if it keeps dying early.

        Returns:
            Whether it was started now.
        """
        if self._process is None or self.alive:
            return False
        if self._due is None:
            self._due = time.monotonic() + self._pause()
        if time.monotonic() < self._due:
            return False
        self.spawn()
        return True

    def restart(self) -> None:
        """Stop the process and start it anew."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Ask the process to stop, wait, and kill what is still there when the patience ends."""
        self.ask_to_stop()
        self.await_end()

    def ask_to_stop(self) -> None:
        """Send the stop signal."""
        if self._process and self.alive:
            self._process.send_signal(self.program.stop_signal)

    def await_end(self) -> None:
        """Wait for the process's end, helped by SIGKILL when the patience ends."""
        deadline = time.monotonic() + self.program.patience
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._process and self.alive:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _exit(self) -> int | None:
        """The exit code if the process has ended; what is left of its process group ends with it."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            with suppress(ProcessLookupError, PermissionError):  # before it is reaped, so that the id is still its own
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        code: int | None = process.returncode
        return code

    def _pause(self) -> float:
        settled = time.monotonic() - self._started > SETTLED
        self._early_deaths = 0 if settled else self._early_deaths + 1
        return min(LONGEST_PAUSE, 0.25 * 2**self._early_deaths) if self._early_deaths > 1 else 0.0

    def _complaint(self) -> str:
        code = self._exit()
        what = "did not become ready" if code is None else f"ended with code {code}"
        log = self.program.log
        return f"{self.program.name} {what}" + (f"; the end of {log}:\n{logs.tail(log)}" if log else "")


def _spawn(program: Command) -> subprocess.Popen[bytes]:
    with _output(program.log) as output:
        process = subprocess.Popen(
            (*_launcher(program), *program.command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=program.directory,
            env=program.environment,
            start_new_session=True,
        )
    with suppress(BrokenPipeError):
        _feed(process.stdin, program.input)
    return process


def _feed(pipe: IO[bytes] | None, data: bytes) -> None:
    if pipe is not None:
        with pipe:
            pipe.write(data)


def _launcher(program: Command) -> tuple[str, ...]:
    parent, signal_number = str(os.getpid()), str(int(program.death_signal))
    return (sys.executable, "-I", "-S", str(LAUNCH), parent, signal_number, str(program.user or "-"))


@contextmanager
def _output(log: Path | None) -> Iterator[IO[bytes] | None]:
    """The log to append to, or None for the parent's own output."""
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "ab") as opened:
        yield opened


def await_leftovers(directory: Path, executable: str, patience: float = 10.0) -> None:
    """Wait until no process of a killed run works in a directory any more, and help when the patience ends.

    A caller that holds the home's lock knows that such a process belongs to nobody.
    """
    deadline = time.monotonic() + patience
    while left := leftovers(directory, executable):
        if time.monotonic() > deadline:
            _kill(left)
        time.sleep(0.01)


def leftovers(directory: Path, executable: str) -> list[int]:
    """The ids of the processes of an executable that work in a directory (where ``/proc`` tells).

    What conceals where it works names the directory among its arguments.
    """
    processes = Path("/proc").glob("[0-9]*")
    return [int(one.name) for one in processes if _works_in(one, directory, executable)]


def _works_in(process: Path, directory: Path, executable: str) -> bool:
    program, *arguments = _arguments(process) or [""]
    if program == executable and str(directory) in arguments:
        return True
    name = Path(_link(process / "exe").removesuffix(" (deleted)")).name
    return _link(process / "cwd") == str(directory) and name == Path(executable).resolve().name


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # another user's, or gone
        return ""


def _kill(processes: list[int]) -> None:
    for one in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)

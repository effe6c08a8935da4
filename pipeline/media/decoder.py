"""The program inside the sandbox: one task a line on standard input, one answer a line on standard output.

``python -m pipeline.media.decoder LIMITS``; ended by the end of its input, or by its parent's death.
"""

import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from models.errors import Fault, Rejected
from pipeline.media.decode_errors import too_much_memory
from pipeline.media.file_types import head_of, media_type
from pipeline.media.inspect import inspect
from pipeline.media.isolation import cage
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
)
from pipeline.media.render import render

DESCRIPTORS: Final = 64
THREADS: Final = 1024  # that may begin while a decoder lives, before it can have none itself
PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38


def perform(task: DecodeTask) -> Done:
    """Do a task; errors as `inspect` and `render`."""
    if isinstance(task, Inspect):
        return Done(media=inspect(Path(task.path), name=task.name))
    return Done(thumbnails=render(Path(task.source), Path(task.folder), task.kind))


def answer(task: DecodeTask, work: Callable[[DecodeTask], Done]) -> DecodeResult:
    """Do a task by ``work`` and never raise: every error is an answer, and one that nobody foresaw is our fault."""
    try:
        return work(task)
    except Rejected as error:
        return _refused(error)
    except Fault as error:
        return DecodeFailure(code=error.code, message=error.message, trace=traceback.format_exc())
    except MemoryError:
        return _refused(too_much_memory("file"))
    except Exception:
        message = "Something went wrong on our side while the file was looked at; it has been logged."
        return DecodeFailure(code="INTERNAL", message=message, trace=traceback.format_exc())


def _refused(error: Rejected) -> Refused:
    return Refused(code=error.code, message=error.message)


def main(work: Callable[[DecodeTask], Done] = perform) -> None:
    """Enter the cage, then serve tasks until the input ends; ``work`` does one."""
    limits = msgspec.json.decode(sys.argv[-1], type=Limits)
    _die_with(limits.parent)
    answers = _own_output()
    _limit(limits)
    _say(answers, Ready(walls=cage.enter(limits.cage, Cell(Path(limits.cell)))))
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=DecodeTask)
        _allow_cpu(limits.picture_seconds if _on_picture(task) else limits.cpu_seconds)
        _say(answers, answer(task, work))


def _say(answers: BinaryIO, what: Ready | DecodeResult) -> None:
    answers.write(msgspec.json.encode(what) + b"\n")
    answers.flush()


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _own_output() -> BinaryIO:
    """The pipe of answers, out of reach of a library that prints."""
    pipe = os.dup(sys.stdout.fileno())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return os.fdopen(pipe, "wb")


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_threads()
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; whoever writes without end shall end


def _limit_threads() -> None:
    """So many more than all that run here: the kernel counts those of the same user, ours or not."""
    try:
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    limit = running + THREADS if hard == resource.RLIM_INFINITY else min(running + THREADS, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))


def _on_picture(task: DecodeTask) -> bool:
    if isinstance(task, Render):
        return task.kind == "image"
    with suppress(OSError), Path(task.path).open("rb") as file:
        return (media_type(head_of(file)) or "").startswith("image/")
    return False  # the task itself will find out what is wrong with the file


def _allow_cpu(seconds: int) -> None:
    """So many seconds more than were used until now; the kernel kills whoever takes longer."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()

"""The cage of a decoder: what a flaw in a codec would give to a stranger is this process, a file and a folder.

Entered once, before the first file, and never left. Landlock leaves it the code that it runs and its own cell,
seccomp neither other processes nor the network; neither needs a privilege.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from models import kernel, process_privacy
from models.build import PROJECT
from models.kernel import Walls
from models.settings import Cage, SettingsError
from pipeline.media.isolation import landlock, seccomp
from pipeline.media.isolation.cell import Cell

OURS: Final = ("models", "pipeline")  # not all of the project: a home may lie in it, with its keys
# Of the system: libraries, and what they look up when they are first asked.
SYSTEM: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/urandom",
)
NOWHERE: Final = Path(os.devnull)

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION: Final = 0x20080522

LIBC: Final = ctypes.CDLL(None, use_errno=True)


def demand(cage: Cage) -> None:
    """Whether files may be decoded here.

    Raises:
        SettingsError: a whole cage is required, and the kernel has none.
    """
    if cage == "required" and (missing := kernel.available().missing):
        names = " and no ".join(missing)
        raise SettingsError(f"DECODER_CAGE: required, but the kernel, or the container around this, has no {names}")


def enter(cage: Cage, cell: Cell) -> Walls:
    """Give up for good all that a decoder does not need; what holds it now.

    Raises:
        RuntimeError: threads run that would stay outside.
        OSError: the kernel has what it takes, and refuses.
    """
    if cage == "off":
        return Walls()
    _refuse_threads()
    process_privacy.conceal()
    LIBC.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities()
    held = landlock.restrict(read=[*_code(), cell.entrance], write=[cell.exit, NOWHERE])
    return Walls(held, seccomp.restrict())


def _code() -> Iterator[Path]:
    """What Python reads as it goes on: modules that are imported late, their data, libraries."""
    yield from (PROJECT / name for name in OURS)
    for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}:
        yield from (Path(prefix, name) for name in {"lib", sys.platlibdir})
    yield from map(Path, SYSTEM)


def _refuse_threads() -> None:
    """Landlock holds the thread that asks, and what that starts later."""
    with suppress(FileNotFoundError):  # no /proc
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            raise RuntimeError("a decoder enters its cage before it has threads")


def _drop_capabilities() -> None:
    """Root's powers go, but the least one that passes through closed folders: our own code may lie behind them."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same of the higher numbers
    LIBC.capget(header, sets)
    kept = sets[1] & 1 << CAP_DAC_READ_SEARCH or sets[1] & 1 << CAP_DAC_OVERRIDE
    LIBC.capset(header, (ctypes.c_uint32 * 6)(kept, kept))

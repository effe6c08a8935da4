"""What the kernel under this process has to hold a decoder."""

import ctypes
import os
import sys
from typing import Final

import msgspec

CREATE_RULESET, VERSION = 444, 1
SECCOMP: Final = {"x86_64": 317, "aarch64": 277}  # the call's number on the machines whose calls we know
GET_ACTION_AVAILABLE, ERROR = 2, 0x00050000

LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Walls(msgspec.Struct, frozen=True):
    """Landlock of this version (0: none), and seccomp or not."""

    landlock: int = 0
    seccomp: bool = False

    @property
    def missing(self) -> list[str]:
        """The names of those that are not there."""
        names = {"Landlock": bool(self.landlock), "seccomp": self.seccomp}
        return [name for name, there in names.items() if not there]


def available() -> Walls:
    """What a decoder would be held by, were it started here now."""
    return Walls(landlock(), seccomp())


def landlock() -> int:
    """The version of Landlock that the kernel has; 0 where it has none, or a container keeps it from us."""
    if sys.platform != "linux":
        return 0
    return max(0, int(LIBC.syscall(CREATE_RULESET, None, 0, VERSION)))


def seccomp() -> bool:
    """Whether the kernel filters calls, and we know the numbers that it gives them here."""
    if sys.platform != "linux" or os.uname().machine not in SECCOMP or sys.maxsize < 2**32:
        return False
    action = ctypes.c_uint32(ERROR)
    return int(LIBC.syscall(SECCOMP[os.uname().machine], GET_ACTION_AVAILABLE, 0, ctypes.byref(action))) == 0

"""Become another program: as the right user, and dying with the parent. Run as a script, before every child.

It stands between fork and exec so that the supervisor needs no code of its own there, which is unsafe beside
threads. Only the standard library, because it runs isolated (``python -I -S``) to cost a few milliseconds.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE = 1, 2, 10
GIVING = (0, CAP_DAC_OVERRIDE, 3, 6, 7)  # to give files to somebody and become them: chown, fowner, setgid, setuid
CAPABILITY_VERSION = 0x20080522
LIBC = ctypes.CDLL(None, use_errno=True)


class Header(ctypes.Structure):
    """The kernel's ``cap_user_header_t``."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Sets(ctypes.Structure):
    """The kernel's ``cap_user_data_t``, for 32 of the capabilities."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def passage() -> int | None:
    """The least capability at hand that lets a process pass through directories closed to it, or None."""
    return next((one for one in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if held(one)), None)


def held(*capabilities: int) -> bool:
    """Whether this process has them all."""
    sets = (Sets * 2)()
    LIBC.capget(ctypes.byref(Header(CAPABILITY_VERSION, 0)), sets)
    return all(sets[0].permitted & 1 << one for one in capabilities)


def become(uid: int, gid: int, capabilities: Sequence[int]) -> None:
    """Change the user for good, keeping nothing of the old one's power but these capabilities."""
    LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    _keep_only(capabilities)


def die_with(parent: int, signal: int) -> None:
    """Ask for a signal at the parent's death, and leave at once if it is dead already.

    Comes after the change of user, which would cancel the request.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def _keep_only(capabilities: Sequence[int]) -> None:
    bits = sum(1 << capability for capability in capabilities)
    sets = (Sets * 2)(Sets(bits, bits, bits))
    LIBC.capset(ctypes.byref(Header(CAPABILITY_VERSION, 0)), sets)
    for capability in capabilities:  # ambient, so that it outlives exec
        LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _wished(wishes: Sequence[str]) -> list[int]:
    found = {"passage": passage(), "low-ports": CAP_NET_BIND_SERVICE}
    return [capability for name, capability in found.items() if name in wishes and capability is not None]


def main(arguments: Sequence[str]) -> None:
    """``launch.py PARENT SIGNAL -|UID:GID[:passage][:low-ports] COMMAND…``"""
    parent, signal, user, *command = arguments
    if user != "-":
        uid, gid, *wishes = user.split(":")
        become(int(uid), int(gid), _wished(wishes))
    if sys.platform == "linux":
        die_with(int(parent), int(signal))
    os.execv(command[0], command)  # noqa: S606 - this is what it is for


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"{sys.argv[4]}: {error}")

"""Landlock: the files that a process may still reach, chosen by itself, for good and for all that it starts.

Only what is named stays open. From its fourth version on no TCP either, and from its sixth no signals and no abstract
sockets to anybody outside. No privilege is needed; see landlock(7).
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models import kernel
from models.kernel import CREATE_RULESET

ADD_RULE, RESTRICT_SELF = 445, 446  # the numbers are the same everywhere
PATH_BENEATH: Final = 1

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
OF_FILES: Final = WRITE_FILE | READ_FILE | TRUNCATE  # all others are rights of directories
READING: Final = READ_FILE | READ_DIR
WRITING: Final = READING | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE

FILE_RIGHTS: Final = (13, 14, 15, 15, 16)  # how many of them each version knows; later ones know no more
TCP, TCP_SINCE = 0b11, 4
SCOPES, SCOPES_SINCE = 0b11, 6

LIBC: Final = ctypes.CDLL(None, use_errno=True)


def restrict(read: Iterable[Path], write: Iterable[Path]) -> int:
    """Leave this thread, and all that it starts, these paths alone; the version that holds it, or 0.

    Raises:
        OSError: the kernel has Landlock, and refuses.
    """
    if not (known := kernel.landlock()):
        return 0
    rules = _checked(CREATE_RULESET, *_ruleset(known))
    try:
        for paths, rights in ((read, READING), (write, WRITING)):
            for path in paths:
                _allow(rules, path, rights & _file_rights(known))
        _checked(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return known


def _file_rights(known: int) -> int:
    return (1 << FILE_RIGHTS[min(known, len(FILE_RIGHTS)) - 1]) - 1


def _ruleset(known: int) -> tuple[bytes, int, int]:
    """Everything is refused that this version can refuse. An older kernel takes what it does not know while it is 0."""
    tcp = TCP if known >= TCP_SINCE else 0
    scopes = SCOPES if known >= SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", _file_rights(known), tcp, scopes)
    return attributes, len(attributes), 0


def _allow(rules: int, path: Path, rights: int) -> None:
    """A path that is not there needs no rule."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        of_it = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & OF_FILES
        _checked(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", of_it, place), 0)
    finally:
        os.close(place)


def _checked(*arguments: int | bytes | None) -> int:
    done = _call(*arguments)
    if done < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused")
    return done


def _call(*arguments: int | bytes | None) -> int:
    return int(LIBC.syscall(*arguments))

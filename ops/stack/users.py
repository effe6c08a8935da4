"""Whom the services and programs of a home run as: root gives way to somebody who may do less.

PostgreSQL refuses root, and the others serve strangers. What a home holds belongs to that user, and nobody else may
enter it.
"""

import os
import pwd
import stat
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from models.build import PROJECT
from ops.stack import launch
from ops.stack.processes import User

GIVEN: Final = ("issuer", "scratch", "metrics", "valkey", "objects")  # what programs write in
KEPT: Final = ("lock", "logs", "postgres", "postgres.draft", "services.json", "server.json", "seed.json")
LOWEST_OPEN_PORT: Final = 1024


def owner_of(home: Path) -> pwd.struct_passwd:
    """Who owns the data, where that is not root; else nobody."""
    for place in (home / "postgres", home):
        if place.exists() and place.stat().st_uid != 0:
            return _account(place.stat().st_uid)
    return pwd.getpwnam("nobody")


def user_of(home: Path, *places: Path, ports: tuple[int, ...] = ()) -> User | None:
    """Whom a child runs as that works on a home and has to reach other places.

    None where we are not root, and where root cannot give that user what it needs to get there: then as we do.
    """
    if os.geteuid() != 0:
        return None
    account = owner_of(home)
    closed = not all(_open_to(account, place) for place in (home, *places))
    if closed and launch.passage() is None:
        return None
    low = any(0 < port < LOWEST_OPEN_PORT for port in ports)
    return User(account.pw_uid, account.pw_gid, passage=closed, low_ports=low)


def of_python(home: Path, *, ports: tuple[int, ...] = ()) -> User | None:
    """Whom our own programs run as."""
    if not may_give():
        return None
    spec = find_spec("msgspec")
    places = (PROJECT / "models" / "process.py", Path(sys.executable).resolve(), Path(os.__file__))
    return user_of(home, *places, *([Path(spec.origin)] if spec and spec.origin else []), ports=ports)


def told(user: User | None) -> str:
    """What a person should know of whom the programs run as; nothing where that is as expected."""
    if os.geteuid() != 0:
        return ""
    if user is None:
        return "The programs run as root: this process has not the power to give files to another user and become it."
    name = _account(user.uid).pw_name
    passing = ", who may read everything, since their code or this home lies behind closed directories"
    return f"The programs run as {name}{passing if user.passage else ''}."


def settle(home: Path) -> None:
    """Close a home to others and, as root, give it to its user, with what an earlier run made as somebody else.

    A directory that holds other things as well, as one's own or /tmp does, is left as it is.
    """
    account = owner_of(home) if may_give() else None
    if _ours_alone(home) and (account or os.geteuid() != 0):
        home.chmod(0o700)
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
    for name in GIVEN:
        (home / name).mkdir(mode=0o700, exist_ok=True)
        if account:
            give(home / name, account)


def give(place: Path, account: pwd.struct_passwd) -> None:
    """Let somebody own a folder and all that is in it. Its own owner changes last, so that a killed run is repeated."""
    if place.lstat().st_uid == account.pw_uid:
        return
    for _, folders, files, folder in os.fwalk(place, topdown=False):
        for name in (*folders, *files):
            os.chown(name, account.pw_uid, account.pw_gid, dir_fd=folder, follow_symlinks=False)
    os.chown(place, account.pw_uid, account.pw_gid, follow_symlinks=False)


def may_give() -> bool:
    """Whether we are root with its powers; in a container it may have lost them."""
    return os.geteuid() == 0 and launch.held(*launch.GIVING)


def hand_over(place: int | Path, *, like: Path) -> None:
    """As root, let what was made just now belong to whom its folder belongs to."""
    if may_give():
        owner = like.stat()
        os.chown(place, owner.st_uid, owner.st_gid)


def _ours_alone(home: Path) -> bool:
    seen = home.stat()
    names = {entry.name for entry in home.iterdir() if not entry.name.startswith(".")}
    return seen.st_uid in (os.geteuid(), 0) and not seen.st_mode & stat.S_ISVTX and names <= {*GIVEN, *KEPT}


def _open_to(account: pwd.struct_passwd, place: Path) -> bool:
    """Whether somebody may read a file or enter a folder, and pass through all that are above it."""
    wanted = 0o005 if place.is_dir() else 0o004
    return _allows(account, place, wanted) and all(_allows(account, parent, 0o001) for parent in place.parents)


def _allows(account: pwd.struct_passwd, place: Path, wanted: int) -> bool:
    seen = place.stat()
    mine = seen.st_mode >> 6 if seen.st_uid == account.pw_uid else seen.st_mode
    return mine & wanted == wanted


def _account(uid: int) -> pwd.struct_passwd:
    """One without a name is called by its number."""
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return pwd.struct_passwd((str(uid), "x", uid, uid, "", "/", ""))

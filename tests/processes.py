"""Who has started whom, as Linux tells it."""

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """The processes that one has started; none where it is gone."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += map(int, task.read_text().split())
    return found


def family(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *(below for child in children(pid) for below in family(child))]


def lives(pid: int) -> bool:
    """Whether a process is there and not only waits to be reaped; told of those as well that conceal the rest."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

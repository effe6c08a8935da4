"""Programs beside a test, and who has started whom, as Linux tells it."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def program(command: Sequence[str], environ: Mapping[str, str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A program beside the test. It is killed at the end: a test that fails must not wait for it for ever."""
    with subprocess.Popen(command, env=environ, text=True, **options) as started:
        try:
            yield started
        finally:
            started.kill()


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

"""A decoder with a bug: a file that ends with ``POISON`` makes it segfault. A real process, really dying."""

import ctypes
from pathlib import Path

from pipeline.media.decoder import main, perform
from pipeline.media.protocol import DecodeTask, Done, Inspect

POISON = b"POISON"


def behave(task: DecodeTask) -> Done:
    source = Path(task.path if isinstance(task, Inspect) else task.source)
    if source.read_bytes().endswith(POISON):
        ctypes.string_at(0)
    return perform(task)


if __name__ == "__main__":
    main(behave)

"""A decoder that does to itself what the name of the file asks for: a real process, really spinning, really dying."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image

from models.media.types import Media
from pipeline.media.decoder import main, perform
from pipeline.media.protocol import DecodeTask, Done, Inspect


def spin() -> None:
    while True:
        pass


def allocate() -> None:
    hoard = []
    while True:
        hoard.append(bytes(1 << 24))


def segfault() -> None:
    ctypes.string_at(0)


def hang() -> None:
    signal.pause()


def write() -> None:
    with Path(os.environ["TMPDIR"], "endless").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def leave() -> None:
    os._exit(0)


def babble() -> None:
    os.write(1, b"libsomething: warning: this goes where answers go\n")
    sys.stdout.write("so does this\n")
    sys.stdout.flush()


def breed() -> None:
    """Leave a grandchild behind that holds on, as one can outside a cage, and hang."""
    child = subprocess.Popen(["sleep", "600"])
    Path(os.environ["TMPDIR"]).parents[1].joinpath("grandchild").write_text(str(child.pid))
    hang()


def mistake() -> None:
    """A bug of ours, as it comes out of a library: a box outside the picture."""
    Image.new("RGB", (8, 8)).resize((4, 4), box=(-1, 0, 8, 8))


def stumble() -> None:
    """A bug of ours in plain Python."""
    len(7)  # type: ignore[arg-type]


def open_many() -> None:
    held = [open(os.devnull) for _ in range(1000)]  # noqa: PTH123, SIM115
    held.clear()


def behave(task: DecodeTask) -> Done:
    deed = Path(task.path if isinstance(task, Inspect) else task.source).name
    if deed == "tell":  # who it is and what it knows, in a field of text
        return Done(media=Media(mime_type=str(os.getpid()), kind="document", codec=" ".join(os.environ)))
    if deed in DEEDS:
        DEEDS[deed]()
        return Done(media=Media(mime_type="text/plain", kind="document"))
    return perform(task)


DEEDS = {
    deed.__name__: deed
    for deed in (spin, allocate, segfault, hang, write, leave, babble, breed, mistake, stumble, open_many)
}

if __name__ == "__main__":
    main(behave)

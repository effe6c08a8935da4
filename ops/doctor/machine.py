"""This machine: free disk where scratch files and embedded data are, and what the kernel has to hold decoders."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models import kernel
from models.settings import Settings
from ops.doctor.finding import Finding

AREA: Final = "machine"
GIB: Final = 1024**3
LEAST_FREE: Final = 6 * GIB  # the largest clip is 5 GB, and a worker has it on its disk while it works on it


def check(settings: Settings) -> Iterator[Finding]:
    """Disk and kernel."""
    places = (_existing(settings.episodes_home.resolve()), Path(tempfile.gettempdir()))
    disks = {place.stat().st_dev: place for place in places}
    yield from map(_disk, disks.values())
    yield _walls(settings)


def _existing(place: Path) -> Path:
    return next(one for one in (place, *place.parents) if one.exists())


def _disk(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    said = f"{free / GIB:.1f} GiB free at {place}"
    if free < LEAST_FREE:
        return Finding(AREA, "warning", said, "a clip may have 5 GB, and a worker holds it on its disk: make room")
    return Finding(AREA, "good", said)


def _walls(settings: Settings) -> Finding:
    missing = " and ".join(kernel.available().missing)
    if not missing:
        return Finding(AREA, "good", "decoders are held by Landlock and seccomp")
    what = f"decoders are not held by {missing}, which the kernel or the container does not have"
    mend = "run workers on Linux 5.13 or newer, in a container that lets these calls through"
    return Finding(AREA, "wrong" if settings.cage == "required" else "warning", what, mend)

"""What this code is: its version and the commit that it was built from."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]


@cache
def version() -> str:
    """The version of this code, as it is installed."""
    from importlib import metadata  # noqa: PLC0415  (30 ms of import, which a decoder need not pay)

    return metadata.version("episodes")


@cache
def commit() -> str | None:
    """``EPISODES_COMMIT``, which an image is built with; else that of the checkout, if it is one."""
    if told := os.environ.get("EPISODES_COMMIT"):
        return told
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        return None
    asked = subprocess.run(  # noqa: S603  (a fixed question; the checkout may be another user's)
        [git, "-c", "safe.directory=*", "-C", str(PROJECT), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or None

"""A checkout of its own, and terminals in it: what a person at the keyboard has who follows a document."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from models.build import PROJECT
from tests.stack import unmeasured

SOURCES: Final = ("Makefile", "compose.yaml", "api", "migrations", "models", "ops", "pipeline")
PATIENCE: Final = 90.0  # seconds for one block
# Stands where Docker is: fails as Compose does where compose.yaml requires a variable that is not set.
DOCKER: Final = r"""#!/bin/bash
for name in $(grep -oP '\$\{\K[A-Z0-9_]+(?=:\?)' compose.yaml); do : "${!name:?}"; done
echo "docker $*"
"""


def checkout(folder: Path) -> Path:
    """The sources and the installed packages under a folder, where data of its own are written."""
    for name in SOURCES:
        (folder / name).symlink_to(PROJECT / name)
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copyfile(PROJECT / name, folder / name)
    venv = folder / ".venv"
    venv.mkdir()
    for part in Path(sys.prefix).iterdir():
        if not part.name.startswith("."):
            (venv / part.name).symlink_to(part)
    (venv / ".runtime").touch()  # newer than the requirements: nothing is installed again
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return folder


class Terminal:
    """A shell that reads its commands from us, and stops at the first that fails."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.output = folder / f"terminal-{len(list(folder.glob('terminal-*')))}"
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        with self.output.open("wb") as output:
            self.shell = subprocess.Popen(
                ["bash", "-euo", "pipefail"],
                cwd=folder,
                env={**unmeasured(os.environ), "PATH": path, **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.blocks = 0

    @property
    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def run(self, block: str) -> str:
        """Run a block to its end; what it printed."""
        before = len(self.printed)
        self.send(block)
        self.send(f"echo ended-{self.blocks}")
        self.wait(lambda: f"ended-{self.blocks - 1}\n" in self.printed)
        return self.printed[before:].rpartition(f"ended-{self.blocks - 1}\n")[0]

    def start(self, block: str, until: str) -> str:
        """Begin a block that stays in the foreground; what it printed until it said that it runs."""
        self.send(block)
        self.wait(lambda: until in self.printed)
        return self.printed

    def send(self, block: str) -> None:
        """Give the shell a block, with nothing at its standard input."""
        assert self.shell.stdin
        file = self.output.with_suffix(f".{self.blocks}.sh")
        file.write_text(block)
        self.blocks += 1
        self.shell.stdin.write(f"source {file} </dev/null\n".encode())
        self.shell.stdin.flush()

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.shell.poll() is None, self.printed
            assert time.monotonic() < deadline, f"it did not end in time:\n{self.printed}"
            time.sleep(0.02)

    def close(self) -> int:
        """Leave the shell once its last command has ended; its exit code."""
        assert self.shell.stdin
        self.shell.stdin.close()
        return self.shell.wait(PATIENCE)


def blocks(document: str) -> list[tuple[str, str]]:
    """The shell blocks of a document, each with the heading that it stands under."""
    found: list[tuple[str, str]] = []
    heading = ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```sh\n(.*?)^```$", (PROJECT / document).read_text(), re.M | re.S):
        if match[1]:
            heading = match[1]
        else:
            found.append((heading, match[2]))
    return found

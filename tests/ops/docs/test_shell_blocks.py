"""The shell blocks of README, tutorial and operations run in order, as they are printed, over a real ``make run``.

Only ports and ``/tmp`` are other ones, so that two runs of this test may stand beside each other; the sample data are
rows without media, whose ingest ``tests/ops/seed`` shows.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from os import environ, killpg
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from ops.stack import ports
from tests.ops.docs.terminal import Terminal, blocks, checkout
from tests.stack import unmeasured

pytestmark = pytest.mark.services

DOCUMENTS: Final = ("README.md", "ops/docs/tutorial.md", "ops/docs/operations.md")
RUNNING: Final = "Episodes is running"
SAMPLES: Final = """
import asyncio
from ops.cli.sign_in import connected
from ops.seed.__main__ import rows

async def main():
    async with connected("admin") as client:
        await rows(client)

asyncio.run(main())
"""
# What a reader sees under a heading, where the document says so.
SHOWN: Final = {
    "First job": r"6 .*stored(.|\n)*6 of 6 jobs(.|\n)*look",
    "An upload": r"the storage answers 200",
    "A job": r'"status": ?"succeeded"',
    "The result": r'"stage": "index"(.|\n)*"file_size": \d+(.|\n)*Walk at the pier',
    "A folder": r"1 duplicate(.|\n)*6 duplicate(.|\n)*Walk at the pier(.|\n)*5 of \d+ jobs",
    "From Python": r"succeeded (stored|duplicate)(.|\n)*Walk at the pier",
    "Links and script versions": r"usage_count(.|\n)*\+\+\+",
    "The trash": r'"stillDeleted": {\s*"clips": 1,\s*"outfits": 1\s*}',
    "The audit log": r"restore(.|\n)*changes in \d+ seals hold",
    "Health and metrics": r'"ready"(.|\n)*episodes_jobs(.|\n)*episodes_jobs_total',
    "One look": r"healthy(.|\n)*storage(.|\n)*dispatcher(.|\n)*worker(.|\n)*interactive",
    "Log level": r"all programs log DEBUG until (.|\n)*each program logs at its own LOG_LEVEL",
    "Bulk operations": r"0 (.|\n)*0 ",
    "Pauses": r"thumbnail is paused until (.|\n)*the storage is being moved(.|\n)*thumbnail goes on",
    "Priorities": r"backfill: at most 2 at once\nbackfill: as many as the workers can at once",
    "Containers": r"docker compose up --build --detach",
}


class Reader:
    """Follows the documents: one terminal for ``make run``, one for the rest of each document."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        first, _, last = environ["EPISODES_PORTS"].partition("-")
        free = filter(ports.is_free, range(int(first), int(last) + 1))
        self.port, self.metrics, self.second, self.metrics_of_second = islice(free, 4)
        self.left = f"{self.metrics_of_second + 1}-{last}"  # for the services
        self.terminals: list[Terminal] = []
        self.first: Terminal  # of `make run`

    def terminal(self, **more: str) -> Terminal:
        self.terminals.append(Terminal(self.folder, {"EPISODES_PORTS": self.left, **more}))
        return self.terminals[-1]

    def here(self, block: str) -> str:
        """A block with the ports and the folder that are ours."""
        for printed, ours in (
            ("127.0.0.1:3000", f"127.0.0.1:{self.port}"),
            ("127.0.0.1:4000", f"127.0.0.1:{self.metrics}"),
            ("PORT=3001", f"PORT={self.second}"),
            ("/tmp/", f"{self.folder}/tmp/"),
        ):
            block = block.replace(printed, ours)
        return block

    def start(self, block: str) -> None:
        """``make run``, in a terminal that it keeps."""
        if "PORT" in block:
            self.terminal(METRICS_PORT=str(self.metrics_of_second)).start(self.here(block), RUNNING)
            return
        self.first = self.terminal(PORT=str(self.port), METRICS_PORT=str(self.metrics), SEED="0")
        self.first.start(block, RUNNING)
        settings = {**unmeasured(environ), "EPISODES_HOME": str(self.folder / ".data")}
        subprocess.run([sys.executable, "-c", SAMPLES], env=settings, check=True, timeout=60)

    def leave(self) -> None:
        for terminal in self.terminals:
            if terminal.shell.poll() is None:
                killpg(terminal.shell.pid, signal.SIGTERM)
            terminal.close()


@pytest.fixture
def reader() -> Iterator[Reader]:
    with TemporaryDirectory(prefix="episodes-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # whom PostgreSQL runs as, where we are root, starts programs in it
        (folder / "tmp").mkdir()
        reader = Reader(checkout(folder))
        yield reader
        reader.leave()


def test_every_shell_block_of_readme_tutorial_and_operations_runs_in_order_as_printed(reader: Reader) -> None:
    shown: dict[str, str] = {}
    for document in DOCUMENTS:
        terminal = reader.terminal()
        for heading, block in blocks(document):
            if block.rstrip().endswith("make run"):
                reader.start(block)
            else:
                shown[heading] = shown.get(heading, "") + terminal.run(reader.here(block))
            assert '"errors"' not in shown.get(heading, ""), shown[heading]
        assert terminal.close() == 0
    check(shown)
    assert reader.first.close() == 0  # a command of the documents has stopped it
    assert not (reader.folder / ".data").exists()


def check(shown: Mapping[str, str]) -> None:
    """What the documents say comes of it did."""
    assert set(SHOWN) <= set(shown)
    for heading, pattern in SHOWN.items():
        assert re.search(pattern, shown[heading]), f"{heading}:\n{shown[heading]}"

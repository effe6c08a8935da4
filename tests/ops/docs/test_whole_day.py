"""The script of a whole day, as its page shows it, over a connection that breaks."""

import os
import subprocess
import sys
from pathlib import Path

from models.build import PROJECT
from tests import media
from tests.cutting import Cutting
from tests.stack import Stack, unmeasured
from tests.work import unique

SCRIPT = PROJECT / "ops" / "docs" / "whole_day.py"
LINES = 60


def test_a_whole_day_takes_a_short_script_and_a_connection_that_breaks_doubles_nothing(
    server: Stack, tmp_path: Path
) -> None:
    assert len(SCRIPT.read_text().splitlines()) < LINES
    folder = tmp_path / f"shoot-{tmp_path.name}"
    folder.mkdir()
    for number in range(20):
        (folder / f"look-{number:03}.jpg").write_bytes(unique(media.jpeg()))
    for number in range(5):
        media.clip(folder / f"take-{number}.mp4", media.moving(3 + number))
    way = Cutting(server.url, times=3, after=20_000)
    environ = {"EPISODES_URL": way.url, "EPISODES_TOKEN": server.token("editor", "ana"), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run(
        command, env=unmeasured(os.environ) | environ, capture_output=True, text=True, timeout=120, check=False
    )
    way.close()
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "webhook: job.succeeded" in said
    wanted = ["files: 25", "both kept: ['Coats', 'outerwear']", "found: 20", "back: look-019.jpg"]
    assert [line for line in said if not line.startswith("webhook")] == wanted
    assert way.left <= 0
    assert server.sql("select count(*) from outfits where name like %s", f"{folder.name} %") == [(20,)]

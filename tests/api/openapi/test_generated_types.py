"""What a stranger who writes TypeScript makes of the document: types without a warning, and the main job over them.

It needs Node.js, which Episodes does not; where there is none, nothing is shown.
"""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests import media
from tests.stack import Stack
from tests.work import unique

NPM = shutil.which("npm")
PROJECT = Path(__file__).with_name("typescript")

pytestmark = pytest.mark.skipif(NPM is None, reason="there is no npm on this machine, which TypeScript comes by")


def run(folder: Path, *command: str, **environ: str) -> str:
    """What a command prints, which ends well."""
    given = {**os.environ, "PATH": f"{folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}", **environ}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, viewer: httpx2.Client) -> Path:
    """The project with what it needs, and the document beside it."""
    folder = shutil.copytree(PROJECT, tmp_path_factory.mktemp("typescript") / "project")
    try:
        run(folder, "npm", "ci", "--fetch-retries=0", "--ignore-scripts", "--no-audit", "--no-fund")
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the registry of npm is out of reach: {str(error)[-300:]}")
    (folder / "openapi.json").write_bytes(viewer.get("/schema/openapi.json").content)
    return folder


def test_types_are_generated_without_a_warning_and_the_main_job_runs_over_them(project: Path, server: Stack) -> None:
    said = run(project, "openapi-typescript", "openapi.json", "--default-non-nullable=false", "--output", "api.d.ts")
    assert "warn" not in said.lower()
    assert run(project, "tsc", "--project", ".") == ""
    picture = base64.b64encode(unique(media.jpeg())).decode()
    environ = {"EPISODES_URL": server.url, "EPISODES_TOKEN": server.token("editor"), "PICTURE": picture}
    assert run(project, "node", "main_job.js", **environ).splitlines()[-1] == "stored"

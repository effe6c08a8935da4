"""What the code says of itself."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = [sys.executable, "-c", "from models import build; print(build.commit())"]


def asked(command: list[str], **environ: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "EPISODES_COMMIT"} | environ
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True).strip()


def test_the_commit_of_a_checkout_is_told_also_to_a_program_that_runs_as_another_user() -> None:
    head = asked(["git", "rev-parse", "HEAD"])
    assert asked(ASK) == head
    assert asked(ASK, GIT_TEST_ASSUME_DIFFERENT_OWNER="1") == head


def test_an_image_tells_the_commit_that_it_was_built_from() -> None:
    assert asked(ASK, EPISODES_COMMIT="0123abc") == "0123abc"

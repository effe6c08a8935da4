"""Who decodes, and who does not: who holds the secrets speaks to a decoder and loads no codec."""

import json
import pkgutil
import subprocess
import sys
from typing import Any, Final

import pytest

import pipeline.engine
import pipeline.stages
import pipeline.tasks
from models.build import PROJECT

pytestmark = pytest.mark.programs

CODECS: Final = {"av", "PIL"}
# Of a program: its module, and which libraries of others it does without.
WITHOUT: Final = {
    "api.app": CODECS | {"boto3", "dramatiq", "numpy"},
    "pipeline.dispatcher": CODECS | {"boto3", "botocore", "numpy"},
    "pipeline.worker": CODECS | {"boto3", "numpy"},  # it loads boto3 with its first connection to the storage
}


def loaded(*modules: str) -> set[str]:
    """The packages that a process has loaded once it has imported these modules."""
    told = f"import {', '.join(modules)}, json, sys; print(json.dumps([*sys.modules]))"
    names = json.loads(subprocess.check_output([sys.executable, "-c", told], cwd=PROJECT, text=True))
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("program", WITHOUT)
def test_a_program_that_holds_secrets_loads_no_codec(program: str) -> None:
    assert not loaded(program) & WITHOUT[program]


@pytest.mark.parametrize("package", [pipeline.engine, pipeline.stages, pipeline.tasks], ids=lambda it: it.__name__)
def test_what_runs_and_does_the_stages_loads_no_codec(package: Any) -> None:
    names = [found.name for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    assert len(names) > 5
    assert not loaded(*names) & CODECS


def test_a_decoder_loads_the_codecs_and_nothing_that_could_reach_a_service() -> None:
    has = loaded("pipeline.media.decoder")
    assert has > CODECS
    assert not has & {"psycopg", "redis", "pika", "botocore", "dramatiq", "litestar"}

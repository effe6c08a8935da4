"""A worker whose decoders have a bug."""

import sys
from functools import partial

from pipeline import worker
from pipeline.engine import context
from pipeline.media import sandbox

PROGRAM = (sys.executable, "-P", "-m", "tests.chaos.poisoned_decoder")


def poison() -> None:
    """From now on this process starts such decoders."""
    vars(context)["Sandbox"] = partial(sandbox.Sandbox, program=PROGRAM)


if __name__ == "__main__":
    poison()
    raise SystemExit(worker.main())

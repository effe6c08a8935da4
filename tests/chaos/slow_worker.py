"""A worker for whose decoders some content is slow."""

import sys
from functools import partial

from pipeline import worker
from pipeline.engine import context
from pipeline.media import sandbox

PROGRAM = (sys.executable, "-P", "-m", "tests.chaos.slow_decoder")

if __name__ == "__main__":
    vars(context)["Sandbox"] = partial(sandbox.Sandbox, program=PROGRAM)
    raise SystemExit(worker.main())

"""A worker for whose decoders some content is slow."""

import sys
from functools import partial

from pipeline import context, sandbox, worker

PROGRAM = (sys.executable, "-P", "-m", "tests.chaos.slow_decoder")

if __name__ == "__main__":
    vars(context)["Sandbox"] = partial(sandbox.Sandbox, program=PROGRAM)
    raise SystemExit(worker.main())

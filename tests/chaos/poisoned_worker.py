"""A worker whose decoders have a bug."""

import sys
from functools import partial

from pipeline import context, sandbox, worker

PROGRAM = (sys.executable, "-P", "-m", "tests.chaos.poisoned_decoder")

if __name__ == "__main__":
    vars(context)["Sandbox"] = partial(sandbox.Sandbox, program=PROGRAM)
    raise SystemExit(worker.main())
